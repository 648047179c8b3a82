/** Answers, and what is read of them while they flow. */
import {
  createAnswerReader,
  type AnswerFacts,
  type AnswerReaderOptions,
} from "../../src/stream/answer-reader.ts";

/** A text in UTF-8. */
export const bytesOf = (text: string) => new TextEncoder().encode(text);

/** A whole answer in JSON. */
export const JSON_ANSWER: AnswerReaderOptions = {
  contentType: "application/json",
  contentEncoding: "",
  maxKeptBytes: 1_000_000,
  hash: null,
};
/** A streamed answer. */
export const EVENTS = { ...JSON_ANSWER, contentType: "text/event-stream; charset=utf-8" };

/** What is read of chunks. */
export async function readChunks(
  chunks: Uint8Array[],
  options: AnswerReaderOptions = JSON_ANSWER,
): Promise<AnswerFacts> {
  const reader = createAnswerReader(options);
  for (const chunk of chunks) await reader.onChunk(chunk);
  return reader.end();
}

/** What is read of a text that comes at once. */
export const readText = (text: string, options: AnswerReaderOptions = JSON_ANSWER) =>
  readChunks([bytesOf(text)], options);

/** What the answers of these tests used. */
export const COUNTS = { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 };

/** Bytes cut at places that are given as shares of their length. */
export function cutAt(bytes: Uint8Array, shares: number[]): Uint8Array[] {
  const places = shares.map((share) => Math.floor(share * bytes.length));
  const sorted = [0, ...places.toSorted((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index] ?? 0, end));
}

/** A stream as OpenAI sends it. */
export const streamOf = (...payloads: unknown[]) =>
  [...payloads.map((payload) => JSON.stringify(payload)), "[DONE]"]
    .map((data) => `data: ${data}\n\n`)
    .join("");

/** A chunk of a chat completion. */
export const chunkOf = (delta: unknown, members = {}) => ({
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  model: "gpt-4.1-mini",
  choices: [{ index: 0, delta, finish_reason: null }],
  usage: null,
  ...members,
});
