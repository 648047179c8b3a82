/** A turn as rows: what the client sent, what was hidden from it, what it got. */
import { createChatCollector, readChatCompletion } from "../openai/collect-chat-chunks.ts";
import { isObject, objectsOf, parseJson, type JsonObject } from "../openai/json.ts";
import { readEvents } from "../openai/read-events.ts";
import type { CollectedMessage } from "../openai/collect-chat-chunks.ts";
import { addUsage, type Usage } from "../openai/usage.ts";
import { readChatRequest, type ChatRequest } from "../openai/chat-request.ts";
import { hashHistory, type HistoryPlace } from "../openai/history-hash.ts";
import { countRounds } from "./count-rounds.ts";
import type { PriceOverrides } from "./price-overrides.ts";
import { priceRounds, type PricedRound } from "./price-rounds.ts";
import { withoutArguments, withoutBytes } from "./stored-content.ts";
import type { ProducedMessage, RoundRecord, TurnRecord } from "./turn-record.ts";

/** A message as it is stored. */
export interface StoredMessage {
  role: string;
  /** JSON text. */
  content: string;
  /** JSON text of an array, or `null`. */
  toolCalls: string;
  toolCallId: string | null;
  /** JSON text of an object, or null. */
  extra: string | null;
  hidden: boolean;
  round: number | null;
}

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
}

const MAX_TITLE_LENGTH = 120;

/** Members of a message that have a column of their own. */
const COLUMNS = new Set(["role", "content", "tool_calls", "tool_call_id"]);

function extraOf(message: JsonObject): string | null {
  const members = Object.entries(message).filter(
    ([name, value]) => !COLUMNS.has(name) && value !== null && value !== undefined,
  );
  return members.length === 0 ? null : JSON.stringify(withoutBytes(Object.fromEntries(members)));
}

interface MessagePlace {
  hidden: boolean;
  round: number | null;
  /** Whether the key's record has content. */
  hasContent: boolean;
}

function storedMessage(message: JsonObject, { hasContent, ...place }: MessagePlace): StoredMessage {
  const calls = message["tool_calls"] ?? null;
  return {
    role: typeof message["role"] === "string" ? message["role"] : "unknown",
    content: JSON.stringify(
      hasContent ? withoutBytes(message["content"] ?? message["refusal"] ?? null) : null,
    ),
    toolCalls: JSON.stringify(hasContent ? calls : withoutArguments(calls)),
    toolCallId: typeof message["tool_call_id"] === "string" ? message["tool_call_id"] : null,
    extra: hasContent ? extraOf(message) : null,
    ...place,
  };
}

/**
 * Where the history comes from and where it leads. A history that cannot be hashed is one of its
 * own.
 */
async function placesOf(
  request: ChatRequest | null,
  answer: JsonObject | undefined,
): Promise<Pick<ReadTurn, "places" | "place">> {
  if (request === null) return { places: [], place: null };
  const history = await hashHistory(request.endUser, request.messages);
  return {
    places: history.places,
    place: answer === undefined ? null : history.lookupAfter(answer),
  };
}

/**
 * What was answered inside a raw response body, streamed or whole: one message for each choice, as
 * far as they came.
 */
export function readAnswers(record: TurnRecord): CollectedMessage[] {
  if (record.response === null) return [];
  const { contentType, text } = record.response;
  if (!contentType.toLowerCase().startsWith("text/event-stream")) {
    const body = parseJson(text);
    const choices = isObject(body) ? objectsOf(body["choices"]) : [];
    return choices
      .map((choice) => readChatCompletion({ ...(body as JsonObject), choices: [choice] }))
      .filter((answer) => answer !== null);
  }
  const chunks = readEvents(text).map(parseJson).filter(isObject);
  const first = createChatCollector();
  const others = new Map<unknown, typeof first>();
  for (const chunk of chunks) {
    first.add(chunk);
    for (const choice of objectsOf(chunk["choices"])) {
      const index = choice["index"] ?? 0;
      if (index === 0) continue;
      const collector = others.get(index) ?? createChatCollector();
      others.set(index, collector);
      collector.add({ choices: [{ ...choice, index: 0 }] });
    }
  }
  return chunks.length === 0
    ? []
    : [first, ...others.values()].map((collector) => collector.result());
}

function titleOf(messages: StoredMessage[]): string {
  const first = messages.find((message) => message.role === "user");
  const content = first === undefined ? null : parseJson(first.content);
  const parts = objectsOf(content)
    .map((part) => part["text"])
    .filter((text) => typeof text === "string");
  const text = (typeof content === "string" ? content : parts.join(" "))
    .replace(/\s+/g, " ")
    .trim();
  return text.length <= MAX_TITLE_LENGTH ? text : `${text.slice(0, MAX_TITLE_LENGTH - 1)}…`;
}

function onlyRound(record: TurnRecord, answer: CollectedMessage | undefined): RoundRecord {
  const { status, timeToFirstTokenMs, durationMs, error } = record;
  return {
    round: 1,
    status: status === "refused" ? "failed" : status,
    usage: answer?.usage ?? null,
    timeToFirstTokenMs,
    durationMs,
    finishReason: answer?.finishReason ?? null,
    error,
    ...(answer === undefined ? {} : { received: answer.message }),
  };
}

/**
 * Reads what a record left unread. Heavy for large bodies, so it is done where it delays no
 * response.
 * @param prices the operator's own
 */
export async function readTurn(record: TurnRecord, prices?: PriceOverrides): Promise<ReadTurn> {
  const request = parseJson(record.request ?? "");
  const body = isObject(request) ? request : {};
  const [answer, ...others] = readAnswers(record);
  const produced: ProducedMessage[] =
    answer === undefined
      ? record.produced
      : [{ message: { role: "assistant", ...answer.message }, round: 1, hidden: false }];
  const hasContent = record.logContent !== "metadata";
  const sent = objectsOf(body["messages"]).map((message) =>
    storedMessage(message, { hidden: false, round: null, hasContent }),
  );
  const model = record.model ?? (typeof body["model"] === "string" ? body["model"] : null);
  const counted = await countRounds({
    model,
    request: body,
    addedTools: record.addedTools ?? [],
    restored: record.restored ?? [],
    hidden: record.produced.filter(({ hidden }) => hidden),
    rounds: record.response === null ? record.rounds : [onlyRound(record, answer)],
    otherChoices: others.map(({ message }) => message),
  });
  const rounds = await priceRounds(
    counted,
    { model, upstream: record.upstream ?? null, at: new Date(record.startedAt) },
    prices,
  );
  return {
    model,
    streamed: record.streamed || body["stream"] === true,
    title: hasContent ? titleOf(sent) : "",
    finishReason: record.finishReason ?? answer?.finishReason ?? null,
    usage: rounds.reduce<Usage | null>((sum, round) => addUsage(sum, round.usage), null),
    tokensEstimated: rounds.some((round) => round.tokensEstimated),
    rounds,
    sent,
    produced: produced.map(({ message, round, hidden }) =>
      storedMessage(message, { hidden, round, hasContent }),
    ),
    ...(await placesOf(
      isObject(request) ? readChatRequest(record.request ?? "") : null,
      produced.findLast(({ hidden }) => !hidden)?.message,
    )),
  };
}
