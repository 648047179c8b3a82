/**
 * Finds out what a model's answer is. Servers are free with `content-type`: streams come as plain
 * text, JSON as a stream, and pages of a login with status 200. So the first bytes tell, and the
 * header only where it can be believed.
 */
import { ApiError } from "../openai/api-error.ts";
import { readErrorMember } from "../openai/error-words.ts";
import { isObject, parseWithinBounds, readJson, type JsonObject } from "../openai/json.ts";
import { BeyondBounds } from "../openai/json-bounds.ts";
import { looksLikeEvents } from "../openai/read-events.ts";
import { brokeOff, errorOf, UpstreamRefusal } from "../openai/upstream-error.ts";
import type { OpenDecoder, UpstreamResponse } from "../platform.ts";
import { textOf } from "./bytes-text.ts";
import { collectBytes } from "./collect-bytes.ts";
import { decompressed, encodingsOf } from "./decompress.ts";

/** An answer of which a beginning is known. */
export interface OpenAnswer {
  /** The response that it is, with its body where that was read. */
  response: UpstreamResponse;
  /** A stream of events; or JSON, read whole. */
  content: { events: ReadableStream<Uint8Array> } | { json: JsonObject };
}

/** How an answer is opened. */
export interface AnswerOpening {
  /** Bytes after which an answer that is no stream is given up. */
  maxBytes: number;
  /** Whether JSON is an answer in the dialect that was asked in. */
  isAnswer(json: JsonObject): boolean;
}

/** How an answer is opened that may be compressed. */
interface CompressedOpening extends AnswerOpening {
  openDecoder: OpenDecoder;
}

/** What is told of an answer that is none. */
export function invalidAnswer(what: string): ApiError {
  return new ApiError(
    "upstream_invalid",
    `The upstream API answered with ${what}, which is no answer of a model. ` +
      "Check the upstream's URL and model.",
  );
}

const isSuccess = ({ status }: UpstreamResponse) => status >= 200 && status < 300;

/**
 * JSON, whatever stands around it.
 * @throws ApiError 502 where it is beyond the bounds of a request body
 */
async function readAnswer(bytes: Uint8Array): Promise<unknown> {
  try {
    return await readJson((await textOf(bytes)).trim());
  } catch (error) {
    if (!(error instanceof BeyondBounds)) throw error;
    const message = `The upstream API's answer ${error.message}.`;
    throw new ApiError("upstream_too_large", message, { cause: error });
  }
}

/** How much of an error is read for its words, in bytes: it says what it says at its start. */
const MAX_WORDS_BYTES = 262_144;
/** A longer error is not handed on: nobody reads it, and secrets are looked for in all of it. */
export const MAX_ERROR_BYTES = 1_048_576;

function bodyStream({ body }: UpstreamResponse): ReadableStream<Uint8Array> {
  if (body instanceof ReadableStream) return body;
  return new Blob(body === null ? [] : [body]).stream();
}

/** The body as the server wrote it, before somebody on the way compressed it. */
function readableStream(
  response: UpstreamResponse,
  openDecoder: OpenDecoder,
): ReadableStream<Uint8Array> {
  const encodings = encodingsOf(response.headers["content-encoding"]);
  try {
    return decompressed(bodyStream(response), encodings, openDecoder);
  } catch (error) {
    const message = `The upstream API answered with content-encoding "${encodings.join(", ")}", which this proxy cannot read and did not ask for.`;
    throw new ApiError("upstream_invalid", message, { cause: error });
  }
}

const readWhole = (stream: ReadableStream<Uint8Array>, maxBytes: number) =>
  collectBytes(stream, {
    maxBytes,
    tooLarge: () =>
      new ApiError(
        "upstream_too_large",
        `The upstream API answered with more than ${maxBytes} bytes, which is more than a tool loop reads.`,
      ),
  }).catch((error: unknown) => {
    throw brokeOff(error);
  });

/** As many characters as tell events from anything else: "retry:". */
const TELLING_LENGTH = 6;
/** Spaces before anything that are looked through: some servers send them as a sign of life. */
const MAX_SPACE_BYTES = 65_536;

