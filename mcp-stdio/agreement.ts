import { isJson, objectAt, type Json } from "./json.ts";
import {
  argumentHeaders,
  headerText,
  repeatedArguments,
  type RepeatedArgument,
} from "./repeated-arguments.ts";

const MODERN_VERSION = "io.modelcontextprotocol/protocolVersion";

/** The version that a message of the newer era carries, or null for one of the older era. */
export function modernVersion(params: unknown): string | null {
  const version = objectAt(params, "_meta")[MODERN_VERSION];
  return typeof version === "string" ? version : null;
}

/** What client and proxy have told each other, as far as the transport repeats it in headers. */
export class Agreement {
  /** Of the older era: what the proxy called the session. */
  session: string | null = null;
  readonly #repeated = new Map<string, RepeatedArgument[]>();
  #version: string | null = null;
  #knowsTools = false;

  /** Whether the tools must be listed before this message can have its headers. */
  lacksTools(method: string, params: unknown): boolean {
    return method === "tools/call" && modernVersion(params) !== null && !this.#knowsTools;
  }

  /** Takes what a result says. */
  learn(method: unknown, result: unknown): void {
    if (!isJson(result)) return;
    if (method === "initialize" && typeof result["protocolVersion"] === "string")
      this.#version = result["protocolVersion"];
    if (method !== "tools/list" || !Array.isArray(result["tools"])) return;
    this.#knowsTools = true;
    for (const tool of result["tools"].filter(isJson))
      this.#repeated.set(String(tool["name"]), repeatedArguments(tool["inputSchema"]));
  }

  /** What the transport wants to have in headers, by the era of the message. */
  headersOf(method: string, params: unknown): Record<string, string> {
    const version = modernVersion(params);
    if (version === null) return this.#olderHeaders(method);
    const headers = { "mcp-protocol-version": version, "mcp-method": method };
    const name = isJson(params) ? params["name"] : undefined;
    if (method !== "tools/call" || typeof name !== "string") return headers;
    const args: Json = objectAt(params, "arguments");
    const repeated = argumentHeaders(this.#repeated.get(name) ?? [], args);
    return { ...headers, "mcp-name": headerText(name), ...repeated };
  }

  #olderHeaders(method: string): Record<string, string> {
    const headers: Record<string, string> = {};
    if (this.session !== null) headers["mcp-session-id"] = this.session;
    if (this.#version !== null && method !== "initialize")
      headers["mcp-protocol-version"] = this.#version;
    return headers;
  }
}
