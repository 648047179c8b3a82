/**
 * Connections to MCP servers: kept for whoever comes next where the runtime allows it, one for each
 * call where it does not.
 */
import { memorySlot } from "../memory.ts";
import { connectInEra, keyOf } from "./mcp-eras.ts";
import { isAnswer } from "./mcp-failure.ts";
import type { McpPlatform, Place } from "./mcp-place.ts";
import type { McpUpstream } from "./mcp-upstream.ts";

/** A connection for the time of one call. */
export interface Lease {
  upstream: McpUpstream;
  /** Gives it back. @param error what the call failed with, null where it did not */
  end(error: unknown): Promise<void>;
}

/**
 * A shared connection serves whoever comes, so no single caller's limit may end its handshake. A
 * first `npx` downloads in it.
 */
const CONNECT_LIMIT_MS = 75_000;
const MAX_SHARED = 200;
/**
 * By what tells servers apart.
 * @internal for tests
 */
export const mcpConnections = memorySlot(() => new Map<string, Promise<McpUpstream>>());

/** A connection to the server, a new one where none is at hand. */
export function takeConnection(
  platform: McpPlatform,
  place: Place,
  signal: AbortSignal,
): Promise<Lease> {
  return platform.connections === null
    ? takeAlone(platform, place, signal)
    : takeShared(platform, mcpConnections.of(platform.connections), { place, signal });
}

async function takeAlone(platform: McpPlatform, place: Place, signal: AbortSignal): Promise<Lease> {
  const upstream = await connect(platform, place, signal);
  return { upstream, end: () => upstream.close() };
}

async function takeShared(
  platform: McpPlatform,
  shared: Map<string, Promise<McpUpstream>>,
  { place, signal }: { place: Place; signal: AbortSignal },
): Promise<Lease> {
  const key = keyOf(place.address);
  const connecting =
    shared.get(key) ?? connect(platform, place, AbortSignal.timeout(CONNECT_LIMIT_MS));
  const forget = () => void (shared.get(key) === connecting && shared.delete(key));
  // Those used last are kept longest.
  forget();
  shared.set(key, connecting);
  connecting.catch(forget);
  for (const [oldest] of shared) if (shared.size > MAX_SHARED) shared.delete(oldest);
  const end = async (error: unknown): Promise<void> => {
    if (error !== null && !signal.aborted && !isAnswer(error)) forget();
  };
  return { upstream: await untilAborted(connecting, signal), end };
}

async function connect(
  platform: McpPlatform,
  place: Place,
  signal: AbortSignal,
): Promise<McpUpstream> {
  await place.prepare(signal);
  return connectInEra(platform, place.address, { signal, timeoutMs: CONNECT_LIMIT_MS });
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
