import type { Logger, SidecarEndpoint } from "../../src/platform.ts";
import type { McpPlatform } from "../../src/tools/mcp-client.ts";

/** The parts of a platform that the MCP client uses. */
export function platformWith(sidecar: () => Promise<SidecarEndpoint | null>, changes: Partial<McpPlatform> = {}): McpPlatform {
  const kept = new Map<string, unknown>();
  const memory = {
    get<T>(name: string, create: () => T): T {
      if (!kept.has(name)) kept.set(name, create());
      return kept.get(name) as T;
    },
  };
  return { fetch: globalThis.fetch, sidecar, sharesConnections: true, memory, logger: SILENT, ...changes };
}

export const SILENT: Logger = { error() {}, warn() {}, info() {}, debug() {} };

/** An MCP server by its command line. */
export function command(text: string, env: Record<string, string> = {}) {
  return { kind: "command", command: text, env, owner: "" } as const;
}