/** Reads as much of a body as tells whether it is a stream of events, and gives it back whole. */
async function peek(
  body: ReadableStream<Uint8Array>,
): Promise<{ isEvents: boolean; body: ReadableStream<Uint8Array> }> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const seen: Uint8Array[] = [];
  let start = "";
  let ended = false;
  let size = 0;
  while (!ended && start.length < TELLING_LENGTH && size < MAX_SPACE_BYTES) {
    const { done, value } = await reader.read().catch((error: unknown) => {
      throw brokeOff(error);
    });
    ended = done;
    if (value !== undefined) seen.push(value);
    size += value?.byteLength ?? 0;
    start = (start + decoder.decode(value, { stream: !done })).trimStart();
    if (/^[^deri:]/.test(start) || looksLikeEvents(start)) break;
  }
  const rest = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = seen.shift() ?? (ended ? undefined : (await reader.read()).value);
        if (next === undefined) controller.close();
        else controller.enqueue(next);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
  return { isEvents: looksLikeEvents(start), body: rest };
}

/**
 * An answer that is no stream of events.
 * @throws ApiError where it is no JSON that means anything either
 */
async function jsonAnswer(
  response: UpstreamResponse,
  body: ReadableStream<Uint8Array>,
  { maxBytes, isAnswer }: AnswerOpening,
): Promise<OpenAnswer> {
  const bytes = await readWhole(body, maxBytes);
  const json = await readAnswer(bytes);
  if (!isObject(json))
    throw invalidAnswer(bytes.byteLength === 0 ? "an empty body" : "something that is no JSON");
  if (errorOf(json) === null && !isAnswer(json)) {
    const said = readErrorMember(json)?.message ?? null;
    throw invalidAnswer(said === null ? "JSON without a choice" : `the words "${said}"`);
  }
  const { "content-encoding": _encoding, "content-length": _length, ...headers } = response.headers;
  return { response: { ...response, headers, body: bytes }, content: { json } };
}

const callsItselfEvents = (response: UpstreamResponse) =>
  (response.headers["content-type"] ?? "").toLowerCase().startsWith("text/event-stream");

/**
 * Reads an answer that has the status of an error.
 * @param maxBytes of its body, where that is less than of any error
 */
export async function readRefusal(
  response: UpstreamResponse,
  maxBytes = MAX_ERROR_BYTES,
): Promise<UpstreamRefusal> {
  const bytes = await readWhole(bodyStream(response), Math.min(maxBytes, MAX_ERROR_BYTES));
  const isCompressed = encodingsOf(response.headers["content-encoding"]).length > 0;
  const words = isCompressed ? "" : new TextDecoder().decode(bytes.subarray(0, MAX_WORDS_BYTES));
  const body = isCompressed ? null : parseWithinBounds(words.trim());
  return new UpstreamRefusal({ ...response, body: bytes }, body, words);
}

/**
 * Waits until it is certain what an answer is. One that calls itself a stream is believed for now,
 * so that the client gets its status before the first token; {@link eventsOrJson} looks again.
 * @throws UpstreamRefusal where it has the status of an error; ApiError 502 where it is no answer
 * at all
 */
export async function openAnswer(
  response: UpstreamResponse,
  opening: CompressedOpening,
): Promise<OpenAnswer> {
  if (!isSuccess(response)) throw await readRefusal(response, opening.maxBytes);
  const stream = readableStream(response, opening.openDecoder);
  if (callsItselfEvents(response)) return { response, content: { events: stream } };
  return eventsOrJson(response, stream, opening);
}

/**
 * What the first bytes of an answer say it is.
 * @throws ApiError 502 where it is no answer at all
 */
export async function eventsOrJson(
  response: UpstreamResponse,
  stream: ReadableStream<Uint8Array>,
  opening: AnswerOpening,
): Promise<OpenAnswer> {
  const { isEvents, body } = await peek(stream);
  return isEvents ? { response, content: { events: body } } : jsonAnswer(response, body, opening);
}
