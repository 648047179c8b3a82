/** A turn as rows: what the client sent, what was hidden from it, what it got. */
import { createChatCollector, readChatCompletion } from "../openai/collect-chat-chunks.ts";
import { isObject, objectsOf, parseJson, type JsonObject } from "../openai/json.ts";
import { readEvents } from "../openai/read-events.ts";
import type { CollectedMessage } from "../openai/collect-chat-chunks.ts";
import type { ProducedMessage, RoundRecord, TurnRecord } from "./turn-record.ts";

/** A message as it is stored. */
interface StoredMessage {
  role: string;
  /** JSON text. */
  content: string;
  /** JSON text of an array, or `null`. */
  toolCalls: string;
  toolCallId: string | null;
  hidden: boolean;
  round: number | null;
}

/** A turn whose raw response was read. */
export interface ReadTurn {
  model: string | null;
  streamed: boolean;
  title: string;
  finishReason: string | null;
  usage: TurnRecord["usage"];
  rounds: RoundRecord[];
  messages: StoredMessage[];
}

const MAX_TITLE_LENGTH = 120;

function storedMessage(message: JsonObject, place: { hidden: boolean; round: number | null }): StoredMessage {
  return {
    role: typeof message["role"] === "string" ? message["role"] : "unknown",
    content: JSON.stringify(message["content"] ?? message["refusal"] ?? null),
    toolCalls: JSON.stringify(message["tool_calls"] ?? null),
    toolCallId: typeof message["tool_call_id"] === "string" ? message["tool_call_id"] : null,
    ...place,
  };
}

/** The answer inside a raw response body, streamed or whole, or null where there is none. */
function readAnswer(record: TurnRecord): CollectedMessage | null {
  if (record.response === null) return null;
  const { contentType, text } = record.response;
  if (!contentType.toLowerCase().startsWith("text/event-stream")) {
    const body = parseJson(text);
    return isObject(body) ? readChatCompletion(body) : null;
  }
  const collector = createChatCollector();
  const chunks = readEvents(text).map(parseJson).filter(isObject);
  for (const chunk of chunks) collector.add(chunk);
  return chunks.length === 0 ? null : collector.result();
}

function titleOf(messages: StoredMessage[]): string {
  const first = messages.find((message) => message.role === "user");
  const content = first === undefined ? null : parseJson(first.content);
  const parts = objectsOf(content)
    .map((part) => part["text"])
    .filter((text) => typeof text === "string");
  const text = (typeof content === "string" ? content : parts.join(" ")).replace(/\s+/g, " ").trim();
  return text.length <= MAX_TITLE_LENGTH ? text : `${text.slice(0, MAX_TITLE_LENGTH - 1)}…`;
}

function onlyRound(record: TurnRecord, answer: CollectedMessage | null): RoundRecord {
  const { status, timeToFirstTokenMs, durationMs, error } = record;
  return {
    round: 1,
    status,
    usage: answer?.usage ?? null,
    timeToFirstTokenMs,
    durationMs,
    finishReason: answer?.finishReason ?? null,
    error,
  };
}

/** Reads what a record left unread. Heavy for large bodies, so it is done where it delays no response. */
export function readTurn(record: TurnRecord): ReadTurn {
  const request = parseJson(record.request ?? "");
  const body = isObject(request) ? request : {};
  const answer = readAnswer(record);
  const produced: ProducedMessage[] =
    answer === null ? record.produced : [{ message: { role: "assistant", ...answer.message }, round: 1, hidden: false }];
  const sent = objectsOf(body["messages"]).map((message) => storedMessage(message, { hidden: false, round: null }));
  const messages = [...sent, ...produced.map(({ message, round, hidden }) => storedMessage(message, { hidden, round }))];
  return {
    model: record.model ?? (typeof body["model"] === "string" ? body["model"] : null),
    streamed: record.streamed || body["stream"] === true,
    title: titleOf(sent),
    finishReason: record.finishReason ?? answer?.finishReason ?? null,
    usage: record.usage ?? answer?.usage ?? null,
    rounds: record.response === null ? record.rounds : [onlyRound(record, answer)],
    messages,
  };
}
