import { Hono } from "hono";
import { z } from "zod";
import { ApiError } from "../openai/api-error.ts";
import { messageOf } from "../openai/error-message.ts";
import type { Platform, RequestScope } from "../platform.ts";
import { recordAudit } from "../store/audit.ts";
import { nameKeys } from "../store/key-names.ts";
import { SealError } from "../store/seal.ts";
import { listCommandTools, type StoredTool } from "../store/tools.ts";
import { OPERATOR } from "../tools/call-tool.ts";
import { environmentOf } from "../tools/mcp/run-mcp-tool.ts";
import {
  identifyServer,
  labelServer,
  parseServerCommand,
  type ServerDefinition,
} from "../tools/mcp/server-command.ts";
import {
  listSidecarServers,
  restartSidecarServer,
  type SidecarServer,
} from "../tools/mcp/sidecar-servers.ts";
import { describeRoute } from "./describe-route.ts";
import { expectJson, jsonOf, notFound, plainText } from "./admin-input.ts";

const STDERR_LINES = 200;

const restartBody = z
  .strictObject({
    command: plainText(10_000).trim().min(1, "must not be empty").optional(),
    id: plainText(200).trim().min(1, "must not be empty").optional(),
  })
  .refine(
    ({ command, id }) => (command === undefined) !== (id === undefined),
    "must name either a command or the id of one server",
  );

/** A server that tools of ours are at. */
interface ToolServer {
  /** Under which all of its processes are found, whoever they belong to. */
  sharedId: string;
  /** As the operator wrote it. */
  command: string;
  /** Of a process that can be started for the operator to see. */
  definition: ServerDefinition;
  tools: string[];
}

/**
 * Null where a tool's variables cannot be opened (ENCRYPTION_KEY was changed), or its command is
 * not allowed any more.
 */
async function definitionOf(
  platform: Platform,
  tool: StoredTool,
): Promise<ServerDefinition | null> {
  try {
    return {
      ...parseServerCommand(tool.mcpServerCommand ?? ""),
      env: await environmentOf(platform, tool),
      owner: "",
    };
  } catch (error) {
    if (!(error instanceof SealError))
      platform.logger.debug("A tool's server cannot be named", {
        tool: tool.name,
        error: messageOf(error),
      });
    return null;
  }
}

/**
 * The servers of our tools, by shared id. Tools with one command and different variables have
 * different servers.
 */
async function serversOfTools(platform: Platform): Promise<Map<string, ToolServer>> {
  const servers = new Map<string, ToolServer>();
  for (const tool of await listCommandTools(platform.database)) {
    const shared = await definitionOf(platform, tool);
    if (shared === null) continue;
    const sharedId = await identifyServer(shared);
    const definition = { ...shared, owner: tool.mcpIsolation === "shared" ? "" : OPERATOR };
    const server = servers.get(sharedId) ?? {
      sharedId,
      command: tool.mcpServerCommand ?? "",
      definition,
      tools: [],
    };
    server.tools.push(tool.name);
    servers.set(sharedId, server);
  }
  return servers;
}

const failed = (error: unknown): never => {
  throw new ApiError("mcp_server_failed", messageOf(error), { cause: error });
};

function linesOf(stderr: string): string[] {
  return stderr === "" ? [] : stderr.split(/\r?\n/).slice(-STDERR_LINES);
}

/** Whose process it is: null where all keys share it. */
function ownerOf(
  server: SidecarServer,
  names: Map<string, string>,
): { id: string; name: string } | null {
  const { owner: id } = server;
  if (id === "") return null;
  return { id, name: id === OPERATOR ? OPERATOR : (names.get(id) ?? "deleted key") };
}

