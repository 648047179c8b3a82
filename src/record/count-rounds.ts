/** The tokens of a turn's rounds: as upstream counted them, and counted here where it did not. */
import { isObject, objectsOf, parseJson, type JsonObject } from "../openai/json.ts";
import { lacksHalf, type Usage } from "../openai/usage.ts";
import { countAnswer, countMessage, openTokenCounter, type TokenCounter } from "./count-tokens.ts";
import type { EndpointContent } from "./endpoint-content.ts";
import type { ProducedMessage, RoundRecord, TurnRecord } from "./turn-record.ts";

/** A round whose tokens are known, unless nothing of it came. */
export interface CountedRound extends RoundRecord {
  /** Whether its tokens, or half of them, were counted here, because upstream did not say. */
  tokensEstimated: boolean;
}

interface UncountedTurn extends Pick<EndpointContent, "promptTokens" | "countsWithoutText"> {
  model: string | null;
  /** The client's request. */
  request: JsonObject;
  addedTools: NonNullable<TurnRecord["addedTools"]>;
  restored: NonNullable<TurnRecord["restored"]>;
  hidden: ProducedMessage[];
  rounds: RoundRecord[];
  /** Messages that the only round answered beside the one that was received. */
  others: JsonObject[];
}

/** Members of a message that say nothing of what was answered. */
const FRAME = new Set(["role", "tool_call_id"]);

/**
 * Whether upstream began an answer: only then has it read the prompt. An error that it sent instead
 * is none.
 */
const isBegun = ({ finishReason, received }: RoundRecord): boolean =>
  received !== undefined &&
  (finishReason !== null ||
    Object.entries(received).some(([field, value]) => !FRAME.has(field) && value !== null));

const isSomething = (value: unknown): boolean =>
  typeof value === "string" || Array.isArray(value) ? value.length > 0 : isObject(value);

/** Whether there may be words, or calls, of which a count of 0 cannot be right. */
const hasWords = (message: JsonObject): boolean =>
  Object.entries(message).some(([field, value]) => !FRAME.has(field) && isSomething(value));

/** What every round's prompt begins with. */
const firstPrompt = ({ request, addedTools, restored }: UncountedTurn): JsonObject => ({
  ...request,
  messages: [
    ...objectsOf(request["messages"]),
    ...restored.flatMap((text) => objectsOf(parseJson(text))),
  ],
  tools: [...objectsOf(request["tools"]), ...addedTools.map(parseJson).filter(isObject)],
});

/** What upstream said of a round, with what it did not say filled in. */
function completed(reported: Usage | null, prompt: number, completion: number): Usage {
  if (reported === null) {
    const counts = { prompt_tokens: prompt, completion_tokens: completion };
    return { ...counts, total_tokens: prompt + completion };
  }
  const { prompt_tokens: asked, completion_tokens: answered, total_tokens: total } = reported;
  if (asked === 0 && answered === 0) {
    // A sum alone: what is not counted as answered was asked.
    const said = Math.min(completion, total);
    return { ...reported, prompt_tokens: total - said, completion_tokens: said };
  }
  const counts = {
    prompt_tokens: asked === 0 ? prompt : asked,
    completion_tokens: answered === 0 ? completion : answered,
  };
  const sum = Math.min(counts.prompt_tokens + counts.completion_tokens, Number.MAX_SAFE_INTEGER);
  return { ...reported, ...counts, total_tokens: Math.max(total, sum) };
}

const counted = (round: RoundRecord): CountedRound => ({
  ...round,
  tokensEstimated: round.tokensEstimated ?? false,
});

/**
 * Counts the tokens of rounds of which upstream sent no usage, or half of it, from what was sent and
 * received. Loads the tokenizer only where there are any. A tool that was withdrawn from a turn is
 * counted in all of its rounds: the difference is small.
 */
export async function countRounds(turn: UncountedTurn): Promise<CountedRound[]> {
  const { promptTokens, countsWithoutText, rounds, others } = turn;
  const isUncounted = (round: RoundRecord): boolean => {
    const { usage, received, status } = round;
    if (usage === null) return isBegun(round) || (countsWithoutText && status === "completed");
    if (!lacksHalf(usage)) return false;
    const isAnswered = [received ?? {}, ...others].some(hasWords);
    return isAnswered || (countsWithoutText && usage.prompt_tokens === 0);
  };
  if (promptTokens === null || !rounds.some(isUncounted)) return rounds.map(counted);
  const counter = await openTokenCounter(turn.model ?? "");
  const start = promptTokens(firstPrompt(turn), counter);
  return rounds.map((round) => {
    if (!isUncounted(round)) return counted(round);
    const usage = estimate(round, turn, { start, counter });
    return { ...round, usage, tokensEstimated: !isSame(usage, round.usage) };
  });
}

/** Whether upstream was right to say nothing of a half. */
const isSame = (usage: Usage, reported: Usage | null): boolean =>
  usage.prompt_tokens === reported?.prompt_tokens &&
  usage.completion_tokens === reported.completion_tokens;

function estimate(
  round: RoundRecord,
  { hidden, others }: UncountedTurn,
  { start, counter }: { start: number; counter: TokenCounter },
): Usage {
  const before = hidden.filter((message) => message.round < round.round);
  const prompt = before.reduce((sum, { message }) => sum + countMessage(message, counter), start);
  const completion = [round.received ?? {}, ...others].reduce(
    (sum, message) => sum + countAnswer(message, counter),
    0,
  );
  return completed(round.usage, prompt, completion);
}
