/** The tokens of a turn's rounds: as upstream counted them, and counted here where it did not. */
import { isObject, objectsOf, parseJson, type JsonObject } from "../openai/json.ts";
import type { Usage } from "../openai/usage.ts";
import {
  countAnswer,
  countMessage,
  countPrompt,
  openTokenCounter,
  type TokenCounter,
} from "./count-tokens.ts";
import type { ProducedMessage, RoundRecord, TurnRecord } from "./turn-record.ts";

/** A round whose tokens are known, unless nothing of it came. */
export interface CountedRound extends RoundRecord {
  /** Whether its tokens were counted here, because upstream sent no usage. */
  tokensEstimated: boolean;
}

interface UncountedTurn {
  model: string | null;
  /** The client's request. */
  request: JsonObject;
  addedTools: NonNullable<TurnRecord["addedTools"]>;
  restored: NonNullable<TurnRecord["restored"]>;
  hidden: ProducedMessage[];
  rounds: RoundRecord[];
  /**
   * Messages that the only round answered beside the one that was received, where the client asked
   * for several.
   */
  otherChoices: JsonObject[];
}

/**
 * Whether upstream began an answer: only then has it read the prompt. An error that it sent instead
 * is none.
 */
const isBegun = ({ finishReason, received }: RoundRecord): boolean =>
  received !== undefined &&
  (finishReason !== null ||
    Object.entries(received).some(([field, value]) => field !== "role" && value !== null));

/** What every round's prompt begins with. */
function firstPrompt(
  { request, addedTools, restored }: UncountedTurn,
  counter: TokenCounter,
): number {
  return countPrompt(
    {
      ...request,
      messages: [
        ...objectsOf(request["messages"]),
        ...restored.flatMap((text) => objectsOf(parseJson(text))),
      ],
      tools: [...objectsOf(request["tools"]), ...addedTools.map(parseJson).filter(isObject)],
    },
    counter,
  );
}

/**
 * Counts the tokens of rounds of which upstream sent no usage, from what was sent and received.
 * Loads the tokenizer only where there are any. A tool that was withdrawn from a turn is counted in
 * all of its rounds: the difference is small.
 */
export async function countRounds(turn: UncountedTurn): Promise<CountedRound[]> {
  const isUncounted = (round: RoundRecord) => round.usage === null && isBegun(round);
  if (!turn.rounds.some(isUncounted))
    return turn.rounds.map((round) => ({ ...round, tokensEstimated: false }));
  const counter = await openTokenCounter(turn.model ?? "");
  const start = firstPrompt(turn, counter);
  const hidden = turn.hidden.map(({ message, round }) => ({
    round,
    tokens: countMessage(message, counter),
  }));
  const estimate = (round: RoundRecord): Usage => {
    const prompt = hidden.reduce(
      (sum, message) => (message.round < round.round ? sum + message.tokens : sum),
      start,
    );
    const completion = [round.received ?? {}, ...turn.otherChoices].reduce(
      (sum, message) => sum + countAnswer(message, counter),
      0,
    );
    return {
      prompt_tokens: prompt,
      completion_tokens: completion,
      total_tokens: prompt + completion,
    };
  };
  return turn.rounds.map((round) =>
    isUncounted(round)
      ? { ...round, usage: estimate(round), tokensEstimated: true }
      : { ...round, tokensEstimated: false },
  );
}
