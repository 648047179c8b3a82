/**
 * The one place that knows an MCP SDK: what goes in and out is plain JSON, what goes wrong is an
 * `McpFailure`.
 */
import { Client, type PriorDiscovery, type RequestOptions } from "@modelcontextprotocol/client";
import * as z from "zod";
import { maskLogger } from "../../secrets/mask-logger.ts";
import { isObject, type JsonObject } from "../../openai/json.ts";
import type { Logger, Platform } from "../../platform.ts";
import { CONNECTION_LOST, failureOf, HEADER_MISMATCH, McpFailure } from "./mcp-failure.ts";
import { McpTransport, type McpAddress } from "./mcp-transport.ts";

/** How far a call has come, by its server's account. */
export interface McpProgress {
  progress: number;
  total?: number | undefined;
  message?: string | undefined;
}

/** What bounds one request. */
interface McpRequestLimits {
  /** Cancels it at the server too. */
  signal: AbortSignal;
  /** Without an answer, in milliseconds; a backstop behind `signal`. */
  timeoutMs: number;
}

/** A connected MCP server. Its requests throw {@link failureOf}'s errors. */
export interface McpConnection {
  era: EraVerdict;
  /** One page of `tools/list` as the server wrote it. */
  listTools(cursor: string | null, limits: McpRequestLimits): Promise<JsonObject>;
  /** The `CallToolResult` as the server wrote it, `isError` ones included. */
  callTool(
    call: { name: string; args: JsonObject },
    limits: McpRequestLimits & { onProgress: (progress: McpProgress) => void },
  ): Promise<JsonObject>;
  /**
   * Has the listener told when the server says that its tools have changed.
   * @returns what ends that
   */
  onToolsChanged(listener: () => void): () => void;
  /** Ends the session at the server too. Never throws. */
  close(): Promise<void>;
}

/**
 * Plain JSON: `modern` is MCP 2026-07-28 and later with what the server said of itself, `legacy`
 * the handshake before.
 */
export type EraVerdict = { kind: "modern"; discover: JsonObject } | { kind: "legacy" };

type ObjectSchema = JsonObject & { type: "object" };

const AnyResult = z.looseObject({});
const ListChanged = { params: z.looseObject({}) };
/** Where a result is kept while the SDK looks at an empty one. */
const UNTOUCHED = "untouched";
const MAX_PAGES = 64;
/**
 * Servers that wait for an `initialize` before they say anything are rare, and have to be waited
 * for.
 */
const PROBE_LIMIT_MS = 10_000;

/**
 * Connects, in a known era or by asking the server for its own.
 * @param options `era` null: ask. `timeoutMs`: for each step of it
 * @throws what {@link failureOf} understands
 */
export async function connectToServer(
  platform: Pick<Platform, "logger">,
  address: McpAddress,
  options: { signal: AbortSignal; timeoutMs: number; era: EraVerdict | null },
): Promise<McpConnection> {
  const { signal, timeoutMs, era } = options;
  const logger = maskLogger(platform.logger, address.mask);
  const transport = new McpTransport(address);
  const client = new Client(
    { name: "openai-proxy-server", version: "1" },
    // A question back (MCP 2026-07-28) has nobody to answer it.
    {
      versionNegotiation: { mode: "auto", probe: { timeoutMs: PROBE_LIMIT_MS } },
      inputRequired: { autoFulfill: false },
    },
  );
  client.onerror = (error) => report(logger, error);
  // The SDK does not look at the signal while it asks for the era.
  const abort = () => void transport.close();
  signal.throwIfAborted();
  signal.addEventListener("abort", abort);
  try {
    await client.connect(transport, {
      signal,
      timeout: timeoutMs,
      ...(era === null ? {} : { prior: era as PriorDiscovery }),
    });
  } catch (error) {
    throw signal.aborted ? signal.reason : failureOf(error);
  } finally {
    signal.removeEventListener("abort", abort);
  }
  return connectionOf(client, transport, logger);
}

/**
 * The SDK names every answer that nobody waits for any more, content and all: the rule for those of
 * `mcp-transport.ts`.
 */
