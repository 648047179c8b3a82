import type { Platform } from "../../platform.ts";
import type { AddressRules } from "../addresses/address-policy.ts";
import { maskOfTarget } from "./mask-target.ts";
import { messageIn } from "./mcp-failure.ts";
import type { McpAddress } from "./mcp-transport.ts";
import { safeFetch } from "../addresses/safe-fetch.ts";
import { identifyServer, labelServer, parseServerCommand } from "./server-command.ts";

/**
 * An MCP server: one that the sidecar starts by a command, as the operator typed it, or one that
 * listens at a URL. Each owner has a process or a session of its own; "": whoever shares one.
 */
export type McpTarget =
  | { kind: "command"; command: string; env: Record<string, string>; owner: string }
  | { kind: "url"; url: string; headers: Record<string, string>; owner: string };

/** What reaching an MCP server takes of a runtime. */
export type McpPlatform = Pick<
  Platform,
  "fetch" | "fetchGuarded" | "sidecar" | "connections" | "memory" | "logger"
> & {
  config: AddressRules;
};

/** Where a server is, and what has to be done before it is spoken to. */
export interface McpEndpoint {
  address: McpAddress;
  /** Whose connection it is, where an address does not tell; "": everybody's. */
  owner: string;
  /** Tells the sidecar what the server is, which it forgets when it restarts. */
  prepare(signal: AbortSignal): Promise<void>;
}

/** An error whose message is already what people and models should read. */
export class ReadableFailure extends Error {}

/** @throws ReadableFailure where a command needs a sidecar that is not there */
export async function locate(platform: McpPlatform, target: McpTarget): Promise<McpEndpoint> {
  if (target.kind === "url") {
    const { url, headers, owner } = target;
    const fetch = safeFetch(platform, Object.keys(headers));
    const address = { url, headers, fetch, negotiates: true, mask: maskOfTarget(target) };
    return { address, owner, prepare: () => Promise.resolve() };
  }
  const definition = {
    ...parseServerCommand(target.command),
    env: target.env,
    owner: target.owner,
  };
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
    if (!response.ok)
      throw new ReadableFailure(
        `The MCP sidecar refused: ${messageIn(text) ?? `status ${response.status}.`}`,
      );
  };
  const fetch: McpAddress["fetch"] = (url, init) => platform.fetch(url, init);
  const mask = maskOfTarget(target);
  const address = { url: `${base}/mcp`, headers, fetch, negotiates: false, mask };
  // The id is the definition's, its owner included.
  return { address, owner: "", prepare };
}

/**
 * `npx some-server` or an address, without arguments, credentials, query and tokens in the path.
 */
export function labelTarget(target: McpTarget): string {
  if (target.kind === "command") return `\`${labelServer(parseServerCommand(target.command))}\``;
  const url = new URL(target.url);
  return maskOfTarget(target).text(url.origin + url.pathname);
}
