import { Memory } from "../../src/memory.ts";
import type { Logger, SidecarEndpoint } from "../../src/platform.ts";
import type { McpPlatform } from "../../src/tools/mcp/mcp-client.ts";

/** The parts of a platform that the MCP client uses. */
export function platformWith(
  sidecar: () => Promise<SidecarEndpoint | null>,
  changes: Partial<McpPlatform> = {},
): McpPlatform {
  const memory = new Memory();
  const config = { host: "127.0.0.1", environment: "development", mcpAllowedPrivateHosts: [] };
  const fetchGuarded = globalThis.fetch;
  return {
    config,
    fetch: globalThis.fetch,
    fetchGuarded,
    sidecar,
    connections: memory,
    memory,
    logger: SILENT,
    ...changes,
  };
}

export const SILENT: Logger = { error() {}, warn() {}, info() {}, debug() {} };

/** An MCP server by its command line. */
export function command(text: string, env: Record<string, string> = {}, owner = "") {
  return { kind: "command", command: text, env, owner } as const;
}

/** What a failing call says. */
export async function messageOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => new Error("nothing was thrown"),
    (reason: unknown) => reason,
  );
  return error instanceof Error ? error.message : String(error);
}
