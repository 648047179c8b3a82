/** What is kept of a response in the background, round by round and at its end. */
import type { ShownItem } from "../dialects/responses/client-output.ts";
import type { RoundOfResponse } from "../dialects/responses/responses-round.ts";
import { isObject, parseJson, type JsonObject } from "../openai/json.ts";
import type { FinishedRound } from "../loop/run-tool-loop.ts";
import type { TurnProgress } from "./turn.ts";

/** What must be known of a finished round when all that was in memory is gone. */
export interface RoundState {
  finished: FinishedRound;
  /** The dialect in which upstream was asked. */
  spoken: string;
  /** What a response says of it. */
  said: RoundOfResponse;
  /** Its items as the client sees them. */
  shown: ShownItem[];
  /** The number of the event that comes next. */
  sequence: number;
  /** What it added to the turn's record. */
  progress: TurnProgress;
}

/** The states of finished rounds. @param texts oldest first */
export const readStates = (texts: string[]): RoundState[] =>
  texts.map((text) => JSON.parse(text) as RoundState);

/** How much of a turn is on record. */
export const lengthsOf = ({ rounds, produced, toolExecutions }: Readonly<TurnProgress>) => ({
  rounds: rounds.length,
  produced: produced.length,
  toolExecutions: toolExecutions.length,
});

/** What a record has that it had not then. */
export const progressSince = (
  { rounds, produced, toolExecutions }: Readonly<TurnProgress>,
  since: ReturnType<typeof lengthsOf>,
): TurnProgress => ({
  rounds: rounds.slice(since.rounds),
  produced: produced.slice(since.produced),
  toolExecutions: toolExecutions.slice(since.toolExecutions),
});

/** The numbers that the events of a response had. */
export interface ToldNumbers {
  /** Of each item's first event and its last; null: it had none. */
  items: [added: number | null, done: number | null][];
  /** Of the event that it ended with. */
  end: number;
}

/** The response that a text is; one without members where it is none. */
export function responseIn(text: string): JsonObject {
  const response = parseJson(text);
  return isObject(response) ? response : {};
}

/** A response as far as it is made. @param begun as it began */
export const madeSoFar = (begun: string, status: string, states: RoundState[]): JsonObject => ({
  ...responseIn(begun),
  status,
  output: states.flatMap(({ shown }) => shown.map(({ item }) => item)),
});
