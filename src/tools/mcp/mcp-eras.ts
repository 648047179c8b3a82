/**
 * Which protocol a remote MCP server speaks: asked once, then remembered, and asked again when it
 * proves wrong.
 */
import { forgetOldest, memorySlot } from "../../memory.ts";
import type { Platform } from "../../platform.ts";
import { deniesEra, mayShakeHands } from "./mcp-failure.ts";
import type { McpAddress } from "./mcp-transport.ts";
import { connectToServer, type EraVerdict, type McpConnection } from "./mcp-connection.ts";

type Remembered = Map<string, { verdict: EraVerdict; foundAt: number }>;

/**
 * An outdated `modern` fails at its first request; an outdated `legacy` would work, and stay, for
 * ever.
 */
const LEGACY_KEPT_MS = 60 * 60_000;
const MAX_REMEMBERED = 1_000;

/** Tells servers apart, and what they show to whom; holds secrets. */
export const keyOf = ({ url, headers }: McpAddress): string => JSON.stringify([url, headers]);

const remembered = memorySlot((): Remembered => new Map());

/** Connects in the era that the server was found to speak, or finds it out. */
export async function connectInEra(
  platform: Pick<Platform, "memory" | "logger">,
  address: McpAddress,
  limits: { signal: AbortSignal; timeoutMs: number },
): Promise<McpConnection> {
  if (!address.negotiates)
    return connectToServer(platform, address, { ...limits, era: { kind: "legacy" } });
  const known = remembered.of(platform.memory);
  const key = keyOf(address);
  const found = known.get(key);
  const isOutdated =
    found?.verdict.kind === "legacy" && performance.now() - found.foundAt > LEGACY_KEPT_MS;
  if (found !== undefined && !isOutdated) {
    try {
      return await connectToServer(platform, address, { ...limits, era: found.verdict });
    } catch (error) {
      if (!deniesEra(error)) throw error;
    }
  }
  known.delete(key);
  const connection = await connectToServer(platform, address, { ...limits, era: null }).catch(
    (error: unknown) => {
      if (!mayShakeHands(error)) throw error;
      return connectToServer(platform, address, { ...limits, era: { kind: "legacy" } });
    },
  );
  known.set(key, { verdict: connection.era, foundAt: performance.now() });
  forgetOldest(known, MAX_REMEMBERED);
  return connection;
}

/**
 * Has the server asked again by the next connection, unless another owner's has found another era
 * since.
 * @param era of the connection that failed
 */
export function forgetEra(
  platform: Pick<Platform, "memory">,
  address: McpAddress,
  era: EraVerdict["kind"],
): void {
  const known = remembered.of(platform.memory);
  const key = keyOf(address);
  if (known.get(key)?.verdict.kind === era) known.delete(key);
}
