/** Reads a round's stream of events, whatever its dialect, to its end. */
import { ApiError } from "../openai/api-error.ts";
import { letOthersGo, Slice } from "../openai/in-slices.ts";
import { readKeptJson } from "../openai/json.ts";
import { createEventReader } from "../openai/read-events.ts";
import { brokeOff } from "../openai/upstream-error.ts";

/** An event's data. */
export interface StreamPayload {
  data: string;
  /** Whether the event is called an error. */
  isError: boolean;
}

/** Who hears of the events. */
export interface StreamSink {
  /** Bytes after which the stream is given up. */
  maxBytes: number;
  /** What it gives back is waited for: true where nothing of the answer follows. */
  take(payload: StreamPayload): Promise<boolean>;
  /** Whether all of an answer had come when its connection broke. */
  isWhole(error: unknown): boolean;
}

/** How a stream ended: by the words `[DONE]` or what its dialect has for it, or with its body. */
export type StreamEnd = "told" | "body";

/**
 * JSON of an event. Some servers send words as a sign of life; JSON that cannot be read is an
 * answer with a hole in it.
 * @throws ApiError 502
 */
export async function readPayload(data: string): Promise<unknown> {
  const payload = await readKeptJson(data);
  if (payload === undefined && data.trimStart().startsWith("{"))
    throw new ApiError(
      "upstream_invalid",
      "The upstream API sent a chunk that is no valid JSON, or nested too deeply, so its answer is not complete. Try again.",
    );
  return payload;
}

/**
 * Events may be as short as this; where more comes at once than is read, others have their turn.
 */
const BYTES_PER_UNIT = 32;

const tooLarge = (maxBytes: number): ApiError =>
  new ApiError(
    "upstream_too_large",
    `The upstream API streamed more than ${maxBytes} bytes, which is more than a tool loop reads.`,
  );

/**
 * Reads events until one ends the answer, or the body ends.
 * @throws ApiError 502 or 504 where the body breaks off, or is too large; and what the sink throws
 */
export async function readEventStream(
  events: ReadableStream<Uint8Array>,
  sink: StreamSink,
): Promise<StreamEnd> {
  let pending: StreamPayload[] = [];
  const stream = { isDone: false, isTold: false, isBroken: false, size: 0 };
  const reader = createEventReader((data, name) => {
    if (data.trim() === "[DONE]") stream.isDone = true;
    else if (!stream.isDone) pending.push({ data, isError: name === "error" });
  });
  const drain = async (): Promise<void> => {
    const ready = pending;
    pending = [];
    for (const payload of ready) {
      if (stream.isTold) return;
      stream.isTold = await sink.take(payload);
    }
  };
  const hasEnded = () => stream.isDone || stream.isTold;
  const body = events.getReader();
  const slice = new Slice();
  try {
    while (!hasEnded()) {
      const { done, value } = await body.read().catch((error: unknown) => {
        if (!sink.isWhole(error)) throw brokeOff(error);
        stream.isBroken = true;
        return { done: true as const, value: undefined };
      });
      if (done) break;
      stream.size += value.byteLength;
      if (stream.size > sink.maxBytes) throw tooLarge(sink.maxBytes);
      reader.push(value);
      if (slice.spend(value.byteLength / BYTES_PER_UNIT)) await letOthersGo();
      if (pending.length > 0) await drain();
    }
    if (!hasEnded() && !stream.isBroken) reader.end();
    await drain();
  } catch (error) {
    void body.cancel(error).catch(() => undefined);
    throw error;
  }
  void discardRest(body);
  return hasEnded() ? "told" : "body";
}

/** How long the end of a body may come after the end of its answer. */
const REST_MS = 1000;

/**
 * After its end nobody waits for the end of the body, which some servers never send. It is read
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
