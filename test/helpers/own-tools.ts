/** Keys with tools, at a proxy of a test's own. */
import { adminCall } from "./own-proxy.ts";

type Json = Record<string, unknown>;

/** A key, and the ids of its tools. */
export interface ToolKey {
  key: string;
  toolIds: string[];
}

/**
 * Makes tools and a key that has them all.
 * @param tools their fields; a name must be new to the proxy
 * @param fields of the key: `openaiBaseUrl` at least
 */
export async function keyWithTools(
  url: string,
  tools: (Json & { name: string })[],
  fields: Json,
): Promise<ToolKey> {
  const toolIds: string[] = [];
  for (const tool of tools)
    toolIds.push(
      (await adminCall<{ id: string }>(url, "/tools", { parameters: { type: "object" }, ...tool }))
        .id,
    );
  const { key } = await adminCall<{ key: string }>(url, "/api-keys", {
    name: "a key with tools",
    toolIds,
    ...fields,
  });
  return { key, toolIds };
}

/** Calls a tool as its operator would, and gives the result. */
export async function tryTool(url: string, toolId: string | undefined): Promise<string> {
  return (await adminCall<{ result: string }>(url, `/tools/${toolId}/try`, { arguments: {} }))
    .result;
}

/**
 * A tool of the faulty MCP server, which the sidecar must find as an installed package.
 * @param fault its arguments
 */
export function faultyTool(name: string, fault: string, more: Json = {}): Json & { name: string } {
  return { name, type: "mcp", mcpServerCommand: `npx faulty-server ${fault}`, ...more };
}
