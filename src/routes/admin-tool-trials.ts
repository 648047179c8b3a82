import { Hono } from "hono";
import { z } from "zod";
import { forgetKeys } from "../auth/authenticate.ts";
import { ApiError } from "../openai/api-error.ts";
import { messageOf } from "../openai/error-message.ts";
import { isObject, parseJson } from "../openai/json.ts";
import type { RequestScope } from "../platform.ts";
import { recordAudit } from "../store/audit.ts";
import { findTool } from "../store/tools.ts";
import { OPERATOR } from "../tools/call-tool.ts";
import { callWatchedTool } from "../tools/drift/call-watched-tool.ts";
import { listMcpTools, type McpTarget } from "../tools/mcp/mcp-client.ts";
import { labelServer, parseServerCommand } from "../tools/mcp/server-command.ts";
import { suggestNames } from "../tools/mcp/suggest-name.ts";
import { hiddenTextOf } from "../tools/hidden-text.ts";
import { importedSchema } from "../tools/tool-schema.ts";
import { describeRoute } from "./describe-route.ts";
import {
  expectJson,
  httpHeaders,
  httpUrl,
  idOf,
  jsonOf,
  notFound,
  plainText,
} from "./admin-input.ts";

/** A first `npx` or `uvx` downloads its package. */
const DISCOVERY_LIMIT_MS = 75_000;
/** All are started at once. */
const MAX_SERVERS = 16;

const environment = z.record(z.string(), plainText(50_000));

/** What desktop clients have in their settings; members that only they understand are let pass. */
const clientServer = z.looseObject({
  command: plainText(1000).trim().min(1, "must not be empty").optional(),
  args: z.array(plainText(10_000)).max(200).optional(),
  env: environment.optional(),
  url: httpUrl().optional(),
  headers: httpHeaders().optional(),
});

const discoveryBody = z.strictObject({
  mcpServerCommand: plainText(10_000).trim().optional(),
  mcpServerUrl: httpUrl().optional(),
  env: environment.optional(),
  mcpHeaders: httpHeaders().optional(),
  mcpServers: z
    .record(plainText(200), clientServer)
    .refine(
      (servers) => Object.keys(servers).length <= MAX_SERVERS,
      `must be at most ${MAX_SERVERS} servers`,
    )
    .optional(),
});

const trialBody = z.strictObject({ arguments: z.record(z.string(), z.unknown()).default({}) });

type Discovery = z.infer<typeof discoveryBody>;

/**
 * One server, by a command line or a URL.
 * @throws ApiError 400 where it is neither, both, or not allowed
 */
function targetOf({ mcpServerCommand, mcpServerUrl, env = {}, mcpHeaders }: Discovery): McpTarget {
  if ((mcpServerCommand === undefined) === (mcpServerUrl === undefined)) {
    throw new ApiError(
      "invalid_value",
      "Name the server by either mcpServerCommand or mcpServerUrl, or several by mcpServers.",
      {
        param: "mcpServerCommand",
      },
    );
  }
  if (mcpServerUrl !== undefined)
    return { kind: "url", url: mcpServerUrl, headers: mcpHeaders ?? {}, owner: OPERATOR };
  if (mcpHeaders !== undefined) {
    throw new ApiError(
      "invalid_value",
      "mcpHeaders are for a server at mcpServerUrl: give one that mcpServerCommand starts its secrets in env.",
      {
        param: "mcpHeaders",
      },
    );
  }
  const command = mcpServerCommand ?? "";
  try {
    parseServerCommand(command);
  } catch (error) {
    throw new ApiError("invalid_value", `mcpServerCommand is not allowed: ${messageOf(error)}`, {
      param: "mcpServerCommand",
      cause: error,
    });
  }
  return { kind: "command", command, env, owner: OPERATOR };
}

/** A word as it stands in a command line: quoted where it has to be. */
const quoted = (word: string) =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;

/** The same as one of our tools would have it. */
function discoveryOf({
  command,
  args = [],
  env,
  url,
  headers,
}: z.infer<typeof clientServer>): Discovery {
  return {
    ...(command === undefined
      ? {}
      : { mcpServerCommand: [command, ...args].map(quoted).join(" ") }),
    ...(url === undefined ? {} : { mcpServerUrl: url }),
    ...(env === undefined ? {} : { env }),
    ...(headers === undefined ? {} : { mcpHeaders: headers }),
  };
}

