import { Hono } from "hono";
import { z } from "zod";
import { ApiError } from "../openai/api-error.ts";
import { messageOf } from "../openai/error-message.ts";
import { isObject, parseJson } from "../openai/json.ts";
import type { RequestScope } from "../platform.ts";
import { findTool } from "../store/tools.ts";
import { callTool } from "../tools/call-tool.ts";
import { listMcpTools, type McpTarget } from "../tools/mcp-client.ts";
import { parseServerCommand } from "../tools/server-command.ts";
import { upstreamSchema } from "../tools/tool-schema.ts";
import { expectJson, httpUrl, idOf, jsonOf, notFound, plainText } from "./admin-input.ts";

/** A first `npx` or `uvx` downloads its package. */
const DISCOVERY_LIMIT_MS = 75_000;

const discoveryBody = z.strictObject({
  mcpServerCommand: plainText(10_000).trim().optional(),
  mcpServerUrl: httpUrl().optional(),
  env: z.record(z.string(), plainText(50_000)).optional(),
});

const trialBody = z.strictObject({ arguments: z.record(z.string(), z.unknown()).default({}) });

function targetOf({ mcpServerCommand, mcpServerUrl, env = {} }: z.infer<typeof discoveryBody>): McpTarget {
  if ((mcpServerCommand === undefined) === (mcpServerUrl === undefined)) {
    throw new ApiError("invalid_value", "Name the server by either mcpServerCommand or mcpServerUrl.", { param: "mcpServerCommand" });
  }
  if (mcpServerUrl !== undefined) return { kind: "url", url: mcpServerUrl, headers: {} };
  const command = mcpServerCommand ?? "";
  try {
    parseServerCommand(command);
  } catch (error) {
    throw new ApiError("invalid_value", `mcpServerCommand is not allowed: ${messageOf(error)}`, {
      param: "mcpServerCommand",
      cause: error,
    });
  }
  return { kind: "command", command, env };
}

/**
 * `POST /discover` → the tools of an MCP server, to be picked from; `POST /:id/try` → one call of a stored tool, as the
 * model's would be. Both are the operator's alone: a preview that any key could ask for would run commands for anybody.
 */
export function adminToolTrials(): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>();

  app.post("/discover", expectJson, jsonOf(discoveryBody), async (context) => {
    const { platform, clientGone } = context.env;
    const target = targetOf(context.req.valid("json"));
    const found = await listMcpTools(platform, { target, signal: clientGone, timeoutMs: DISCOVERY_LIMIT_MS }).catch((error: unknown) => {
      throw new ApiError("mcp_server_failed", messageOf(error), { cause: error });
    });
    const tools = found.map(({ name, description, inputSchema }) => ({ name, description, parameters: upstreamSchema(inputSchema) }));
    return context.json({ tools });
  });

  app.post("/:id/try", expectJson, jsonOf(trialBody), async (context) => {
    const { platform, clientGone } = context.env;
    const stored = await findTool(platform.database, idOf(context.req.param("id"), "tool"));
    if (stored === null) throw notFound("tool");
    const parameters = parseJson(stored.parameters);
    const tool = { ...stored, parameters: isObject(parameters) ? parameters : {} };
    const startedAt = Date.now();
    const argumentsText = JSON.stringify(context.req.valid("json").arguments);
    const { text, error, logs } = await callTool(platform, { tool, argumentsText, signal: clientGone });
    return context.json({ result: error === null ? text : null, error, logs, durationMs: Date.now() - startedAt });
  });

  return app;
}
