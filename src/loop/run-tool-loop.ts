import type {
  CallResult,
  HistoryItem,
  LoopEnd,
  LoopState,
  Round,
  StopReason,
  ToolCall,
  ToolMedia,
} from "../dialects/dialect.ts";

/** What became of a call that was run. */
export interface RunResult {
  text: string;
  failed: boolean;
  media?: ToolMedia[];
  /** Whether it was not run, because too many others are: that counts for no withdrawal. */
  isBusy?: true;
}

/** A call, the round that it is of, and a signal that ends it. */
export interface RunningCall extends ToolCall {
  round: number;
  signal: AbortSignal;
}

/** What the loop needs of the other stages. */
export interface LoopParts {
  ask(state: LoopState): Promise<Round>;
  isServerTool(name: string): boolean;
  /** Runs one call; never throws. The signal fires when the turn's time is over. */
  run(call: RunningCall): Promise<RunResult>;
  /**
   * The items that tell the model of a round's results, in their order: one for each call, and
   * whatever must follow.
   */
  tell(results: CallResult[]): HistoryItem[];
  /** Hears of each call's result the moment it is known. */
  onResult(result: CallResult, round: number): void | Promise<void>;
  /** Hears of what the client will not see of a round. */
  onHidden(items: HistoryItem[], round: number): Promise<void>;
  /** Which limit of the key is used up ("the API key's …"), or null. Asked before calls are run. */
  limitReached(): Promise<string | null>;
  maxRounds: number;
  /** How many calls may be run in one turn; Infinity: as many as the model likes. */
  maxCalls: number;
  /** How long tools may be called and run in one turn, in milliseconds from its first round. */
  maxTurnMs: number;
  /** Rounds that were done before, oldest first: the loop goes on after them. */
  before?: FinishedRound[];
  /** Hears of each round that another one follows. */
  onRound?(finished: FinishedRound): Promise<void>;
}

/** A round with all that came of it, and what the turn had used up by then. */
export interface FinishedRound {
  round: Round;
  /** What it added to the hidden items. */
  hidden: HistoryItem[];
  /** How many calls were run, or refused. */
  calls: number;
  /** How often each tool has failed. */
  failures: [tool: string, times: number][];
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
  /** How many calls were run, or refused. */
  calls: number;
  /** Which limit of the key is used up, or null. */
  limit: string | null;
}

const tooLate = (maxTurnMs: number): string => {
  const seconds = Math.round(maxTurnMs / 1000);
  return `because this turn's limit of ${seconds} s for tools is reached. Answer with what you have.`;
};

const CUT =
  "Error: not run, because your answer reached its limit of tokens in the midst of the call's " +
  "arguments.";

const tooManyRounds = (maxRounds: number): string =>
  `Error: not run, because the limit of ${maxRounds} rounds of tool calls is reached. ` +
  "Answer with what you have.";

const tooManyCalls = (maxCalls: number): string =>
  `Error: not run, because max_tool_calls is ${maxCalls}. Answer with what you have.`;

const isWithdrawn = (name: string): string =>
  `Error: not run, because "${name}" failed ${MAX_FAILURES_PER_TOOL} times and was withdrawn.`;

/** Why a call is not run, as the model is told, or null. Each row is a limit. */
function refusal(
  call: RunningCall,
  parts: LoopParts,
  { withdrawn, over, limit, calls }: Budget,
): string | null {
  if (call.isCut) return CUT;
  if (calls > parts.maxCalls) return tooManyCalls(parts.maxCalls);
  if (call.round >= parts.maxRounds) return tooManyRounds(parts.maxRounds);
  if (over.aborted) return `Error: not run, ${tooLate(parts.maxTurnMs)}`;
  if (limit !== null) return `Error: not run, because ${limit}. Answer with what you have.`;
  if (withdrawn.has(call.name)) return isWithdrawn(call.name);
  return null;
}