type Scope = Pick<RequestScope, "platform" | "clientAddress" | "clientGone">;

/** What is asked, without what may be a secret in it. */
function labelOf(target: McpTarget): string {
  return target.kind === "command"
    ? labelServer(parseServerCommand(target.command))
    : new URL(target.url).origin;
}

/** Before the server is asked: what it does then is done. */
async function noteDiscovery(
  { platform, clientAddress }: Scope,
  target: McpTarget,
  { env = {}, mcpHeaders = {} }: Discovery,
): Promise<void> {
  await recordAudit(platform.database, {
    action: "tool.discover",
    clientAddress,
    target: { id: null, name: labelOf(target) },
    changes: { env: Object.keys(env), mcpHeaders: Object.keys(mcpHeaders) },
  });
}

/** @throws ApiError that says why the server cannot be asked */
async function discover(scope: Scope, discovery: Discovery, serverName?: string) {
  const { platform, clientGone } = scope;
  const target = targetOf(discovery);
  await noteDiscovery(scope, target, discovery);
  const found = await listMcpTools(platform, {
    target,
    signal: clientGone,
    timeoutMs: DISCOVERY_LIMIT_MS,
  }).catch((error: unknown) => {
    throw new ApiError("mcp_server_failed", messageOf(error), { cause: error });
  });
  const place = target.kind === "url" ? { url: target.url } : { command: target.command };
  const names = suggestNames(
    serverName === undefined ? { place } : { place, name: serverName },
    found.map(({ name }) => name),
  );
  return found.map(({ name, description, inputSchema }, index) => ({
    name,
    suggestedName: names[index] ?? name,
    description,
    parameters: importedSchema(inputSchema),
    ...hiddenTextOf({ name, description, parameters: inputSchema }),
  }));
}

/** Asks several servers at once; one that fails says why in its own place. */
async function discoverAll(scope: Scope, servers: NonNullable<Discovery["mcpServers"]>) {
  const ask = async ([name, server]: [string, z.infer<typeof clientServer>]) => {
    const discovery = discoveryOf(server);
    const { env: _env, mcpHeaders: _headers, ...where } = discovery;
    try {
      return { name, ...where, tools: await discover(scope, discovery, name) };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return { name, ...where, error: error.message };
    }
  };
  return Promise.all(Object.entries(servers).map(ask));
}

/**
 * `POST /discover` → the tools of an MCP server, to be picked from; `POST /:id/try` → one call of a
 * stored tool, as the model's would be. Both are the operator's alone: a preview that any key could
 * ask for would run commands for anybody.
 */
export function adminToolTrials(): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>();

  app.post(
    "/discover",
    describeRoute({
      tag: "Tools",
      summary:
        "List the tools of an MCP server, or of several named as in a desktop client's mcpServers",
      answer: "DiscoveredTools",
    }),
    expectJson,
    jsonOf(discoveryBody),
    async (context) => {
      const { mcpServers, ...one } = context.req.valid("json");
      if (mcpServers === undefined)
        return context.json({ tools: await discover(context.env, one) });
      if (Object.values(one).some((value) => value !== undefined))
        throw new ApiError(
          "invalid_value",
          "mcpServers stands alone: name one server, or several.",
          {
            param: "mcpServers",
          },
        );
      return context.json({ servers: await discoverAll(context.env, mcpServers) });
    },
  );

  app.post(
    "/:id/try",
    describeRoute({ tag: "Tools", summary: "Call a tool as a model would", answer: "ToolTrial" }),
    expectJson,
    jsonOf(trialBody),
    async (context) => {
      const { platform, clientAddress, clientGone } = context.env;
      const stored = await findTool(platform.database, idOf(context.req.param("id"), "tool"));
      if (stored === null) throw notFound("tool");
      await recordAudit(platform.database, {
        action: "tool.try",
        clientAddress,
        target: { id: stored.id, name: stored.name },
      });
      const parameters = parseJson(stored.parameters);
      const tool = { ...stored, parameters: isObject(parameters) ? parameters : {} };
      const since = performance.now();
      const argumentsText = JSON.stringify(context.req.valid("json").arguments);
      const { text, error, logs } = await callWatchedTool(
        context.env,
        { tool, argumentsText, owner: OPERATOR, signal: clientGone },
        forgetKeys,
      );
      return context.json({
        result: error === null ? text : null,
        error,
        logs,
        durationMs: Math.round(performance.now() - since),
      });
    },
  );

  return app;
}
