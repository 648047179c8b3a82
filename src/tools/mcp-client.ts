import { StreamableHTTPError } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import * as z from "zod";
import { isObject, parseJson } from "../openai/json.ts";
import type { Platform } from "../platform.ts";
import { connectMcp, CONNECTION_LOST, type McpAddress, type McpConnection } from "./mcp-connection.ts";
import { readMcpResult, type McpToolResult } from "./mcp-result.ts";
import { identifyServer, labelServer, parseServerCommand } from "./server-command.ts";

/** An MCP server: one that the sidecar starts by a command, as the operator typed it, or one that listens at a URL. */
export type McpTarget =
  | { kind: "command"; command: string; env: Record<string, string>; owner: string }
  | { kind: "url"; url: string; headers: Record<string, string> };

/** A tool as its server describes it. */
export interface McpToolDescription {
  name: string;
  description: string;
  /** JSON Schema of the arguments object. */
  inputSchema: Record<string, unknown>;
}

/** What reaching an MCP server takes of a runtime. */
export type McpPlatform = Pick<Platform, "fetch" | "sidecar" | "sharesConnections" | "memory" | "logger">;

interface Limits {
  target: McpTarget;
  /** Cancels the call at the server too. */
  signal: AbortSignal;
  /** For everything, the start of the server included, in milliseconds. */
  timeoutMs: number;
}

/** A shared connection serves whoever comes, so no single caller's limit may end its handshake. A first `npx` downloads in it. */
const CONNECT_LIMIT_MS = 75_000;
const MAX_SHARED = 200;

const AnyResult = z.looseObject({});
const ToolPage = z.looseObject({ tools: z.array(z.unknown()), nextCursor: z.string().optional() });
const MAX_PAGES = 64;

/**
 * Calls one tool of an MCP server.
 * @throws Error with a sentence for the model and the operator, when the server cannot be reached or started, answers with a
 * protocol error, or takes too long; what the tool itself reports as failed is a result with `isError`
 */
export async function callMcpTool(
  platform: McpPlatform,
  call: Limits & { toolName: string; args: Record<string, unknown> },
): Promise<McpToolResult> {
  const { toolName: name, args } = call;
  const params = { name, arguments: args };
  const result = await run(platform, { ...call, what: `The tool ${name}` }, ({ client }, signal) =>
    client.request({ method: "tools/call", params }, AnyResult, { signal, timeout: call.timeoutMs + 1_000 }),
  );
  return readMcpResult(result);
}

/**
 * Lists the tools of an MCP server, in the server's order; tools without a name are left out.
 * @throws Error as {@link callMcpTool} does
 */
export async function listMcpTools(platform: McpPlatform, limits: Limits): Promise<McpToolDescription[]> {
  return run(platform, { ...limits, what: "The list of tools" }, async ({ client }, signal) => {
    const tools: McpToolDescription[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const params = cursor === undefined ? {} : { cursor };
      const answer = await client.request({ method: "tools/list", params }, ToolPage, { signal, timeout: limits.timeoutMs + 1_000 });
      for (const tool of answer.tools) {
        if (!isObject(tool) || typeof tool["name"] !== "string") continue;
        const { name, description, inputSchema } = tool;
        tools.push({
          name,
          description: typeof description === "string" ? description : "",
          inputSchema: isObject(inputSchema) ? inputSchema : { type: "object" },
        });
      }
      cursor = answer.nextCursor;
      if (cursor === undefined || cursor === "") break;
    }
    return tools;
  });
}

type Work<T> = (connection: McpConnection, signal: AbortSignal) => Promise<T>;

/** Runs `work` at the server within the limits; a session that the server no longer knows is opened anew, once. */
async function run<T>(platform: McpPlatform, call: Limits & { what: string }, work: Work<T>): Promise<T> {
  const label = labelTarget(call.target);
  const limit = new AbortController();
  const cancel = () =>
    limit.abort(
      call.signal.reason instanceof Error ? call.signal.reason : new Error(`${call.what} of the MCP server ${label} was cancelled.`),
    );
  const timer = setTimeout(() => {
    limit.abort(new Error(`${call.what} of the MCP server ${label} took longer than ${call.timeoutMs / 1_000} s and was cancelled.`));
  }, call.timeoutMs);
  if (call.signal.aborted) cancel();
  call.signal.addEventListener("abort", cancel);
  try {
    const signal = limit.signal;
    return await (platform.sharesConnections ? runShared : runAlone)(platform, call.target, { signal, work });
  } catch (error) {
    if (limit.signal.aborted) throw limit.signal.reason;
    throw explain(error, label);
  } finally {
    clearTimeout(timer);
    call.signal.removeEventListener("abort", cancel);
  }
}

async function runAlone<T>(platform: McpPlatform, target: McpTarget, { signal, work }: { signal: AbortSignal; work: Work<T> }): Promise<T> {
  const place = await untilAborted(locate(platform, target), signal);
  await place.prepare(signal);
  const connection = await connectMcp(platform, place.address, { signal, timeoutMs: CONNECT_LIMIT_MS });
  try {
    return await work(connection, signal);
  } finally {
    await connection.close();
  }
}

