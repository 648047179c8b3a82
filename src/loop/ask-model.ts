import {
  createChatCollector,
  normalizeMessage,
  readChatCompletion,
  type CollectedMessage,
  type CollectedPart,
} from "../openai/collect-chat-chunks.ts";
import { isObject, parseJson, type JsonObject } from "../openai/json.ts";
import { createEventReader } from "../openai/read-events.ts";
import { ApiError } from "../openai/api-error.ts";
import {
  errorOf,
  eventsOrJson,
  invalidAnswer,
  UpstreamRefusal,
  type OpenAnswer,
} from "./open-answer.ts";

/** An error object that came inside a stream. */
export class UpstreamStreamError extends Error {
  readonly error: JsonObject;
  constructor(error: JsonObject) {
    super(
      typeof error["message"] === "string"
        ? error["message"]
        : "The upstream API reported an error inside its stream.",
    );
    this.name = "UpstreamStreamError";
    this.error = error;
  }
}

/** A round that came whole, or was put together, and its completion. */
export interface WholeRound {
  collected: CollectedMessage;
  completion: JsonObject;
}

/** Where the chunks of a round go. */
export interface ChunkSink {
  collector: ReturnType<typeof createChatCollector>;
  /** Bytes after which a round is given up. */
  maxBytes: number;
  /** Hears of each chunk the moment it is there, and of the calls' end. */
  onPart(part: CollectedPart): void | Promise<void>;
}

/**
 * Reads a whole completion, or puts it together where upstream streamed it all the same.
 * @throws UpstreamRefusal where the answer is an error
 */
export async function readWholeRound(answer: OpenAnswer, maxBytes: number): Promise<WholeRound> {
  const { response } = answer;
  const opened =
    "events" in answer.content
      ? await eventsOrJson(response, answer.content.events, maxBytes)
      : answer;
  if ("json" in opened.content) {
    const { json } = opened.content;
    const collected = errorOf(json) === null ? readChatCompletion(json) : null;
    if (collected === null) throw new UpstreamRefusal(opened.response, json);
    return { collected: normalizeMessage(collected), completion: json };
  }
  const collector = createChatCollector();
  try {
    await readEventStream(opened.content.events, { collector, maxBytes, onPart: () => undefined });
  } catch (error) {
    if (!(error instanceof UpstreamStreamError)) throw error;
    // It came with status 200, inside a stream that nobody asked for: no client could read it as it
    // is.
    const body = { error: error.error };
    const bytes = new TextEncoder().encode(JSON.stringify(body));
    throw new UpstreamRefusal(
      { ...response, status: 502, headers: { "content-type": "application/json" }, body: bytes },
      body,
    );
  }
  return { collected: collector.result(), completion: collector.completion() };
}

/**
 * Reads a streamed round; each chunk is handed on the moment it is there. A whole completion is one
 * chunk.
 * @throws UpstreamStreamError where the answer is, or ends in, upstream's error; ApiError 502 where
 * it is none
 */
export async function readStreamedRound(
  answer: OpenAnswer,
  sink: ChunkSink,
): Promise<CollectedMessage> {
  const { maxBytes, collector } = sink;
  const opened =
    "events" in answer.content
      ? await eventsOrJson(answer.response, answer.content.events, maxBytes)
      : answer;
  if ("events" in opened.content) await readEventStream(opened.content.events, sink);
  else {
    await takeChunk(opened.content.json, sink);
    await finish(sink);
  }
  return collector.result();
}

async function takeChunk(chunk: unknown, { collector, onPart }: ChunkSink): Promise<void> {
  const error = errorOf(chunk);
  if (error !== null) throw new UpstreamStreamError(error);
  const part = isObject(chunk) ? collector.add(chunk) : null;
  if (part !== null) await onPart(part);
}

async function finish({ collector, onPart }: ChunkSink): Promise<void> {
  const end = collector.end();
  if (end === null) throw invalidAnswer("a stream without a choice");
  await onPart(end);
}

/**
 * An event's payload. Some servers send words as a sign of life; JSON that cannot be read is an
 * answer with a hole in it.
 */
function readPayload(data: string): unknown {
  const payload = parseJson(data);
  if (payload === undefined && data.trimStart().startsWith("{"))
    throw new ApiError(
      "upstream_invalid",
      "The upstream API sent a chunk that is no valid JSON, so its answer is not complete. Try again.",
    );
  return payload;
}

/** `[DONE]` ends a stream, and so does the end of the body. */
async function readEventStream(events: ReadableStream<Uint8Array>, sink: ChunkSink): Promise<void> {
  let pending: string[] = [];
  const stream = { ended: false, size: 0 };
  const reader = createEventReader((data) => {
    if (data.trim() === "[DONE]") stream.ended = true;
    else if (!stream.ended) pending.push(data);
  });
  const drain = async (): Promise<void> => {
    const ready = pending;
    pending = [];
    for (const data of ready) await takeChunk(readPayload(data), sink);
  };
  const body = events.getReader();
  try {
    while (!stream.ended) {
      const { done, value } = await body.read();
      if (done) break;
      stream.size += value.byteLength;
      if (stream.size > sink.maxBytes)
        throw new ApiError(
          "upstream_invalid",
          `The upstream API streamed more than ${sink.maxBytes} bytes, which is more than a tool loop reads.`,
        );
      reader.push(value);
      if (pending.length > 0) await drain();
    }
    if (!stream.ended) reader.end();
    await drain();
    await finish(sink);
  } catch (error) {
    void body.cancel(error).catch(() => undefined);
    throw error;
  }
  void discardRest(body);
}

/** How long the end of a body may come after its `[DONE]`. */
const REST_MS = 1000;

/**
 * After `[DONE]` nobody waits for the end of the body, which some servers never send. It is read
 * all the same, because a connection whose body was read to its end can be used again.
 */
async function discardRest(body: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  const cancel = () => body.cancel().catch(() => undefined);
  const timer = setTimeout(() => void cancel(), REST_MS);
  try {
    while (!(await body.read()).done);
  } catch {
    // The answer was complete: how its connection ends changes nothing.
  }
  clearTimeout(timer);
}
