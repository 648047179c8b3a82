import { isObject, parseJson, type JsonObject } from "../openai/json.ts";
import type { Platform } from "../platform.ts";
import type { ResolvedTool } from "../store/resolved-key.ts";
import { sealOf } from "../store/seal.ts";
import { callMcpTool, type McpTarget } from "./mcp-client.ts";
import { cutResult, failedResult, type ToolResult } from "./tool-result.ts";

/** Time limit of an MCP tool that sets none, in milliseconds. */
const MCP_TIMEOUT_MS = 60_000;

/** The variables that a tool's server gets. @throws SealError where they cannot be opened */
export async function environmentOf(
  platform: Pick<Platform, "config" | "memory">,
  tool: Pick<ResolvedTool, "env">,
): Promise<Record<string, string>> {
  if (tool.env === null) return {};
  const env = parseJson(await sealOf(platform).open(tool.env));
  return isObject(env) ? Object.fromEntries(Object.entries(env).map(([name, value]) => [name, String(value)])) : {};
}

/** Runs an `mcp` tool at its server: one that the sidecar starts, or one that listens at a URL. */
export async function runMcpTool(
  platform: Platform,
  call: { tool: ResolvedTool; args: JsonObject; owner: string; signal: AbortSignal },
): Promise<ToolResult> {
  const { tool, args, signal } = call;
  const target: McpTarget =
    tool.mcpServerUrl === null
      ? { kind: "command", command: tool.mcpServerCommand ?? "", env: await environmentOf(platform, tool), owner: "" }
      : { kind: "url", url: tool.mcpServerUrl, headers: {} };
  const timeoutMs = tool.timeoutMs ?? MCP_TIMEOUT_MS;
  const result = await callMcpTool(platform, { target, toolName: tool.mcpToolName ?? tool.name, args, signal, timeoutMs });
  return result.isError ? failedResult(result.text) : { text: cutResult(result.text), error: null, logs: [] };
}
