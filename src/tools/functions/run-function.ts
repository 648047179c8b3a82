import type { FunctionFailureKind, Platform } from "../../platform.ts";
import { parseJson } from "../../openai/json.ts";
import { cutResult, failedResult, type ToolResult } from "../tool-result.ts";
import type { ToolRun } from "../tool-type.ts";

const EXPLANATIONS: Record<FunctionFailureKind, (message: string) => string> = {
  error: (message) => message,
  timeout: (message) => `the tool ran over its time limit: ${message}`,
  memory: (message) => `the tool ran over its memory limit: ${message}`,
  stack: (message) => `the tool nested its calls too deeply: ${message}`,
  pending: (message) => `the tool awaits something that never comes: ${message}`,
  cancelled: () => "the call was cancelled",
  crash: (message) => `the tool's sandbox failed: ${message}`,
};

/**
 * Runs a `function` tool in the sandbox. A returned string is the result as it is, anything else
 * its JSON.
 */
export async function runFunction(
  platform: Pick<Platform, "sandbox">,
  call: Pick<ToolRun, "tool" | "args" | "timeoutMs" | "owner" | "signal">,
): Promise<ToolResult> {
  const { tool, args, timeoutMs, owner, signal } = call;
  const outcome = await platform.sandbox.run(
    {
      implementation: tool.implementation ?? "",
      args: JSON.stringify(args),
      timeoutMs,
      owner,
    },
    signal,
  );
  if (!outcome.ok) return failedResult(EXPLANATIONS[outcome.kind](outcome.message), outcome.logs);
  const value = parseJson(outcome.result);
  return {
    text: cutResult(typeof value === "string" ? value : outcome.result),
    error: null,
    logs: outcome.logs,
  };
}
