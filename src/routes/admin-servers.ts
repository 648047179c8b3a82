import { Hono } from "hono";
import { z } from "zod";
import { ApiError } from "../openai/api-error.ts";
import { messageOf } from "../openai/error-message.ts";
import type { Platform, RequestScope } from "../platform.ts";
import { recordAudit } from "../store/audit.ts";
import { SealError } from "../store/seal.ts";
import { listCommandTools, type StoredTool } from "../store/tools.ts";
import { environmentOf } from "../tools/run-mcp-tool.ts";
import { identifyServer, labelServer, parseServerCommand, type ServerDefinition } from "../tools/server-command.ts";
import { listSidecarServers, restartSidecarServer, type SidecarServer } from "../tools/sidecar-servers.ts";
import { expectJson, jsonOf, notFound, plainText } from "./admin-input.ts";

const STDERR_LINES = 200;

const restartBody = z.strictObject({ command: plainText(10_000).trim().min(1, "must not be empty") });

/** A server that tools of ours are at. */
interface ToolServer {
  id: string;
  /** As the operator wrote it. */
  command: string;
  definition: ServerDefinition;
  tools: string[];
}

/** Null where a tool's variables cannot be opened (ENCRYPTION_KEY was changed), or its command is not allowed any more. */
async function definitionOf(platform: Platform, tool: StoredTool): Promise<ServerDefinition | null> {
  try {
    return { ...parseServerCommand(tool.mcpServerCommand ?? ""), env: await environmentOf(platform, tool), owner: "" };
  } catch (error) {
    if (!(error instanceof SealError))
      platform.logger.debug("A tool's server cannot be named", { tool: tool.name, error: messageOf(error) });
    return null;
  }
}

/** The servers of our tools, by id. Tools with one command and different variables have different servers. */
async function serversOfTools(platform: Platform): Promise<Map<string, ToolServer>> {
  const servers = new Map<string, ToolServer>();
  for (const tool of await listCommandTools(platform.database)) {
    const definition = await definitionOf(platform, tool);
    if (definition === null) continue;
    const id = await identifyServer(definition);
    const server = servers.get(id) ?? { id, command: tool.mcpServerCommand ?? "", definition, tools: [] };
    server.tools.push(tool.name);
    servers.set(id, server);
  }
  return servers;
}

const failed = (error: unknown): never => {
  throw new ApiError("mcp_server_failed", messageOf(error), { cause: error });
};

function linesOf(stderr: string): string[] {
  return stderr === "" ? [] : stderr.split(/\r?\n/).slice(-STDERR_LINES);
}

/** What is unknown of a server is left out. */
function showKnown(server: SidecarServer, ofTools: ToolServer | undefined) {
  const { id, command, state, pid, startedAt, lastError, stderr } = server;
  return {
    id,
    command: ofTools?.command ?? command,
    state,
    ...(pid === null ? {} : { pid }),
    ...(startedAt === null ? {} : { startedAt }),
    ...(lastError === null ? {} : { lastError }),
    stderr: linesOf(stderr),
    tools: ofTools?.tools.toSorted() ?? [],
  };
}

/** The sidecar has not been asked for it since it started. */
const showUnknown = ({ id, command, tools }: ToolServer) => ({ id, command, state: "stopped", stderr: [], tools: tools.toSorted() });

/** `GET /servers` → MCP servers that are started by a command; `POST /servers/restart {command}` → 204 when they run again. */
export function adminServers(): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>();

  app.get("/servers", async (context) => {
    const { platform } = context.env;
    const [known, ofTools] = await Promise.all([listSidecarServers(platform).catch(failed), serversOfTools(platform)]);
    const ids = new Set(known.map(({ id }) => id));
    const others = [...ofTools.values()].filter(({ id }) => !ids.has(id));
    return context.json({ data: [...known.map((server) => showKnown(server, ofTools.get(server.id))), ...others.map(showUnknown)] });
  });

  app.post("/servers/restart", expectJson, jsonOf(restartBody), async (context) => {
    const { platform, clientAddress } = context.env;
    const { command } = context.req.valid("json");
    const [first, ...others] = [...(await serversOfTools(platform)).values()].filter((server) => server.command === command);
    // Only what an approved tool needs: a command of one's own is tried by discovery.
    if (first === undefined) throw notFound("MCP server of a tool");
    for (const { definition } of [first, ...others]) await restartSidecarServer(platform, definition).catch(failed);
    await recordAudit(platform.database, {
      action: "server.restart",
      clientAddress,
      target: { id: first.id, name: labelServer(first.definition) },
    });
    return context.body(null, 204);
  });

  return app;
}
