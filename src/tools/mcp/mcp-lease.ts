/**
 * Connections to MCP servers: kept for whoever comes next where the runtime allows it, one for each
 * call where it does not.
 */
import { forgetOldest, memorySlot } from "../../memory.ts";
import { connectInEra, keyOf } from "./mcp-eras.ts";
import { isAnswer } from "./mcp-failure.ts";
import type { McpPlatform, McpEndpoint } from "./mcp-target.ts";
import type { McpConnection } from "./mcp-connection.ts";

/** A connection for the time of one call. */
export interface Lease {
  connection: McpConnection;
  /** Gives it back. @param error what the call failed with, null where it did not */
  end(error: unknown): Promise<void>;
}

/**
 * A shared connection serves whoever comes, so no single caller's limit may end its handshake. A
 * first `npx` downloads in it.
 */
const CONNECT_LIMIT_MS = 75_000;
/** A connection to a server at a URL is a key's own, as a rule. */
const MAX_SHARED = 1_000;
/**
 * By what tells servers apart.
 * @internal for tests
 */
export const mcpConnections = memorySlot(() => new Map<string, Promise<McpConnection>>());

/** A connection to the server, a new one where none is at hand. */
export function takeConnection(
  platform: McpPlatform,
  endpoint: McpEndpoint,
  signal: AbortSignal,
): Promise<Lease> {
  return platform.connections === null
    ? takeAlone(platform, endpoint, signal)
    : takeShared(platform, mcpConnections.of(platform.connections), { endpoint, signal });
}

async function takeAlone(
  platform: McpPlatform,
  endpoint: McpEndpoint,
  signal: AbortSignal,
): Promise<Lease> {
  const connection = await connect(platform, endpoint, signal);
  return { connection, end: () => connection.close() };
}

async function takeShared(
  platform: McpPlatform,
  shared: Map<string, Promise<McpConnection>>,
  { endpoint, signal }: { endpoint: McpEndpoint; signal: AbortSignal },
): Promise<Lease> {
  const key = JSON.stringify([endpoint.owner, keyOf(endpoint.address)]);
  const connecting =
    shared.get(key) ?? connect(platform, endpoint, AbortSignal.timeout(CONNECT_LIMIT_MS));
  const forget = () => void (shared.get(key) === connecting && shared.delete(key));
  // Those used last are kept longest.
  forget();
  shared.set(key, connecting);
  connecting.catch(forget);
  forgetOldest(shared, MAX_SHARED);
  const end = async (error: unknown): Promise<void> => {
    if (error !== null && !signal.aborted && !isAnswer(error)) forget();
  };
  return { connection: await untilAborted(connecting, signal), end };
}

async function connect(
  platform: McpPlatform,
  endpoint: McpEndpoint,
  signal: AbortSignal,
): Promise<McpConnection> {
  await endpoint.prepare(signal);
  return connectInEra(platform, endpoint.address, { signal, timeoutMs: CONNECT_LIMIT_MS });
}

/** The promise's outcome, or the signal's reason where that comes first. */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort);
  });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", abort));
}
