/** Reads the answer of a round, streamed or whole, into events and one message. */
import { ApiError } from "../../openai/api-error.ts";
import {
  createChatCollector,
  normalizeMessage,
  readChatCompletion,
  type CollectedPart,
} from "../../openai/collect-chat-chunks.ts";
import { readErrorMember, readErrorWords } from "../../openai/error-words.ts";
import { isObject, objectsOf, parseWithinBounds, type JsonObject } from "../../openai/json.ts";
import { saidTexts, type SaidText } from "../../openai/said-texts.ts";
import {
  errorOf,
  errorOfWords,
  UpstreamRefusal,
  UpstreamStreamError,
  wasAborted,
} from "../../openai/upstream-error.ts";
import { eventsOrJson, invalidAnswer, type OpenAnswer } from "../../stream/open-answer.ts";
import type { AnswerFacts, RoundEvent, RoundReading } from "../dialect.ts";
import { readEventStream, readPayload, type StreamPayload } from "../read-event-stream.ts";
import { areArguments } from "../show-results.ts";
import { chatRound, type ChatRound } from "./chat-round.ts";

type Collector = ReturnType<typeof createChatCollector>;

/** Where the chunks of a round go. */
interface ChunkSink extends Pick<RoundReading, "maxBytes" | "onEvent"> {
  collector: Collector;
  /** Whether something of the round was told. */
  hasBegun: boolean;
}

/** Whether JSON is a chat completion. */
export const isCompletion = (json: JsonObject): boolean => readChatCompletion(json) !== null;

/** What a chunk says of the answer. */
function factsOf({ model, created, service_tier: serviceTier }: JsonObject): AnswerFacts {
  return {
    ...(typeof model === "string" && model !== "" ? { model } : {}),
    ...(Number.isInteger(created) && Number(created) > 0 ? { createdAt: Number(created) } : {}),
    ...(typeof serviceTier === "string" ? { serviceTier } : {}),
  };
}

function textEvent(said: SaidText, { choice }: CollectedPart): RoundEvent {
  const all = isObject(choice?.["logprobs"]) ? choice["logprobs"][said.field] : undefined;
  const logprobs = objectsOf(all);
  return { type: "text", ...said, ...(logprobs.length === 0 ? {} : { logprobs }) };
}

/** What a chunk says, for whichever client. @param isFirst of its round */
function eventsOfPart(part: CollectedPart, isFirst: boolean): RoundEvent[] {
  const events: RoundEvent[] = isFirst ? [{ type: "facts", facts: factsOf(part.members) }] : [];
  events.push(...saidTexts(part.delta).map((said) => textEvent(said, part)));
  const annotations = objectsOf(part.delta["annotations"]);
  if (annotations.length > 0) events.push({ type: "annotations", annotations });
  if (part.calls.length > 0) events.push({ type: "calls", calls: part.calls });
  if (events.length === 0) events.push({ type: "other" });
  const [first, ...others] = events;
  return first === undefined ? [] : [{ ...first, raw: part }, ...others];
}

async function tell(part: CollectedPart, sink: ChunkSink): Promise<void> {
  const { onEvent } = sink;
  if (onEvent === null) return;
  const isFirst = !sink.hasBegun;
  sink.hasBegun = true;
  for (const event of eventsOfPart(part, isFirst)) {
    const taken = onEvent(event);
    if (taken) await taken;
  }
}

const collected = (collector: Collector): ChatRound =>
  chatRound(collector.result(), collector.completion());

function openingOf({ maxBytes }: RoundReading) {
  return { maxBytes, isAnswer: isCompletion };
}

async function openedBody(answer: OpenAnswer, reading: RoundReading): Promise<OpenAnswer> {
  if (!("events" in answer.content)) return answer;
  return eventsOrJson(answer.response, answer.content.events, openingOf(reading));
}

/**
 * An error that came with status 200, inside a stream that nobody asked for: no client could read
 * it as it is.
 */
function refusalOf({ response }: OpenAnswer, { error }: UpstreamStreamError): UpstreamRefusal {
  const body = { error };
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  const headers = { "content-type": "application/json" };
  return new UpstreamRefusal({ ...response, status: 502, headers, body: bytes }, body);
}

