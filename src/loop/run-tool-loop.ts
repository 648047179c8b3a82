import type { CollectedMessage } from "../openai/collect-chat-chunks.ts";
import type { JsonObject } from "../openai/json.ts";
import type { ToolMedia } from "../openai/tool-media.ts";

/** One call that the model made. */
export interface ToolCall {
  id: string;
  name: string;
  /** JSON text as the model wrote it; may be empty, or no JSON at all. */
  arguments: string;
  /** Whether the answer reached its limit of tokens before the arguments were complete. */
  isCut: boolean;
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

/** What became of a call that was run. */
export interface RunResult {
  text: string;
  failed: boolean;
  media?: ToolMedia[];
  /** Whether it was not run, because too many others are: that counts for no withdrawal. */
  isBusy?: true;
}

/** What the model is told of a call. */
export interface CallResult {
  call: ToolCall;
  text: string;
  media: ToolMedia[];
}

export interface LoopParts {
  ask(state: LoopState): Promise<Round>;
  isServerTool(name: string): boolean;
  /** Runs one call; never throws. The signal fires when the turn's time is over. */
  run(call: RunningCall): Promise<RunResult>;
  /**
   * The messages that tell the model of a round's results, in their order: one for each call, and
   * whatever must follow.
   */
  tell(results: CallResult[]): JsonObject[];
  /** Wraps the time in which tools run, to keep the connection alive. */
  whileToolsRun<T>(work: () => Promise<T>): Promise<T>;
  /** Hears of each message that the client will not see. */
  onHidden(message: JsonObject, round: number): Promise<void>;
  /** Which limit of the key is used up ("the API key's …"), or null. Asked before calls are run. */
  limitReached(): Promise<string | null>;
  maxRounds: number;
  /** How long tools may be called and run in one turn, in milliseconds from its first round. */
  maxTurnMs: number;
}

/** A call, the round that it is of, and a signal that ends it. */
export interface RunningCall extends ToolCall {
  round: number;
  signal: AbortSignal;
}

/**
 * `answered`: the model called no tool. `client_calls`: the client has to run something.
 * `max_rounds`, `max_time`, `limit`: it was stopped.
 */
export interface LoopEnd {
  rounds: Round[];
  stopReason: "answered" | "client_calls" | "max_rounds" | "max_time" | "limit";
  /** The last round's calls that are the client's to run. */
  clientCalls: ToolCall[];
  /**
   * Messages that the client does not see, oldest first: answers with server calls, their results,
   * and what these show.
   */
  hidden: JsonObject[];
}

const MAX_PARALLEL_CALLS = 8;
const MAX_FAILURES_PER_TOOL = 3;

/**
 * Runs jobs at the same time, at most `limit` of them, and gives the results in the jobs' order.
 */
async function inParallel<T, R>(
  items: T[],
  limit: number,
  job: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await job(item);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}

/** What a turn has used up of its limits. */
interface Budget {
  withdrawn: Set<string>;
  /** Fires when the turn's time is over. */
  over: AbortSignal;
  failures: Map<string, number>;
  /** Which limit of the key is used up, or null. */
  limit: string | null;
}

const tooLate = (maxTurnMs: number) =>
  `because this turn's limit of ${Math.round(maxTurnMs / 1000)} s for tools is reached. Answer with what you have.`;

/** Why a call is not run, as the model is told, or null. Each row is a limit. */
function refusal(
  call: RunningCall,
  parts: LoopParts,
  { withdrawn, over, limit }: Budget,
): string | null {
  if (call.isCut)
    return "Error: not run, because your answer reached its limit of tokens in the midst of the call's arguments.";
  if (call.round >= parts.maxRounds)
    return `Error: not run, because the limit of ${parts.maxRounds} rounds of tool calls is reached. Answer with what you have.`;
  if (over.aborted) return `Error: not run, ${tooLate(parts.maxTurnMs)}`;
  if (limit !== null) return `Error: not run, because ${limit}. Answer with what you have.`;
  if (withdrawn.has(call.name))
    return `Error: not run, because "${call.name}" failed ${MAX_FAILURES_PER_TOOL} times and was withdrawn.`;
  return null;
}

/** Runs one call within the turn's limits. */
async function answerCall(
  call: RunningCall,
  parts: LoopParts,
  budget: Budget,
): Promise<CallResult> {
  const refused = refusal(call, parts, budget);
  if (refused !== null) return { call, text: refused, media: [] };
  const { text, failed, media = [], isBusy } = await parts.run(call);
  if (failed && budget.over.aborted)
    return { call, text: `Error: stopped, ${tooLate(parts.maxTurnMs)}`, media: [] };
  if (failed && isBusy !== true)
    budget.failures.set(call.name, (budget.failures.get(call.name) ?? 0) + 1);
  return { call, text, media };
}

/** Runs a round's server calls, and gives their results in the model's order. */
async function runCalls(
  calls: RunningCall[],
  parts: LoopParts,
  budget: Budget,
): Promise<CallResult[]> {
  const results = await parts.whileToolsRun(() =>
    inParallel(calls, MAX_PARALLEL_CALLS, (call) => answerCall(call, parts, budget)),
  );
  for (const [name, count] of budget.failures)
    if (count >= MAX_FAILURES_PER_TOOL) budget.withdrawn.add(name);
  return results;
}

/**
 * Asks the model, runs the server tools that it calls, and asks again until it calls none.
 * Every call gets exactly one result, in the model's order, whatever becomes of its tool.
 */
export async function runToolLoop(parts: LoopParts): Promise<LoopEnd> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(new Error("The turn's time is over")), parts.maxTurnMs);
  try {
    return await runRounds(parts, {
      withdrawn: new Set(),
      over: over.signal,
      failures: new Map(),
      limit: null,
    });
  } finally {
    clearTimeout(timer);
  }
}

/** Why the loop may not go on, or null. Each row is a limit. */
function stopOf(
  round: number,
  { maxRounds }: LoopParts,
  { over, limit }: Budget,
): LoopEnd["stopReason"] | null {
  if (round > maxRounds) return "max_rounds";
  if (round > 1 && over.aborted) return "max_time";
  return limit === null ? null : "limit";
}

async function runRounds(parts: LoopParts, budget: Budget): Promise<LoopEnd> {
  const rounds: Round[] = [];
  const hidden: JsonObject[] = [];
  for (let round = 1; ; round++) {
    const stopped = stopOf(round, parts, budget);
    const answer = await parts.ask({
      round,
      appended: hidden,
      withdrawn: budget.withdrawn,
      toolsEnded: stopped !== null,
    });
    rounds.push(answer);
    const serverCalls = answer.calls.filter((call) => parts.isServerTool(call.name));
    const clientCalls = answer.calls.filter((call) => !parts.isServerTool(call.name));
    if (stopped !== null) return { rounds, stopReason: stopped, clientCalls, hidden };
    const reason = clientCalls.length > 0 ? "client_calls" : "answered";
    if (serverCalls.length === 0) return { rounds, stopReason: reason, clientCalls, hidden };
    budget.limit = await parts.limitReached();
    const running = serverCalls.map((call) => ({ ...call, round, signal: budget.over }));
    const unseen = [answer.message, ...parts.tell(await runCalls(running, parts, budget))];
    for (const message of unseen) await parts.onHidden(message, round);
    hidden.push(...unseen);
    if (clientCalls.length > 0) return { rounds, stopReason: reason, clientCalls, hidden };
  }
}
