import type { JsonObject } from "../openai/json.ts";
import type { Platform } from "../platform.ts";
import type { ResolvedTool } from "../store/resolved-key.ts";
import { runFunction } from "./run-function.ts";
import { runMcpTool } from "./run-mcp-tool.ts";
import { checkArguments } from "./tool-schema.ts";
import { failedResult, type ToolResult } from "./tool-result.ts";
import { messageOf } from "../openai/error-message.ts";

interface Run {
  tool: ResolvedTool;
  args: JsonObject;
  /** On whose behalf: the id of an API key, or {@link OPERATOR}. */
  owner: string;
  signal: AbortSignal;
}

/** The owner of what the operator tries out. */
export const OPERATOR = "operator";

/** How each type of tool is run. */
const RUNNERS: Record<ResolvedTool["type"], (platform: Platform, run: Run) => Promise<ToolResult>> = {
  function: runFunction,
  mcp: runMcpTool,
};

/**
 * Runs one call. Never throws: whatever goes wrong is a result that says so.
 * @param call `argumentsText`: JSON text as the model wrote it
 */
export async function callTool(platform: Platform, call: Omit<Run, "args"> & { argumentsText: string }): Promise<ToolResult> {
  const { tool, owner, signal } = call;
  const checked = checkArguments(tool, call.argumentsText);
  if ("violation" in checked) return failedResult(checked.violation);
  try {
    return await RUNNERS[tool.type](platform, { tool, args: checked.args, owner, signal });
  } catch (error) {
    platform.logger.warn("A tool call failed", { tool: tool.name, error: messageOf(error) });
    return failedResult(messageOf(error));
  }
}
