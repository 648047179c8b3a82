import type { CollectedMessage } from "../openai/collect-chat-chunks.ts";
import type { JsonObject } from "../openai/json.ts";

/** One call that the model made. */
export interface ToolCall {
  id: string;
  name: string;
  /** JSON text as the model wrote it; may be empty, or no JSON at all. */
  arguments: string;
}

/** One upstream call's answer. */
export interface Round extends CollectedMessage {
  calls: ToolCall[];
}

/** What the next upstream call must know. */
export interface LoopState {
  /** From 1. */
  round: number;
  /** Hidden messages that follow the client's own, oldest first. */
  appended: JsonObject[];
  /** Tools that failed too often in this turn. */
  withdrawn: ReadonlySet<string>;
  /** Whether this is the last round, in which the model may call nothing. */
  toolsEnded: boolean;
}

export interface LoopParts {
  ask(state: LoopState): Promise<Round>;
  isServerTool(name: string): boolean;
  /** Runs one call; never throws. */
  run(call: ToolCall, round: number): Promise<{ text: string; failed: boolean }>;
  /** Wraps the time in which tools run, to keep the connection alive. */
  whileToolsRun<T>(work: () => Promise<T>): Promise<T>;
  /** Hears of each message that the client will not see. */
  onHidden(message: JsonObject, round: number): void;
  maxRounds: number;
}

/** `answered`: the model called no tool. `client_calls`: the client has to run something. `max_rounds`: it was stopped. */
export interface LoopEnd {
  rounds: Round[];
  stopReason: "answered" | "client_calls" | "max_rounds";
  /** The last round's calls that are the client's to run. */
  clientCalls: ToolCall[];
}

const MAX_PARALLEL_CALLS = 8;
const MAX_FAILURES_PER_TOOL = 3;

/** Runs jobs at the same time, at most `limit` of them, and gives the results in the jobs' order. */
async function inParallel<T, R>(items: T[], limit: number, job: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await job(item);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}

/** Why a call is not run, as the model is told, or null. */
function refusal(call: ToolCall, limits: { round: number; maxRounds: number; withdrawn: ReadonlySet<string> }): string | null {
  if (limits.round >= limits.maxRounds) {
    return `Error: not run, because the limit of ${limits.maxRounds} rounds of tool calls is reached. Answer with what you have.`;
  }
  return limits.withdrawn.has(call.name)
    ? `Error: not run, because "${call.name}" failed ${MAX_FAILURES_PER_TOOL} times and was withdrawn.`
    : null;
}

/**
 * Asks the model, runs the server tools that it calls, and asks again until it calls none.
 * Every call gets exactly one result, in the model's order, whatever becomes of its tool.
 */
export async function runToolLoop(parts: LoopParts): Promise<LoopEnd> {
  const rounds: Round[] = [];
  const appended: JsonObject[] = [];
  const failures = new Map<string, number>();
  const withdrawn = new Set<string>();
  const runCall = async (call: ToolCall, round: number): Promise<JsonObject> => {
    const refused = refusal(call, { round, maxRounds: parts.maxRounds, withdrawn });
    const result = refused === null ? await parts.run(call, round) : { text: refused, failed: false };
    if (result.failed) failures.set(call.name, (failures.get(call.name) ?? 0) + 1);
    return { role: "tool", tool_call_id: call.id, content: result.text };
  };
  for (let round = 1; ; round++) {
    const toolsEnded = round > parts.maxRounds;
    const answer = await parts.ask({ round, appended, withdrawn, toolsEnded });
    rounds.push(answer);
    const serverCalls = answer.calls.filter((call) => parts.isServerTool(call.name));
    const clientCalls = answer.calls.filter((call) => !parts.isServerTool(call.name));
    if (toolsEnded) return { rounds, stopReason: "max_rounds", clientCalls };
    if (serverCalls.length === 0) return { rounds, stopReason: clientCalls.length > 0 ? "client_calls" : "answered", clientCalls };
    const results = await parts.whileToolsRun(() => inParallel(serverCalls, MAX_PARALLEL_CALLS, (call) => runCall(call, round)));
    for (const [name, count] of failures) if (count >= MAX_FAILURES_PER_TOOL) withdrawn.add(name);
    for (const message of [answer.message, ...results]) parts.onHidden(message, round);
    if (clientCalls.length > 0) return { rounds, stopReason: "client_calls", clientCalls };
    appended.push(answer.message, ...results);
  }
}
