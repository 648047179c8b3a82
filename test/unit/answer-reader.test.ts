/** What is read of an answer while it flows through, however it is cut, compressed or spelled. */
import { createHash } from "node:crypto";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { startHash } from "../../src/node/hash.ts";
import type { AnswerReaderOptions } from "../../src/stream/answer-reader.ts";
import {
  bytesOf,
  chunkOf,
  COUNTS,
  cutAt,
  EVENTS,
  JSON_ANSWER,
  readChunks,
  readText,
  streamOf,
} from "../helpers/read-answer.ts";

const CHAT_STREAM = streamOf(
  chunkOf({ role: "assistant", content: "" }),
  chunkOf({ content: 'It says "usage": {"prompt_tokens": 99} 🙂 \\' }),
  chunkOf({}, { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }),
  chunkOf({}, { choices: [], usage: COUNTS }),
);

const vectors = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    object: "embedding",
    index,
    embedding: Array.from({ length: 1536 }, (_, place) => ((place * 7919) % 1000) / 1001 - 0.5),
  }));

const LONG_RESPONSE = {
  type: "response.completed",
  sequence_number: 7,
  response: {
    id: "resp_1",
    object: "response",
    status: "completed",
    output: [{ type: "message", content: [{ type: "output_text", text: 'a"b\\'.repeat(60_000) }] }],
    model: "gpt-5.4",
    usage: { input_tokens: 9, output_tokens: 12, total_tokens: 21 },
  },
};

const ANSWERS: Record<string, { text: string; options: AnswerReaderOptions }> = {
  "a chat completion": {
    text: JSON.stringify({
      id: "chatcmpl-1",
      model: "gpt-4.1-mini",
      choices: [{ index: 0, message: { content: "é🙂" }, finish_reason: "stop" }],
      usage: COUNTS,
    }),
    options: JSON_ANSWER,
  },
  "a stream of chunks": { text: CHAT_STREAM, options: EVENTS },
  "a stream with CRLF": { text: CHAT_STREAM.replaceAll("\n", "\r\n"), options: EVENTS },
  "a stream that nobody calls one": { text: CHAT_STREAM, options: JSON_ANSWER },
  "events without blank lines": { text: CHAT_STREAM.replaceAll("\n\n", "\n"), options: EVENTS },
  "usage behind vectors": {
    text: JSON.stringify({ data: vectors(20), model: "e", usage: COUNTS }),
    options: JSON_ANSWER,
  },
  "usage before vectors": {
    text: JSON.stringify({ usage: COUNTS, model: "e", data: vectors(20) }),
    options: JSON_ANSWER,
  },
  "a long event": {
    text: `event: response.completed\ndata: ${JSON.stringify(LONG_RESPONSE)}\n\n`,
    options: EVENTS,
  },
};