/**
 * Reads a whole completion, or puts it together where upstream streamed it all the same.
 * @throws UpstreamRefusal where the answer is an error
 */
export async function readWholeRound(
  answer: OpenAnswer,
  reading: RoundReading,
): Promise<ChatRound> {
  const opened = await openedBody(answer, reading);
  const collector = createChatCollector();
  const sink = { ...reading, collector, hasBegun: false };
  if ("json" in opened.content) {
    const { json } = opened.content;
    const found = errorOf(json) === null ? readChatCompletion(json) : null;
    if (found === null) throw new UpstreamRefusal(opened.response, json);
    if (reading.onEvent === null) return chatRound(normalizeMessage(found), json);
    await takeChunk(json, sink);
    await finish(sink);
    return collected(collector);
  }
  try {
    await readChunks(opened.content.events, sink);
  } catch (error) {
    if (!(error instanceof UpstreamStreamError)) throw error;
    throw refusalOf(answer, error);
  }
  return collected(collector);
}

/**
 * Reads a streamed round; each chunk is told of the moment it is there. A whole completion is one
 * chunk.
 * @throws UpstreamStreamError where the answer is, or ends in, upstream's error; ApiError 502 where
 * it is none
 */
export async function readStreamedRound(
  answer: OpenAnswer,
  reading: RoundReading,
): Promise<ChatRound> {
  const collector = createChatCollector();
  reading.onProgress(() => collected(collector));
  const sink = { ...reading, collector, hasBegun: false };
  const opened = await openedBody(answer, reading);
  if ("events" in opened.content) await readChunks(opened.content.events, sink);
  else {
    await takeChunk(opened.content.json, sink);
    await finish(sink);
  }
  return collected(collector);
}

/** MiniMax and FastAPI have members of their own for it. */
function errorOfChunk(chunk: unknown): JsonObject | null {
  const error = errorOf(chunk);
  if (error !== null || !isObject(chunk)) return error;
  const words = readErrorMember(chunk);
  return words === null ? null : errorOfWords(words);
}

async function takeChunk(chunk: unknown, sink: ChunkSink): Promise<void> {
  const error = errorOfChunk(chunk);
  if (error !== null) throw new UpstreamStreamError(error);
  const part = isObject(chunk) ? sink.collector.add(chunk) : null;
  if (part !== null) await tell(part, sink);
}

async function finish(sink: ChunkSink): Promise<void> {
  const end = sink.collector.end();
  if (end === null) throw invalidAnswer("a stream without a choice");
  await tell(end, sink);
}

/** The data of an event that is called an error; some have no member `error` in it. */
function errorPayload(data: string): unknown {
  const payload = parseWithinBounds(data);
  if (errorOf(payload) !== null) return payload;
  return { error: errorOfWords(readErrorWords(data, payload)) };
}

/** How a stream that said `[DONE]` without a reason to finish may not end. */
function isInsideCall({ collector }: ChunkSink): boolean {
  const last = collected(collector).calls.at(-1);
  return last !== undefined && !areArguments(last.arguments);
}

/**
 * A stream that just ends may have been cut, by whatever is between: only its own word for it tells
 * that it is whole.
 * @throws ApiError 502 where it is not
 */
function checkFinished(sink: ChunkSink, saidDone: boolean): void {
  if (sink.collector.hasFinished || (saidDone && !isInsideCall(sink))) return;
  throw new ApiError(
    "upstream_invalid",
    "The upstream API ended its stream before its answer was complete: there is no finish_reason. Try again.",
  );
}

/** Whether all of an answer had come when its connection broke. */
const isComplete = ({ collector }: ChunkSink, error: unknown): boolean =>
  collector.hasFinished && !wasAborted(error);

/** `[DONE]` ends a stream, and so does the end of the body after a reason to finish. */
async function readChunks(events: ReadableStream<Uint8Array>, sink: ChunkSink): Promise<void> {
  const take = async ({ data, isError }: StreamPayload): Promise<boolean> => {
    await takeChunk(isError ? errorPayload(data) : await readPayload(data), sink);
    return false;
  };
  const isWhole = (error: unknown) => isComplete(sink, error);
  const end = await readEventStream(events, { maxBytes: sink.maxBytes, take, isWhole });
  await finish(sink);
  checkFinished(sink, end === "told");
}
