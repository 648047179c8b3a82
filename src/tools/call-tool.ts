import type { JsonObject } from "../openai/json.ts";
import type { Platform } from "../platform.ts";
import type { ResolvedTool } from "../store/resolved-key.ts";
import { BusyFailure, limitCalls, type CallLimit } from "./limit-calls.ts";
import type { McpProgress } from "./mcp-upstream.ts";
import { FUNCTION_TIMEOUT_MS, runFunction } from "./run-function.ts";
import { MCP_TIMEOUT_MS, runMcpTool } from "./run-mcp-tool.ts";
import { checkArguments } from "./tool-schema.ts";
import { failedResult, type ToolResult } from "./tool-result.ts";
import { messageOf } from "../openai/error-message.ts";

interface Run {
  tool: ResolvedTool;
  args: JsonObject;
  /** On whose behalf: the id of an API key, or {@link OPERATOR}. */
  owner: string;
  signal: AbortSignal;
  /** Hears that the tool's MCP server has announced other tools. */
  onToolsChanged?: () => void;
  /** Hears how far an MCP tool says it has come. */
  onProgress?: (progress: McpProgress) => void;
}

/** The owner of what the operator tries out. */
export const OPERATOR = "operator";

/** How each type of tool is run, and the time limit of one that sets none, in milliseconds. */
const TYPES: Record<
  ResolvedTool["type"],
  { timeoutMs: number; run(platform: Platform, run: Run): Promise<ToolResult> }
> = {
  function: { timeoutMs: FUNCTION_TIMEOUT_MS, run: runFunction },
  mcp: { timeoutMs: MCP_TIMEOUT_MS, run: runMcpTool },
};

/**
 * Calls that a server at a URL gets from one process at the same time. The sidecar limits those of
 * its own servers.
 */
const MAX_CALLS_PER_SERVER = 16;
/** Waiting that is worth telling of, in milliseconds. */
const LONG_WAIT_MS = 100;

function limitsOf({ id, name, maxConcurrency, mcpServerUrl }: ResolvedTool): CallLimit[] {
  const tool =
    maxConcurrency === null
      ? []
      : [{ key: `tool ${id}`, limit: maxConcurrency, what: `The tool "${name}"` }];
  if (mcpServerUrl === null) return tool;
  return [
    ...tool,
    {
      key: `server ${mcpServerUrl}`,
      limit: MAX_CALLS_PER_SERVER,
      what: `The MCP server of the tool "${name}"`,
    },
  ];
}

async function runLimited(platform: Platform, run: Run): Promise<ToolResult> {
  const { tool, owner, signal } = run;
  const type = TYPES[tool.type];
  const limits = limitsOf(tool);
  if (limits.length === 0) return type.run(platform, run);
  const timeoutMs = tool.timeoutMs ?? type.timeoutMs;
  return limitCalls(platform, { limits, owner, signal, timeoutMs }, async (leftMs) => {
    const waitedMs = timeoutMs - leftMs;
    if (waitedMs < LONG_WAIT_MS) return type.run(platform, run);
    const waited = `Before that it had waited ${(waitedMs / 1000).toFixed(1)} s of its ${timeoutMs / 1000} s for other calls to end.`;
    try {
      const result = await type.run(platform, { ...run, tool: { ...tool, timeoutMs: leftMs } });
      return result.error === null
        ? result
        : { ...result, text: `${result.text} ${waited}`, error: `${result.error} ${waited}` };
    } catch (error) {
      throw new Error(`${messageOf(error)} ${waited}`, { cause: error });
    }
  });
}

/**
 * Runs one call. Never throws: whatever goes wrong is a result that says so.
 * @param call `argumentsText`: JSON text as the model wrote it
 */
export async function callTool(
  platform: Platform,
  call: Omit<Run, "args"> & { argumentsText: string },
): Promise<ToolResult> {
  const { argumentsText, ...run } = call;
  try {
    const checked = await checkArguments(platform, {
      tool: call.tool,
      text: argumentsText,
      owner: call.owner,
    });
    if ("violation" in checked) return failedResult(checked.violation);
    return await runLimited(platform, { ...run, args: checked.args });
  } catch (error) {
    if (error instanceof BusyFailure) return { ...failedResult(error.message), isBusy: true };
    platform.logger.warn("A tool call failed", { tool: call.tool.name, error: messageOf(error) });
    return failedResult(messageOf(error));
  }
}
