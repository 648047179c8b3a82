/** A turn as rows: what the client sent, what was hidden from it, what it got. */
import { readChatRequest } from "../openai/chat-request.ts";
import type { CollectedMessage } from "../openai/collect-chat-chunks.ts";
import { hashHistory, type HistoryPlace } from "../openai/history-hash.ts";
import { isObject, parseJson, type JsonObject } from "../openai/json.ts";
import { addUsage, type Usage } from "../openai/usage.ts";
import { answerModel, readChatAnswers } from "./chat-content.ts";
import { countRounds, type CountedRound } from "./count-rounds.ts";
import { contentOf, type Answered } from "./endpoint-content.ts";
import { isUnmeasured } from "./media-endpoint.ts";
import { PartReader } from "./part-reader.ts";
import type { PriceOverrides } from "./price-overrides.ts";
import { priceRounds, unpriced, type PricedRound } from "./price-rounds.ts";
import { titleOf, type StoredMessage } from "./stored-message.ts";
import type { ProducedMessage, RoundRecord, TurnRecord } from "./turn-record.ts";

export type { StoredMessage };

/** A turn whose raw response was read. */
export interface ReadTurn {
  model: string | null;
  streamed: boolean;
  title: string;
  finishReason: string | null;
  /** Sum over rounds, or null where nothing is known of any. */
  usage: Usage | null;
  /** Whether some of it was counted here. */
  tokensEstimated: boolean;
  rounds: PricedRound[];
  /** All messages of the request; those that are on record already are among them. */
  sent: StoredMessage[];
  /** Messages that the client did not send, oldest first. */
  produced: StoredMessage[];
  /** Places of the request's history at which an earlier turn may have ended, oldest first. */
  places: HistoryPlace[];
  /**
   * The place of this turn's answer, from which a later request may go on. Null where there is
   * none.
   */
  place: string | null;
  /** Why parts of it could not be read, a sentence each: they are left out. */
  faults: string[];
}

/** Where a history comes from and where it leads. */
async function placesOf(
  request: string,
  answer: JsonObject | undefined,
): Promise<Pick<ReadTurn, "places" | "place">> {
  const read = readChatRequest(request);
  if (read === null) return NOWHERE;
  const history = await hashHistory(read.endUser, read.messages);
  return {
    places: history.places,
    place: answer === undefined ? null : history.lookupAfter(answer),
  };
}

const NOWHERE: Pick<ReadTurn, "places" | "place"> = { places: [], place: null };

/**
 * What was answered to a chat completion inside a raw response body, streamed or whole: one message
 * for each choice, as far as they came. Empty for other endpoints.
 */
export function readAnswers(record: TurnRecord): CollectedMessage[] {
  const { response } = record;
  if (response === null || !contentOf(record).hasHistory) return [];
  return readChatAnswers(response);
}

/** The round of an answer that no round was noted for. */
function onlyRound(record: TurnRecord): RoundRecord {
  const { status, timeToFirstTokenMs, durationMs, error } = record;
  return {
    round: 1,
    status: status === "refused" ? "failed" : status,
    usage: null,
    timeToFirstTokenMs,
    durationMs,
    finishReason: null,
    error,
  };
}

/** The rounds, the only one of an answer that passed through with what was received. */
function roundsOf(record: TurnRecord, answered: Answered): RoundRecord[] {
  if (record.response === null) return record.rounds;
  const [received] = answered.messages;
  const [first = onlyRound(record), ...others] = record.rounds;
  const round: RoundRecord = {
    ...first,
    usage: first.usage ?? answered.usage,
    finishReason: first.finishReason ?? answered.finishReason,
    ...(received === undefined ? {} : { received }),
  };
  return [round, ...others];
}

const NO_ANSWER: Answered = { messages: [], others: [], usage: null, finishReason: null };

const uncounted = (round: RoundRecord): CountedRound => ({
  ...round,
  tokensEstimated: round.tokensEstimated ?? false,
});

/** The model by the request's word, else as it was seen in passing, else by the answer's. */
function modelOf(record: TurnRecord, body: JsonObject): string | null {
  const named = record.model ?? body["model"];
  if (typeof named === "string") return named;
  if (record.seenModel !== undefined) return record.seenModel;
  return record.response === null ? null : answerModel(record.response);
}

/**
 * Reads what a record left unread. Heavy for large bodies, so it is done where it delays no
 * response. Never throws for what clients and upstreams sent: what cannot be read of it is left
 * out, and the figures stay.
 * @param prices the operator's own
 */
export async function readTurn(record: TurnRecord, prices?: PriceOverrides): Promise<ReadTurn> {
  const parts = new PartReader();
  const { response, produced: noted } = record;
  const isPassed = response !== null || record.responseDigest !== undefined;
  const content = contentOf(record);
  const request = parseJson(record.request ?? "");
  const body = isObject(request) ? request : {};
  const hasContent = record.logContent !== "metadata";
  const answered = parts.read(
    "The answer",
    () => (response === null ? null : content.answered?.(response)) ?? NO_ANSWER,
    NO_ANSWER,
  );
  const asked = parts.read("The request", () => content.sent(body), []);
  const sent = parts.messages(asked, { hidden: false, round: null, hasContent });
  const passed = answered.messages.map((message) => ({ message, round: 1, hidden: false }));
  const produced: ProducedMessage[] = passed.length === 0 ? noted : passed;
  const model = parts.read("The model", () => modelOf(record, body), record.model);
  const rounds = roundsOf(record, answered);
  const [, ...more] = answered.messages;
  const counted = await parts.await(
    "The number of tokens",
    async () =>
      countRounds({
        ...content,
        countsWithoutText: content.countsWithoutText && record.request !== null,
        model,
        request: body,
        addedTools: record.addedTools ?? [],
        restored: record.restored ?? [],
        hidden: noted.filter(({ hidden }) => hidden),
        rounds,
        others: [...more, ...answered.others],
      }),
    rounds.map(uncounted),
  );
  const call = { model, upstream: record.upstream ?? null, at: new Date(record.startedAt) };
  const known = await parts.await(
    "The price",
    async () => priceRounds(counted, call, prices),
    counted.map(unpriced),
  );
  const priced = known.map((round) =>
    isUnmeasured(record, round) ? { ...round, costIncomplete: true } : round,
  );
  const answer = produced.findLast(({ hidden }) => !hidden)?.message;
  const history = content.hasHistory ? record.request : null;
  const places = await parts.await(
    "The history",
    async () => record.placed ?? (history === null ? NOWHERE : placesOf(history, answer)),
    NOWHERE,
  );
  return {
    model,
    streamed: record.streamed || body["stream"] === true,
    title: hasContent ? titleOf(sent) : "",
    finishReason: record.finishReason ?? (isPassed ? rounds[0]?.finishReason : null) ?? null,
    usage: priced.reduce<Usage | null>((sum, round) => addUsage(sum, round.usage), null),
    tokensEstimated: priced.some((round) => round.tokensEstimated),
    rounds: priced,
    sent,
    produced: produced.flatMap(({ message, round, hidden }) =>
      parts.messages([message], { hidden, round, hasContent }),
    ),
    ...places,
    faults: parts.faults,
  };
}
