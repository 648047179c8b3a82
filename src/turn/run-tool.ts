import { v7 as uuidv7 } from "uuid";
import { forgetKeys } from "../auth/authenticate.ts";
import type { JsonObject } from "../openai/json.ts";
import type { RunningCall, RunResult } from "../loop/run-tool-loop.ts";
import type { RequestScope } from "../platform.ts";
import { callWatchedTool } from "../tools/drift/call-watched-tool.ts";
import type { ToolOffer } from "../tools/resolve-tools.ts";
import type { Turn } from "./turn.ts";

/** Whose call is run. */
export interface ToolRun {
  scope: RequestScope;
  offer: ToolOffer;
  turn: Turn;
}

/** How a tool runs, as it is told in a stream that the operator watches. */
export const TOOL_EVENT = "proxy.tool_execution";

/** Runs one call and puts it on record. Never throws for a tool's failure: that is its result. */
export async function runTool(
  { scope, offer, turn }: ToolRun,
  call: RunningCall,
): Promise<RunResult> {
  const tool = offer.serverTools.get(call.name);
  if (tool === undefined) throw new Error(`No server tool is called ${call.name}`);
  const startedAt = Date.now();
  const since = performance.now();
  const owner = turn.record.apiKeyId;
  const running = { tool, argumentsText: call.arguments, owner, signal: call.signal };
  const result = await callWatchedTool(scope, running, forgetKeys);
  turn.toolRan({
    id: uuidv7(),
    toolId: tool.id,
    toolName: tool.name,
    type: tool.type,
    toolCallId: call.id,
    round: call.round,
    arguments: call.arguments,
    result: result.error === null ? result.text : null,
    error: scope.clientGone.aborted ? "cancelled" : result.error,
    logs: result.logs,
    startedAt,
    durationMs: Math.round(performance.now() - since),
  });
  const { text, error, media = [], isBusy } = result;
  return { text, failed: error !== null, media, ...(isBusy === undefined ? {} : { isBusy }) };
}

/**
 * Runs one call and tells the operator of it.
 * @param tell hears what is told in the stream
 */
export async function runWatchedTool(
  run: ToolRun,
  call: RunningCall,
  tell: (event: JsonObject) => void,
): Promise<RunResult> {
  const { id, name, arguments: text, round } = call;
  const about = { type: TOOL_EVENT, id, name, arguments: text, round };
  const since = performance.now();
  tell({ ...about, status: "running" });
  const result = await runTool(run, call);
  const status = result.failed ? "failed" : "completed";
  const durationMs = Math.round(performance.now() - since);
  tell({ ...about, status, result: result.text, durationMs });
  return result;
}
