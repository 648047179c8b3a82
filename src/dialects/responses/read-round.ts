/** Reads the answer of a round, streamed or whole, into events and one round. */
import { ApiError } from "../../openai/api-error.ts";
import { isObject, type JsonObject } from "../../openai/json.ts";
import { readErrorMember, readErrorWords } from "../../openai/error-words.ts";
import {
  errorOf,
  errorOfWords,
  UpstreamRefusal,
  UpstreamStreamError,
} from "../../openai/upstream-error.ts";
import { eventsOrJson, invalidAnswer, type OpenAnswer } from "../../stream/open-answer.ts";
import type { RoundReading } from "../dialect.ts";
import { readEventStream, readPayload, type StreamPayload } from "../read-event-stream.ts";
import { EventCollector, endsRound } from "./collect-events.ts";
import type { ItemEvent } from "./open-item.ts";
import type { ResponsesRound } from "./responses-round.ts";
import { factsOf, roundEvents } from "./round-events.ts";

/** Whether JSON is a response. */
export const isResponse = (json: JsonObject): boolean =>
  json["object"] === "response" || Array.isArray(json["output"]);

/** Where the events of a round go. */
interface EventSink extends Pick<RoundReading, "maxBytes" | "onEvent"> {
  collector: EventCollector;
}

async function tell(events: ItemEvent[], { onEvent, collector }: EventSink): Promise<void> {
  if (onEvent === null) return;
  for (const event of events) {
    for (const told of roundEvents(event, collector)) {
      const taken = onEvent(told);
      if (taken) await taken;
    }
  }
}

/** What is known of an answer when it has ended. */
async function tellEnd({ onEvent, collector }: EventSink): Promise<void> {
  await onEvent?.({ type: "facts", facts: factsOf(collector.round().response) });
}

/** An error in a stream, in whichever of its shapes; null where the event is none. */
function errorOfEvent(payload: unknown, { data, isError }: StreamPayload): JsonObject | null {
  if (isObject(payload) && payload["type"] === "error" && !isObject(payload["error"])) {
    const { code = null, message, param = null } = payload;
    const said = typeof message === "string" ? message : "The upstream API reported an error.";
    return { message: said, type: "upstream_error", param, code };
  }
  // A response has a member of that name; an event with one is an error.
  const error = isObject(payload) && "response" in payload ? null : errorOf(payload);
  if (error !== null) return error;
  if (isError) return errorOfWords(readErrorWords(data, payload));
  const words = isObject(payload) && !("type" in payload) ? readErrorMember(payload) : null;
  return words === null ? null : errorOfWords(words);
}

const CUT =
  "The upstream API ended its stream before its answer was complete: there is no " +
  "response.completed. Try again.";

/** @throws ApiError 502 where the answer is not complete */
async function readEvents(events: ReadableStream<Uint8Array>, sink: EventSink): Promise<void> {
  const { collector, maxBytes } = sink;
  const take = async (event: StreamPayload): Promise<boolean> => {
    const payload = await readPayload(event.data);
    const error = errorOfEvent(payload, event);
    if (error !== null) throw new UpstreamStreamError(error);
    if (!isObject(payload)) return false;
    const isWhole = payload["type"] === undefined && isResponse(payload);
    // A chunk of chat completions, for one: nothing of a response.
    if (!isWhole && payload["type"] === undefined) return false;
    if (isWhole) checkWhole(payload);
    await tell(isWhole ? collector.addWhole(payload) : collector.add(payload), sink);
    return isWhole || endsRound(payload["type"]);
  };
  const end = await readEventStream(events, { maxBytes, take, isWhole: () => false });
  if (!collector.hasAnswer) throw invalidAnswer("a stream without a response");
  // A server that says `[DONE]` is done; a stream that just ends may have been cut.
  if (!collector.hasEnded && (end === "body" || collector.isOpen))
    throw new ApiError("upstream_invalid", CUT);
  await tell(collector.end(), sink);
  await tellEnd(sink);
}

/** An error that came with status 200, inside a stream that nobody asked for. */
function refusalOf({ response }: OpenAnswer, { error }: UpstreamStreamError): UpstreamRefusal {
  const body = { error };
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  const headers = { "content-type": "application/json" };
  return new UpstreamRefusal({ ...response, status: 502, headers, body: bytes }, body);
}

/** Statuses of responses that may have an error, and no output. */
const FAILED = new Set<unknown>(["failed", "cancelled"]);
/** Statuses of responses that have not ended. */
const UNENDED = new Set<unknown>(["queued", "in_progress"]);

/** The error of a whole answer that is none: a response has such a member, null as a rule. */
const isRefused = (json: JsonObject): boolean =>
  !(isResponse(json) && FAILED.has(json["status"])) && errorOf(json) !== null;

/** @throws ApiError 502 where a response that came whole has no answer in it */
function checkWhole({ status, output }: JsonObject): void {
  if (UNENDED.has(status)) throw invalidAnswer(`a response that is still ${String(status)}`);
  if (!Array.isArray(output) && !FAILED.has(status) && status !== "incomplete")
    throw invalidAnswer("a response without output");
}

/**
 * Reads a round's answer, however it came; each event is told of the moment it is there.
 * @param isStreamed whether a stream was asked for
 * @throws UpstreamStreamError or UpstreamRefusal where the answer is, or ends in, upstream's error;
 * ApiError 502 where it is none
 */
export async function readRound(
  answer: OpenAnswer,
  reading: RoundReading,
  isStreamed: boolean,
): Promise<ResponsesRound> {
  const collector = new EventCollector();
  if (isStreamed) reading.onProgress(() => collector.round());
  const sink = { maxBytes: reading.maxBytes, onEvent: reading.onEvent, collector };
  const opening = { maxBytes: reading.maxBytes, isAnswer: isResponse };
  const { response, content } =
    "events" in answer.content
      ? await eventsOrJson(answer.response, answer.content.events, opening)
      : answer;
  if ("json" in content) {
    const { json } = content;
    if (isRefused(json)) {
      if (!isStreamed) throw new UpstreamRefusal(response, json);
      throw new UpstreamStreamError(errorOf(json) ?? {});
    }
    checkWhole(json);
    await tell(collector.addWhole(json), sink);
    await tellEnd(sink);
    return collector.round();
  }
  try {
    await readEvents(content.events, sink);
  } catch (error) {
    if (isStreamed || !(error instanceof UpstreamStreamError)) throw error;
    throw refusalOf(answer, error);
  }
  return collector.round();
}