async function runShared<T>(
  platform: McpPlatform,
  target: McpTarget,
  { signal, work }: { signal: AbortSignal; work: Work<T> },
): Promise<T> {
  const shared = platform.memory.get("mcp-connections", () => new Map<string, Promise<McpConnection>>());
  for (let isRetry = false; ; isRetry = true) {
    const place = await untilAborted(locate(platform, target), signal);
    const connecting = shared.get(place.key) ?? connectShared(platform, place);
    const forget = () => shared.get(place.key) === connecting && shared.delete(place.key);
    forget();
    shared.set(place.key, connecting);
    connecting.catch(forget);
    for (const [oldest] of shared) if (shared.size > MAX_SHARED) shared.delete(oldest);
    try {
      return await work(await untilAborted(connecting, signal), signal);
    } catch (error) {
      if (signal.aborted) throw error;
      if (!isAnswer(error)) forget();
      if (isRetry || !wasNotReceived(error)) throw error;
    }
  }
}

async function connectShared(platform: McpPlatform, place: Place): Promise<McpConnection> {
  const limit = AbortSignal.timeout(CONNECT_LIMIT_MS);
  await place.prepare(limit);
  return connectMcp(platform, place.address, { signal: limit, timeoutMs: CONNECT_LIMIT_MS });
}

interface Place {
  address: McpAddress;
  /** Tells connections apart; holds secrets. */
  key: string;
  /** Tells the sidecar what the server is, which it forgets when it restarts. */
  prepare(signal: AbortSignal): Promise<void>;
}

async function locate(platform: McpPlatform, target: McpTarget): Promise<Place> {
  if (target.kind === "url") {
    const { url, headers } = target;
    return { address: { url, headers }, key: JSON.stringify([url, headers]), prepare: () => Promise.resolve() };
  }
  const definition = { ...parseServerCommand(target.command), env: target.env, owner: target.owner };
  const sidecar = await platform.sidecar();
  if (sidecar === null) {
    throw new ReadableFailure(
      "This tool's MCP server is started by a command, which takes the MCP sidecar, and none is configured: set MCP_SIDECAR_URL and MCP_SIDECAR_TOKEN.",
    );
  }
  const id = await identifyServer(definition);
  const base = `${sidecar.url.replace(/\/+$/, "")}/servers/${id}`;
  const headers = { authorization: `Bearer ${sidecar.token}` };
  const prepare = async (signal: AbortSignal): Promise<void> => {
    const body = JSON.stringify(definition);
    const response = await platform.fetch(base, {
      method: "PUT",
      headers: { ...headers, "content-type": "application/json" },
      body,
      signal,
    });
    const text = await response.text();
    if (!response.ok) throw new ReadableFailure(`The MCP sidecar refused: ${messageIn(text) ?? `status ${response.status}.`}`);
  };
  return { address: { url: `${base}/mcp`, headers }, key: JSON.stringify([base, sidecar.token]), prepare };
}

async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort);
  });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", abort));
}

/** An error whose message is already what people and models should read. */
class ReadableFailure extends Error {}

/** `npx some-server` or an address, without arguments, credentials and query. */
function labelTarget(target: McpTarget): string {
  if (target.kind === "command") return `\`${labelServer(parseServerCommand(target.command))}\``;
  const url = new URL(target.url);
  return url.origin + url.pathname;
}

function originOf(error: Error): unknown {
  return "data" in error && isObject(error.data) ? error.data["origin"] : undefined;
}

/** Whether the server itself answered, so that the connection is sound. */
function isAnswer(error: unknown): boolean {
  return error instanceof Error && error.name === "McpError" && originOf(error) !== CONNECTION_LOST;
}

/** Whether it is certain that the server ran nothing, so that a second try is harmless: unknown session, or nobody listens. */
function wasNotReceived(error: unknown): boolean {
  if (error instanceof StreamableHTTPError) return error.code === 404;
  const cause = error instanceof Error ? error.cause : undefined;
  return isObject(cause) && cause["code"] === "ECONNREFUSED";
}

function messageIn(text: string): string | undefined {
  const body = parseJson(text);
  const error = isObject(body) ? body["error"] : undefined;
  return isObject(error) && typeof error["message"] === "string" ? error["message"] : undefined;
}

function explain(error: unknown, label: string): Error {
  if (!(error instanceof Error)) return new Error(`The MCP server ${label} failed: ${String(error)}`);
  if (error instanceof ReadableFailure) return error;
  if (error instanceof StreamableHTTPError) {
    const text = error.message.replace(/^.*?Error POSTing to endpoint: /s, "");
    return new Error(`The MCP server ${label} answered with HTTP status ${error.code}: ${(messageIn(text) ?? text).slice(0, 500)}`, {
      cause: error,
    });
  }
  if (error.name === "McpError") {
    const message = error.message.replace(/^(?:MCP error -?\d+: )+/, "");
    if (originOf(error) === "mcp-sidecar") return new Error(message, { cause: error });
    if (originOf(error) === CONNECTION_LOST)
      return new Error(`The MCP server ${label} did not finish its answer: ${message}.`, { cause: error });
    return new Error(`The MCP server ${label} answered with an error: ${message}`, { cause: error });
  }
  const cause = error.cause instanceof Error ? error.cause.message : error.message;
  return new Error(`The MCP server ${label} cannot be reached: ${cause}`, { cause: error });
}
