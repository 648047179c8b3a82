import { createChatCollector, readChatCompletion, type CollectedMessage } from "../openai/collect-chat-chunks.ts";
import { isObject, parseJson, type JsonObject } from "../openai/json.ts";
import { createEventReader } from "../openai/read-events.ts";
import { ApiError } from "../openai/api-error.ts";
import type { UpstreamResponse } from "../platform.ts";
import { collectBytes } from "../stream/collect-bytes.ts";

/** Upstream answered, and the answer is no completion: its own status and body are what the client should see. */
export class UpstreamRefusal extends Error {
  readonly response: UpstreamResponse;
  constructor(response: UpstreamResponse, text: string) {
    const error = errorOf(parseJson(text));
    super(typeof error?.["message"] === "string" ? error["message"] : `The upstream API answered with status ${response.status}.`);
    this.name = "UpstreamRefusal";
    this.response = response;
  }
}

/** The error object of an answer, which some upstreams send with status 200. */
function errorOf(body: unknown): JsonObject | null {
  if (!isObject(body) || body["choices"] !== undefined) return null;
  return isObject(body["error"]) ? body["error"] : typeof body["error"] === "string" ? { message: body["error"] } : null;
}

async function readBytes(body: UpstreamResponse["body"], maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  if (body === null) return new Uint8Array();
  if (body instanceof Uint8Array) return body;
  const message = `The upstream API answered with more than ${maxBytes} bytes, which is more than a tool loop reads.`;
  return collectBytes(body, { maxBytes, tooLarge: () => new ApiError("upstream_invalid", message) });
}

/** The whole body as a refusal that can still be passed on. */
async function refusalOf(response: UpstreamResponse, maxBytes: number): Promise<UpstreamRefusal> {
  const bytes = await readBytes(response.body, maxBytes);
  return new UpstreamRefusal({ ...response, body: bytes }, new TextDecoder().decode(bytes));
}

const isSuccess = (response: UpstreamResponse) => response.status >= 200 && response.status < 300;

/** A round that came whole, and its completion as upstream wrote it. */
export interface WholeRound {
  collected: CollectedMessage;
  completion: JsonObject;
}

/**
 * Reads a whole completion.
 * @throws UpstreamRefusal where the answer is none
 */
export async function readWholeRound(response: UpstreamResponse, maxBytes: number): Promise<WholeRound> {
  const bytes = await readBytes(response.body, maxBytes);
  const text = new TextDecoder().decode(bytes);
  const completion = parseJson(text);
  const collected = isObject(completion) ? readChatCompletion(completion) : null;
  if (!isSuccess(response) || !isObject(completion) || collected === null) throw new UpstreamRefusal({ ...response, body: bytes }, text);
  return { collected, completion };
}

/** An error object that came inside a stream. */
export class UpstreamStreamError extends Error {
  readonly error: JsonObject;
  constructor(error: JsonObject) {
    super(typeof error["message"] === "string" ? error["message"] : "The upstream API reported an error inside its stream.");
    this.name = "UpstreamStreamError";
    this.error = error;
  }
}

interface ChunkSink {
  maxBytes: number;
  onChunk(chunk: JsonObject): void | Promise<void>;
}

/** Whether an answer is a stream of events, or the whole answer of a server that does not stream. */
const isEventStream = (response: UpstreamResponse) =>
  (response.headers["content-type"] ?? "").toLowerCase().startsWith("text/event-stream");

/**
 * Waits until it is certain whether a streamed round will be a stream.
 * @throws UpstreamRefusal where it is an error with a status of its own
 */
export async function checkStream(response: UpstreamResponse, maxBytes: number): Promise<UpstreamResponse> {
  if (isSuccess(response) && isEventStream(response)) return response;
  const refusal = await refusalOf(response, maxBytes);
  const body = parseJson(new TextDecoder().decode(refusal.response.body as Uint8Array));
  if (!isSuccess(response) || !isObject(body) || readChatCompletion(body) === null) throw refusal;
  return refusal.response;
}

/** Reads a streamed round; each chunk is handed on the moment it is there. `[DONE]` ends it, and so does the end of the body. */
export async function readStreamedRound(response: UpstreamResponse, sink: ChunkSink): Promise<CollectedMessage> {
  const collector = createChatCollector();
  const take = (chunk: unknown): void | Promise<void> => {
    const error = errorOf(chunk);
    if (error !== null) throw new UpstreamStreamError(error);
    if (!isObject(chunk)) return;
    collector.add(chunk);
    return sink.onChunk(chunk);
  };
  if (!isEventStream(response)) {
    await take(asChunk(parseJson(new TextDecoder().decode(await readBytes(response.body, sink.maxBytes)))));
    return collector.result();
  }
  let pending: unknown[] = [];
  const stream = { ended: false };
  const reader = createEventReader((data) => {
    if (data.trim() === "[DONE]") stream.ended = true;
    else if (!stream.ended) pending.push(parseJson(data));
  });
  const drain = async (): Promise<void> => {
    const ready = pending;
    pending = [];
    for (const chunk of ready) await take(chunk);
  };
  const body = streamOf(response.body).getReader();
  while (!stream.ended) {
    const { done, value } = await body.read();
    if (done) break;
    reader.push(value);
    if (pending.length > 0) await drain();
  }
  if (stream.ended) void discardRest(body);
  else reader.end();
  await drain();
  return collector.result();
}

/** How long the end of a body may come after its `[DONE]`. */
const REST_MS = 1000;

/**
 * After `[DONE]` nobody waits for the end of the body, which some servers never send. It is read all the same, because a
 * connection whose body was read to its end can be used again.
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

function streamOf(body: UpstreamResponse["body"]): ReadableStream<Uint8Array> {
  return body instanceof ReadableStream ? body : new Blob(body === null ? [] : [body]).stream();
}

/** A whole completion as the one chunk of a stream. */
function asChunk(completion: unknown): unknown {
  if (!isObject(completion)) return completion;
  const choices = Array.isArray(completion["choices"]) ? completion["choices"].filter(isObject) : [];
  return {
    ...completion,
    object: "chat.completion.chunk",
    choices: choices.map(({ message, ...choice }) => ({ ...choice, delta: message })),
  };
}
