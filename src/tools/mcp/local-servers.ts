import type { Platform } from "../../platform.ts";

/** Whose user an MCP server is that a command starts. */
type RunAs = "proxy" | "sidecar" | "own" | "nobody";

/** What the operator should know of such servers. */
export interface LocalServers {
  runAs: RunAs;
  message: string;
}

const MESSAGES: Record<RunAs, string> = {
  proxy:
    "MCP servers that a command starts run as the user of this proxy: they can do whatever it " +
    "can, read its files and secrets included. Start none that you do not trust, or run them " +
    "apart: with docker compose, or with a sidecar of another user (MCP_SIDECAR_URL).",
  sidecar:
    "MCP servers that a command starts run apart from this proxy, as the user of the sidecar: " +
    "they reach what that user can, and what other servers keep. MCP_SIDECAR_USERS gives each a " +
    "user of its own.",
  own: "Each MCP server that a command starts runs as a user of its own.",
  nobody: "No MCP server can be started by a command: there is no sidecar.",
};

/** Says what local MCP servers can do here, as far as the sidecar can be asked. */
export async function describeLocalServers(
  platform: Pick<Platform, "config" | "runtime" | "partHealth">,
): Promise<LocalServers> {
  const { sidecar } = await platform.partHealth();
  const elsewhere = platform.config.sidecarUrl !== null;
  const usual = elsewhere ? "sidecar" : platform.runtime.name === "node" ? "proxy" : "nobody";
  const runAs = sidecar?.["hasUsers"] === true ? "own" : usual;
  return { runAs, message: MESSAGES[runAs] };
}