/** What is unknown of a server is left out. */
function showKnown(
  server: SidecarServer,
  { ofTools, names }: { ofTools: ToolServer | undefined; names: Map<string, string> },
) {
  const {
    id,
    command,
    state,
    pid,
    startedAt,
    lastError,
    retryAt,
    restarts,
    calls,
    callsInFlight,
    queued,
    stderr,
  } = server;
  return {
    id,
    command: ofTools?.command ?? command,
    owner: ownerOf(server, names),
    state,
    ...(pid === null ? {} : { pid }),
    ...(startedAt === null ? {} : { startedAt }),
    ...(lastError === null ? {} : { lastError }),
    ...(retryAt === null ? {} : { retryAt }),
    restarts,
    calls,
    callsInFlight,
    queued,
    stderr: linesOf(stderr),
    tools: ofTools?.tools.toSorted() ?? [],
  };
}

/** The sidecar has not been asked for it since it started. */
function showUnknown({ sharedId, command, tools }: ToolServer) {
  const never = { restarts: 0, calls: 0, callsInFlight: 0, queued: 0, stderr: [] };
  return {
    id: sharedId,
    command,
    owner: null,
    state: "stopped",
    ...never,
    tools: tools.toSorted(),
  };
}

/** What is to be restarted: processes that the sidecar knows, or one that it gets to know. */
type Restart = { id: string; name: string; server: string | ServerDefinition };

/** @throws ApiError 404 where it is no server of ours */
async function findRestarts(
  platform: Platform,
  { command, id }: z.infer<typeof restartBody>,
): Promise<Restart[]> {
  const [known, ofTools] = await Promise.all([
    listSidecarServers(platform).catch(failed),
    serversOfTools(platform),
  ]);
  const wanted = [...ofTools.values()].filter((server) =>
    command === undefined ? server.sharedId === id : server.command === command,
  );
  const running = known.filter((server) =>
    command === undefined
      ? server.id === id
      : wanted.some(({ sharedId }) => sharedId === server.sharedId),
  );
  if (running.length > 0)
    return running.map((server) => ({ id: server.id, name: server.command, server: server.id }));
  // Only what an approved tool needs is started: a command of one's own is tried by discovery.
  if (wanted.length === 0) throw notFound("MCP server of a tool");
  const started = wanted.map(async ({ definition }) => ({
    id: await identifyServer(definition),
    name: labelServer(definition),
    server: definition,
  }));
  return Promise.all(started);
}

/**
 * `GET /servers` → MCP servers that are started by a command, one for each process; `POST
 * /servers/restart` → 204 when they run again: `{command}` all of a command, `{id}` one.
 */
export function adminServers(): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>();

  app.get(
    "/servers",
    describeRoute({
      tag: "Tools",
      summary: "State of the MCP servers that are started by a command",
      answer: "ServerList",
    }),
    async (context) => {
      const { platform } = context.env;
      const [known, ofTools] = await Promise.all([
        listSidecarServers(platform).catch(failed),
        serversOfTools(platform),
      ]);
      const ids = new Set(known.map(({ sharedId }) => sharedId));
      const names = await nameKeys(
        platform.database,
        known.map(({ owner }) => owner),
      );
      const shown = known.map((server) =>
        showKnown(server, { ofTools: ofTools.get(server.sharedId), names }),
      );
      const others = [...ofTools.values()].filter(({ sharedId }) => !ids.has(sharedId));
      return context.json({ data: [...shown, ...others.map(showUnknown)] });
    },
  );

  app.post(
    "/servers/restart",
    describeRoute({
      tag: "Tools",
      summary: "Restart an MCP server of a tool",
      answer: null,
      status: 204,
    }),
    expectJson,
    jsonOf(restartBody),
    async (context) => {
      const { platform, clientAddress } = context.env;
      for (const { id, name, server } of await findRestarts(platform, context.req.valid("json"))) {
        await restartSidecarServer(platform, server).catch(failed);
        await recordAudit(platform.database, {
          action: "server.restart",
          clientAddress,
          target: { id, name },
        });
      }
      return context.body(null, 204);
    },
  );

  return app;
}