/** Runs one call within the turn's limits. */
async function answerCall(
  call: RunningCall,
  parts: LoopParts,
  budget: Budget,
): Promise<CallResult> {
  budget.calls++;
  const refused = refusal(call, parts, budget);
  if (refused !== null) return { call, text: refused, media: [], failed: true };
  const { text, failed, media = [], isBusy } = await parts.run(call);
  if (failed && budget.over.aborted)
    return { call, text: `Error: stopped, ${tooLate(parts.maxTurnMs)}`, media: [], failed };
  if (failed && isBusy !== true)
    budget.failures.set(call.name, (budget.failures.get(call.name) ?? 0) + 1);
  return { call, text, media, failed };
}

/** Runs a round's server calls, and gives their results in the model's order. */
async function runCalls(
  calls: RunningCall[],
  parts: LoopParts,
  budget: Budget,
): Promise<CallResult[]> {
  const answer = async (call: RunningCall): Promise<CallResult> => {
    const result = await answerCall(call, parts, budget);
    await parts.onResult(result, call.round);
    return result;
  };
  const results = await inParallel(calls, MAX_PARALLEL_CALLS, answer);
  withdraw(budget);
  return results;
}

/** Withdraws the tools that failed too often. */
function withdraw({ failures, withdrawn }: Budget): void {
  for (const [name, count] of failures) if (count >= MAX_FAILURES_PER_TOOL) withdrawn.add(name);
}

/** Why the loop may not go on, or null. Each row is a limit. */
function stopOf(
  round: number,
  { maxRounds }: LoopParts,
  { over, limit }: Budget,
): StopReason | null {
  if (round > maxRounds) return "max_rounds";
  if (round > 1 && over.aborted) return "max_time";
  return limit === null ? null : "limit";
}

async function runRounds(parts: LoopParts, budget: Budget): Promise<LoopEnd> {
  const { before = [] } = parts;
  const rounds = before.map(({ round }) => round);
  const hidden = before.flatMap((finished) => finished.hidden);
  withdraw(budget);
  if (before.length > 0) budget.limit = await parts.limitReached();
  for (let round = before.length + 1; ; round++) {
    const stopped = stopOf(round, parts, budget);
    const { withdrawn } = budget;
    const toolsEnded = stopped !== null;
    const answer = await parts.ask({ round, appended: hidden, withdrawn, toolsEnded });
    rounds.push(answer);
    const serverCalls = answer.calls.filter((call) => parts.isServerTool(call.name));
    const clientCalls = answer.calls.filter((call) => !parts.isServerTool(call.name));
    const reason = stopped ?? (clientCalls.length > 0 ? "client_calls" : "answered");
    const end = { rounds, stopReason: reason, clientCalls, hidden, isMixed: false };
    if (stopped !== null || serverCalls.length === 0) return end;
    budget.limit = await parts.limitReached();
    const running = serverCalls.map((call) => ({ ...call, round, signal: budget.over }));
    const results = await runCalls(running, parts, budget);
    const unseen = [...answer.items, ...parts.tell(results)];
    await parts.onHidden(unseen, round);
    hidden.push(...unseen);
    if (clientCalls.length > 0) return { ...end, isMixed: true };
    const { calls, failures } = budget;
    await parts.onRound?.({ round: answer, hidden: unseen, calls, failures: [...failures] });
  }
}

/**
 * Asks the model, runs the server tools that it calls, and asks again until it calls none. Every
 * call gets exactly one result, in the model's order, whatever becomes of its tool.
 */
export async function runToolLoop(parts: LoopParts): Promise<LoopEnd> {
  const over = new AbortController();
  const tellOver = () => over.abort(new Error("The turn's time is over"));
  const timer = setTimeout(tellOver, parts.maxTurnMs);
  const last = parts.before?.at(-1);
  try {
    return await runRounds(parts, {
      withdrawn: new Set(),
      over: over.signal,
      failures: new Map(last?.failures),
      calls: last?.calls ?? 0,
      limit: null,
    });
  } finally {
    clearTimeout(timer);
  }
}
