import type { FunctionFailureKind, Platform } from "../platform.ts";
import { parseJson, type JsonObject } from "../openai/json.ts";
import type { ResolvedTool } from "../store/resolved-key.ts";
import { cutResult, failedResult, type ToolResult } from "./tool-result.ts";

/** Time limit of a function tool that sets none, in milliseconds. */
export const FUNCTION_TIMEOUT_MS = 5000;

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
  call: { tool: ResolvedTool; args: JsonObject; signal: AbortSignal },
): Promise<ToolResult> {
  const { tool, args, signal } = call;
  const outcome = await platform.sandbox.run(
    {
      implementation: tool.implementation ?? "",
      args: JSON.stringify(args),
      timeoutMs: tool.timeoutMs ?? FUNCTION_TIMEOUT_MS,
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
