import type { Platform } from "../platform.ts";
import type { ResolvedTool } from "../store/resolved-key.ts";
import { maskOf } from "../secrets/known-secrets.ts";
import { BusyFailure, limitCalls, type CallLimit } from "./limit-calls.ts";
import { checkArguments } from "./tool-schema.ts";
import { failedResult, type ToolResult } from "./tool-result.ts";
import type { ToolRun } from "./tool-type.ts";
import { TOOL_TYPES } from "./tool-types.ts";
import { messageOf } from "../openai/error-message.ts";

/** The owner of what the operator tries out. */
export const OPERATOR = "operator";

/**
 * Calls that a server at a URL gets from one process at the same time. The sidecar limits those of
 * its own servers.
 */
const MAX_CALLS_PER_SERVER = 16;
/** Waiting that is worth telling of, in milliseconds. */
const LONG_WAIT_MS = 100;

function limitsOf({ id, name, maxConcurrency, mcpServerUrl }: ResolvedTool): CallLimit[] {
  const limits: CallLimit[] = [];
  if (maxConcurrency !== null)
    limits.push({ key: `tool ${id}`, limit: maxConcurrency, what: `The tool "${name}"` });
  if (mcpServerUrl !== null) {
    const what = `The MCP server of the tool "${name}"`;
    limits.push({ key: `server ${mcpServerUrl}`, limit: MAX_CALLS_PER_SERVER, what });
  }
  return limits;
}

const seconds = (ms: number) => `${ms / 1000} s`;

/** Runs a call when its tool and its server have room for it. */
async function runLimited(platform: Platform, run: ToolRun): Promise<ToolResult> {
  const { tool, owner, signal, timeoutMs } = run;
  const type = TOOL_TYPES[tool.type];
  const limits = limitsOf(tool);
  if (limits.length === 0) return type.run(platform, run);
  return limitCalls(platform, { limits, owner, signal, timeoutMs }, async (leftMs) => {
    const waitedMs = timeoutMs - leftMs;
    if (waitedMs < LONG_WAIT_MS) return type.run(platform, run);
    const waited =
      `Before that it had waited ${(waitedMs / 1000).toFixed(1)} s of its ` +
      `${seconds(timeoutMs)} for other calls to end.`;
    try {
      const result = await type.run(platform, { ...run, timeoutMs: leftMs });
      if (result.error === null) return result;
      return { ...result, text: `${result.text} ${waited}`, error: `${result.error} ${waited}` };
    } catch (error) {
      throw new Error(`${messageOf(error)} ${waited}`, { cause: error });
    }
  });
}

/** A call as the model made it: its arguments are text that nobody has checked. */
export type ToolCall = Omit<ToolRun, "args" | "timeoutMs"> & {
  /** JSON text as the model wrote it. */
  argumentsText: string;
};

async function callChecked(platform: Platform, call: ToolCall): Promise<ToolResult> {
  const { argumentsText, ...rest } = call;
  const { tool } = call;
  try {
    const checking = { tool, text: argumentsText, owner: call.owner };
    const checked = await checkArguments(platform, checking);
    if ("violation" in checked) return failedResult(checked.violation);
    const timeoutMs = tool.timeoutMs ?? TOOL_TYPES[tool.type].timeoutMs;
    return await runLimited(platform, { ...rest, args: checked.args, timeoutMs });
  } catch (error) {
    if (error instanceof BusyFailure) return { ...failedResult(error.message), isBusy: true };
    platform.logger.warn("A tool call failed", { tool: tool.name, error: messageOf(error) });
    return failedResult(messageOf(error));
  }
}

/**
 * Runs one call. Never throws: whatever goes wrong is a result that says so. No secret of the
 * proxy's is in it: a server that runs beside the proxy may have come upon one.
 */
export async function callTool(platform: Platform, call: ToolCall): Promise<ToolResult> {
  const { media, ...result } = await callChecked(platform, call);
  const masked = maskOf(platform).json(result);
  return media === undefined ? masked : { ...masked, media };
}