describe("An answer's usage", () => {
  it.each(Object.entries(ANSWERS))("is read from %s", async (_name, { text, options }) => {
    const facts = await readText(text, options);
    expect(facts.usage).toMatchObject(COUNTS);
    expect(facts.model).toBeTypeOf("string");
    expect(facts).toMatchObject({ text, truncated: false, error: null, isText: true });
  });

  it("is kept up to a whole character, and known to be cut", async () => {
    const text = "🙂".repeat(10);
    const plain = { ...JSON_ANSWER, contentType: "text/plain" };
    for (const [maxKeptBytes, kept] of [
      [20, 10],
      [7, 3],
      [6, 3],
    ] as const) {
      const facts = await readText(text, { ...plain, maxKeptBytes });
      expect(facts).toMatchObject({ text: "🙂".repeat(kept), truncated: kept < 10 });
    }
  });

  it.each(Object.entries(ANSWERS))("is the same however %s is cut", async (_name, answer) => {
    const bytes = bytesOf(answer.text);
    const options = { ...answer.options, maxKeptBytes: 700 };
    const whole = await readChunks([bytes], options);
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(shares, async (places) => {
        expect(await readChunks(cutAt(bytes, places), options)).toEqual(whole);
      }),
      { numRuns: 25 },
    );
  });

  it("is the same when each byte comes alone", async () => {
    for (const { text, options } of Object.values(ANSWERS).slice(0, 5)) {
      const bytes = bytesOf(text);
      const alone = Array.from(bytes, (_, index) => bytes.subarray(index, index + 1));
      expect(await readChunks(alone, options)).toEqual(await readText(text, options));
    }
  });

  it.each([
    ["choices[0].usage", { choices: [{ index: 0, delta: {}, usage: COUNTS }] }],
    ["x_groq.usage", { choices: [], x_groq: { id: "req_1", usage: COUNTS } }],
    ["response.usage", { type: "response.completed", response: { usage: COUNTS } }],
    ["message.usage", { type: "message_start", message: { usage: COUNTS } }],
    ["usage of a message's end", { type: "message_delta", usage: COUNTS }],
    ["usageMetadata", { usageMetadata: { promptTokenCount: 9, candidatesTokenCount: 12 } }],
    ["usage of a list", [{ usageMetadata: { promptTokenCount: 9, totalTokenCount: 21 } }]],
  ])("is read from %s, whole, streamed and behind a long text", async (_place, payload) => {
    const long = Array.isArray(payload)
      ? [{ text: "x".repeat(100_000), ...payload[0] }]
      : { text: "x".repeat(100_000), ...payload };
    for (const value of [payload, long]) {
      expect((await readText(JSON.stringify(value))).usage).toMatchObject(COUNTS);
      expect((await readText(streamOf(value), EVENTS)).usage).toMatchObject(COUNTS);
    }
  });

  it("is put together from two halves", async () => {
    const text = streamOf(
      { type: "message_start", message: { id: "msg_1", usage: { input_tokens: 9 } } },
      { type: "message_delta", usage: { output_tokens: 12 } },
    );
    expect((await readText(text, EVENTS)).usage).toMatchObject(COUNTS);
  });

  it("is read from events whose JSON goes over several lines", async () => {
    const lines = JSON.stringify(chunkOf({}, { usage: COUNTS }), null, 2).split("\n");
    const text = `${lines.map((line) => `data: ${line}`).join("\n")}\n\ndata: [DONE]\n\n`;
    expect((await readText(text, EVENTS)).usage).toMatchObject(COUNTS);
  });

  it("is read from JSON lines", async () => {
    const text = `{"model":"m","message":{"content":"a"}}\n${JSON.stringify({ usage: COUNTS })}\n`;
    const facts = await readText(text, { ...JSON_ANSWER, contentType: "application/x-ndjson" });
    expect(facts).toMatchObject({ usage: COUNTS, model: "m" });
  });

  it("is what had come when an answer is broken off", async () => {
    const long = JSON.stringify({ usage: COUNTS, data: vectors(5) });
    expect((await readText(long.slice(0, -100))).usage).toMatchObject(COUNTS);
    expect((await readText(`{"model":"m","usage":${JSON.stringify(COUNTS)},"da`)).model).toBe("m");
  });

  it("is not what a model writes", async () => {
    const text = JSON.stringify({ usage: { prompt_tokens: 1 }, error: { message: "no" } });
    const facts = await readText(streamOf(chunkOf({ content: text })), EVENTS);
    expect(facts).toMatchObject({ usage: null, error: null });
  });
});

const ENCODERS: Record<string, (text: string) => Uint8Array> = {
  gzip: (text) => gzipSync(text),
  "x-gzip": (text) => gzipSync(text),
  deflate: (text) => deflateSync(text),
  DEFLATE: (text) => deflateRawSync(text),
  br: (text) => brotliCompressSync(text),
  "br, gzip": (text) => gzipSync(brotliCompressSync(text)),
  "identity, gzip": (text) => gzipSync(text),
};

describe("A compressed answer", () => {
  it.each(Object.entries(ENCODERS))("in %s is read", async (contentEncoding, encode) => {
    for (const { text, options } of Object.values(ANSWERS)) {
      const bytes = encode(text);
      const facts = await readChunks(cutAt(bytes, [0.001, 0.3, 0.9]), {
        ...options,
        contentEncoding,
        hash: startHash(),
      });
      expect(facts).toMatchObject({ usage: COUNTS, text, isText: true, bytes: bytes.length });
      expect(facts.sha256).toBe(createHash("sha256").update(bytes).digest("hex"));
    }
  });

  it("that is none, or is cut short, or has an unknown encoding, is read as far as it goes", async () => {
    const gzip = { ...EVENTS, contentEncoding: "gzip" };
    expect(await readText("no gzip", gzip)).toMatchObject({ usage: null, isText: false, bytes: 7 });
    expect(await readChunks([], gzip)).toMatchObject({ usage: null, isText: false, bytes: 0 });
    const cut = gzipSync(CHAT_STREAM + "x".repeat(500)).subarray(0, -12);
    expect(await readChunks([cut], gzip)).toMatchObject({ model: "gpt-4.1-mini" });
    const unknown = { ...EVENTS, contentEncoding: "compress" };
    expect(await readText("anything", unknown)).toMatchObject({
      text: "",
      isText: false,
      bytes: 8,
    });
    const trailing = Buffer.concat([gzipSync(CHAT_STREAM), Buffer.from("junk")]);
    expect((await readChunks([trailing], gzip)).usage).toMatchObject(COUNTS);
  });

  it("that is a bomb is given up", async () => {
    const bomb = gzipSync(Buffer.alloc(256 * 1024 * 1024, " "));
    const chunks = cutAt(bomb, [0.2, 0.4, 0.6, 0.8]);
    const started = performance.now();
    const facts = await readChunks(chunks, { ...JSON_ANSWER, contentEncoding: "gzip" });
    expect(facts).toMatchObject({ bytes: bomb.length, truncated: true });
    expect(facts.text.length).toBeLessThanOrEqual(1_000_000);
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
