import { isObject, parseJson } from "../../openai/json.ts";
import type { Platform } from "../../platform.ts";
import type { ResolvedTool } from "../../store/resolved-key.ts";
import { sealOf } from "../../store/seal.ts";
import { callMcpTool, type McpTarget } from "./mcp-client.ts";
import { toolResultOf } from "./mcp-result.ts";
import type { ToolResult } from "../tool-result.ts";
import type { ToolRun } from "../tool-type.ts";

/** A sealed object of texts, opened. */
async function opened(
  platform: Pick<Platform, "config" | "memory">,
  sealed: string | null,
): Promise<Record<string, string>> {
  const texts = sealed === null ? null : parseJson(await sealOf(platform).open(sealed));
  return isObject(texts)
    ? Object.fromEntries(Object.entries(texts).map(([name, value]) => [name, String(value)]))
    : {};
}

/** The variables that a tool's server gets. @throws SealError where they cannot be opened */
export function environmentOf(
  platform: Pick<Platform, "config" | "memory">,
  tool: Pick<ResolvedTool, "env">,
): Promise<Record<string, string>> {
  return opened(platform, tool.env);
}

/**
 * Where a tool's server is.
 * @param owner on whose behalf it is asked
 * @throws SealError where its secrets cannot be opened
 */
export async function mcpTargetOf(
  platform: Pick<Platform, "config" | "memory">,
  tool: Pick<
    ResolvedTool,
    "mcpServerCommand" | "mcpServerUrl" | "mcpIsolation" | "env" | "mcpHeaders"
  >,
  owner: string,
): Promise<McpTarget> {
  const whose = tool.mcpIsolation === "key" ? owner : "";
  if (tool.mcpServerUrl !== null) {
    const headers = await opened(platform, tool.mcpHeaders);
    return { kind: "url", url: tool.mcpServerUrl, headers, owner: whose };
  }
  const env = await environmentOf(platform, tool);
  return { kind: "command", command: tool.mcpServerCommand ?? "", env, owner: whose };
}

/** Runs an `mcp` tool at its server: one that the sidecar starts, or one that listens at a URL. */
export async function runMcpTool(platform: Platform, run: ToolRun): Promise<ToolResult> {
  const { tool, owner, ...rest } = run;
  const target = await mcpTargetOf(platform, tool, owner);
  const toolName = tool.mcpToolName ?? tool.name;
  return toolResultOf(await callMcpTool(platform, { ...rest, target, toolName }));
}