function report(logger: Logger, { message }: Error): void {
  if (message.includes(CONNECTION_LOST)) return;
  logger.debug("An MCP connection reports an error", {
    error: message.replace(/\{.*$/s, "…").slice(0, 300),
  });
}

function connectionOf(client: Client, transport: McpTransport, logger: Logger): McpConnection {
  const listeners = new Set<() => void>();
  const discover = client.getDiscoverResult();
  // Schemas whose `x-mcp-header` marks (2026-07-28) say which arguments have to be repeated in
  // headers.
  const marked = new Map<string, ObjectSchema>();
  keepUntouched(transport);
  client.setNotificationHandler("notifications/tools/list_changed", ListChanged, () => {
    for (const listener of listeners) listener();
  });
  const listTools: McpConnection["listTools"] = (cursor, limits) =>
    answered(() =>
      client.request(
        { method: "tools/list", params: cursor === null ? {} : { cursor } },
        AnyResult,
        optionsOf(limits),
      ),
    );
  return {
    era:
      discover === undefined ? { kind: "legacy" } : { kind: "modern", discover: { ...discover } },
    listTools,
    callTool: async ({ name, args }, limits) => {
      const options = { ...optionsOf(limits), onprogress: limits.onProgress };
      const params = { name, arguments: args };
      const ask = (inputSchema: ObjectSchema | undefined) =>
        answered(() =>
          inputSchema === undefined
            ? client.request({ method: "tools/call", params }, AnyResult, options)
            : client.callTool(params, { ...options, toolDefinition: { name, inputSchema } }),
        );
      try {
        return await ask(marked.get(name));
      } catch (error) {
        const isMismatch =
          discover !== undefined && error instanceof McpFailure && error.code === HEADER_MISMATCH;
        const inputSchema = isMismatch
          ? await schemaOf(name, (cursor) => listTools(cursor, limits))
          : null;
        if (inputSchema === null) throw error;
        marked.set(name, inputSchema);
        return ask(inputSchema);
      }
    },
    onToolsChanged: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => close(client, transport, logger),
  };
}

const optionsOf = ({ signal, timeoutMs }: McpRequestLimits): RequestOptions => ({
  signal,
  timeout: timeoutMs,
});

async function answered(ask: () => Promise<JsonObject>): Promise<JsonObject> {
  try {
    const result = await ask();
    const meta = result["_meta"];
    return isObject(meta) && isObject(meta[UNTOUCHED]) ? meta[UNTOUCHED] : result;
  } catch (error) {
    throw failureOf(error);
  }
}

/**
 * Keeps results of 2026-07-28 from the SDK's schemas, which for that revision cannot be replaced:
 * one malformed tool fails the whole list, one block of an unknown type the whole call (client
 * 2.4.0). It is given an empty result to judge.
 */
function keepUntouched(transport: McpTransport): void {
  const deliver = transport.onmessage;
  transport.onmessage = (message) => {
    const result = "result" in message ? message.result : undefined;
    if (result?.["resultType"] !== "complete" || !("id" in message) || message.id === undefined)
      return deliver?.(message);
    const empty = {
      resultType: "complete",
      content: [],
      tools: [],
      ttlMs: 0,
      cacheScope: "private",
      _meta: { [UNTOUCHED]: result },
    };
    deliver?.({ jsonrpc: "2.0", id: message.id, result: empty });
  };
}

/** A tool's schema, as its server has it now; null where it has no such tool. */
async function schemaOf(
  name: string,
  list: (cursor: string | null) => Promise<JsonObject>,
): Promise<ObjectSchema | null> {
  let cursor: string | null = null;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const { tools, nextCursor }: JsonObject = await list(cursor);
    const tool = Array.isArray(tools)
      ? tools.find((candidate: unknown) => isObject(candidate) && candidate["name"] === name)
      : undefined;
    if (isObject(tool))
      return isObject(tool["inputSchema"]) ? { ...tool["inputSchema"], type: "object" } : null;
    if (typeof nextCursor !== "string" || nextCursor === "") return null;
    cursor = nextCursor;
  }
  return null;
}

async function close(client: Client, transport: McpTransport, logger: Logger): Promise<void> {
  try {
    await transport.farewell();
  } catch (error) {
    logger.debug("An MCP session could not be ended", { error: String(error) });
  }
  await client.close();
}
