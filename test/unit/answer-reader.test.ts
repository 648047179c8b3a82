/** What is read of an answer while it flows through, however it is cut, compressed or spelled. */
import { createHash } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createAnswerReader,
  type AnswerFacts,
  type AnswerReaderOptions,
} from "../../src/stream/answer-reader.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

const JSON_ANSWER: AnswerReaderOptions & { nested?: boolean } = {
  contentType: "application/json",
  contentEncoding: "",
  maxKeptBytes: 1_000_000,
  wantsDigest: false,
};
const EVENTS = { ...JSON_ANSWER, contentType: "text/event-stream; charset=utf-8" };

async function readChunks(
  chunks: Uint8Array[],
  options: AnswerReaderOptions = JSON_ANSWER,
): Promise<AnswerFacts> {
  const reader = createAnswerReader(options);
  for (const chunk of chunks) await reader.onChunk(chunk);
  return reader.end();
}

const read = (text: string, options: AnswerReaderOptions = JSON_ANSWER) =>
  readChunks([bytesOf(text)], options);

const COUNTS = { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 };

/** Bytes cut at places that are given as shares of their length. */
function cutAt(bytes: Uint8Array, shares: number[]): Uint8Array[] {
  const places = shares.map((share) => Math.floor(share * bytes.length));
  const sorted = [0, ...places.toSorted((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index] ?? 0, end));
}

const streamOf = (...payloads: unknown[]) =>
  [...payloads.map((payload) => JSON.stringify(payload)), "[DONE]"]
    .map((data) => `data: ${data}\n\n`)
    .join("");

const chunkOf = (delta: unknown, members = {}) => ({
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  model: "gpt-4.1-mini",
  choices: [{ index: 0, delta, finish_reason: null }],
  usage: null,
  ...members,
});

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
    const facts = await read(text, options);
    expect(facts.usage).toMatchObject(COUNTS);
    expect(facts.model).toBeTypeOf("string");
    expect(facts).toMatchObject({ text, truncated: false, error: null, isText: true });
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
      expect(await readChunks(alone, options)).toEqual(await read(text, options));
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
      expect((await read(JSON.stringify(value))).usage).toMatchObject(COUNTS);
      expect((await read(streamOf(value), EVENTS)).usage).toMatchObject(COUNTS);
    }
  });

  it("is put together from two halves", async () => {
    const text = streamOf(
      { type: "message_start", message: { id: "msg_1", usage: { input_tokens: 9 } } },
      { type: "message_delta", usage: { output_tokens: 12 } },
    );
    expect((await read(text, EVENTS)).usage).toMatchObject(COUNTS);
  });

  it("is read from events whose JSON goes over several lines", async () => {
    const lines = JSON.stringify(chunkOf({}, { usage: COUNTS }), null, 2).split("\n");
    const text = `${lines.map((line) => `data: ${line}`).join("\n")}\n\ndata: [DONE]\n\n`;
    expect((await read(text, EVENTS)).usage).toMatchObject(COUNTS);
  });

  it("is read from JSON lines", async () => {
    const text = `{"model":"m","message":{"content":"a"}}\n${JSON.stringify({ usage: COUNTS })}\n`;
    const facts = await read(text, { ...JSON_ANSWER, contentType: "application/x-ndjson" });
    expect(facts).toMatchObject({ usage: COUNTS, model: "m" });
  });

  it("is what had come when an answer is broken off", async () => {
    const long = JSON.stringify({ usage: COUNTS, data: vectors(5) });
    expect((await read(long.slice(0, -100))).usage).toMatchObject(COUNTS);
    expect((await read(`{"model":"m","usage":${JSON.stringify(COUNTS)},"da`)).model).toBe("m");
  });

  it("is not what a model writes", async () => {
    const text = JSON.stringify({ usage: { prompt_tokens: 1 }, error: { message: "no" } });
    const facts = await read(streamOf(chunkOf({ content: text })), EVENTS);
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
        wantsDigest: true,
      });
      expect(facts).toMatchObject({ usage: COUNTS, text, isText: true, bytes: bytes.length });
      expect(facts.sha256).toBe(createHash("sha256").update(bytes).digest("hex"));
    }
  });

  it("that is none, or is cut short, or has an unknown encoding, is read as far as it goes", async () => {
    const gzip = { ...EVENTS, contentEncoding: "gzip" };
    expect(await read("no gzip", gzip)).toMatchObject({ usage: null, isText: false, bytes: 7 });
    expect(await readChunks([], gzip)).toMatchObject({ usage: null, isText: false, bytes: 0 });
    const cut = gzipSync(CHAT_STREAM + "x".repeat(500)).subarray(0, -12);
    expect(await readChunks([cut], gzip)).toMatchObject({ model: "gpt-4.1-mini" });
    const unknown = { ...EVENTS, contentEncoding: "compress" };
    expect(await read("anything", unknown)).toMatchObject({ text: "", isText: false, bytes: 8 });
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

describe("The memory of a reader", () => {
  const MEGABYTE = 1024 * 1024;
  const piece = bytesOf("0.0123456789,".repeat(5000));

  /** What is held, without what is only waiting to be collected. */
  const heldBytes = (): number => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    // Once is not enough for what the first has found to be free.
    collect();
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };

  it.each([
    ["an answer of 100 MB of vectors", '{"data":[{"embedding":[', '0]}],"usage":', JSON_ANSWER],
    ["an event of 100 MB", 'data: {"response":{"output":[[', '0]],"usage":', EVENTS],
    ["a text of 100 MB", '{"data":"', '","usage":', JSON_ANSWER],
    ["100 MB that are nested", '{"data":', '"usage":', { ...JSON_ANSWER, nested: true }],
  ])("stays under 4 MB beside %s", async (_name, start, end, { nested, ...options }) => {
    const reader = createAnswerReader({ ...options, maxKeptBytes: 65_536 });
    const bytes = nested === true ? bytesOf("[".repeat(65_000)) : piece;
    const closing = nested === true ? bytesOf("]".repeat(65_000)) : piece;
    const count = Math.ceil((50 * MEGABYTE) / piece.byteLength);
    const before = heldBytes();
    let most = 0;
    void reader.onChunk(bytesOf(start));
    for (const half of [bytes, closing]) {
      for (let index = 0; index < count; index++) {
        void reader.onChunk(half.slice());
        if (index % 800 === 400) most = Math.max(most, heldBytes() - before);
      }
    }
    void reader.onChunk(bytesOf(`${nested === true ? "," : ""}${end}${JSON.stringify(COUNTS)}}}`));
    const facts = await reader.end();
    expect(facts).toMatchObject({ truncated: true, usage: COUNTS });
    expect(facts.bytes).toBeGreaterThan(95 * MEGABYTE);
    expect(most).toBeLessThan(4 * MEGABYTE);
  });
});

describe("What an answer says of itself", () => {
  it.each([
    ["OpenAI's", { error: { message: "No.", code: "c", type: "t" } }, "No.", "c"],
    [
      "Gemini's",
      [{ error: { code: 404, message: "No.", status: "NOT_FOUND" } }],
      "No.",
      "NOT_FOUND",
    ],
    ["MiniMax's", { base_resp: { status_code: 1004, status_msg: "No." } }, "No.", "1004"],
    ["FastAPI's", { detail: "No." }, "No.", null],
    ["FastAPI's list", { detail: [{ loc: ["body", "n"], msg: "No." }] }, "body.n: No.", null],
    ["Ollama's", { error: "No." }, "No.", null],
    ["a response's", { response: { status: "failed", error: { message: "No." } } }, "No.", null],
    ["an error event's", { type: "error", code: "c", message: "No." }, "No.", "c"],
    [
      "Anthropic's",
      { type: "error", error: { type: "overloaded_error", message: "No." } },
      "No.",
      "overloaded_error",
    ],
  ])("has %s error, whole and streamed", async (_name, body, message, code) => {
    expect((await read(JSON.stringify(body))).error).toEqual({ message, code });
    expect((await read(streamOf(body), EVENTS)).error).toEqual({ message, code });
  });

  it.each([
    ["a page", "<html><head><title>502 Bad Gateway</title></head></html>", "502 Bad Gateway"],
    ["a text", "upstream connect error\n", "upstream connect error"],
    ["a message", '{"object":"error","message":"No.","code":40303}', "No."],
    ["a list", '{"success":false,"errors":[{"code":7003,"message":"No."}]}', "No."],
    ["a detail beside others", '{"detail":"No.","request_id":"r"}', "No."],
  ])("has the words of a failure that is %s", async (_name, text, message) => {
    const facts = await read(text, { ...JSON_ANSWER, contentType: "text/html", isFailure: true });
    expect(facts.error?.message).toBe(message);
    expect((await read(text, { ...JSON_ANSWER, contentType: "text/html" })).error).toBeNull();
  });

  it.each([
    ["{}", null],
    ['{"message":"No."}', "No."],
    ["No.", "No."],
  ])("has the error of an event that is called one: %s", async (data, message) => {
    const text = `data: ${JSON.stringify(chunkOf({ content: "a" }))}\n\n`;
    const facts = await read(`${text}event: error\ndata: ${data}\n\n`, EVENTS);
    expect(facts.error).toEqual({ message, code: null });
  });

  it("has no error where a member of that name is empty", async () => {
    for (const error of [null, "", {}, false])
      expect((await read(JSON.stringify({ id: "x", error }))).error).toBeNull();
  });

  it("has the end of choice 0, of a response and of a message", async () => {
    expect(await read(CHAT_STREAM, EVENTS)).toMatchObject({
      finishReason: "stop",
      id: "chatcmpl-1",
    });
    const response = { id: "resp_1", object: "response", status: "completed" };
    expect(await read(JSON.stringify(response))).toMatchObject({ finishReason: "completed" });
    const incomplete = { ...response, status: "incomplete", incomplete_details: { reason: "max" } };
    const event = { type: "response.incomplete", response: { ...incomplete, usage: COUNTS } };
    expect(await read(streamOf(event), EVENTS)).toMatchObject({
      finishReason: "max",
      id: "resp_1",
    });
    const message = { type: "message", stop_reason: "end_turn" };
    expect(await read(JSON.stringify(message))).toMatchObject({ finishReason: "end_turn" });
  });

  it("is nothing where the answer is bytes", async () => {
    const sound = Uint8Array.from({ length: 1000 }, (_, index) => index % 256);
    for (const contentType of ["audio/mpeg", "application/octet-stream", "", "image/png"]) {
      const facts = await readChunks([sound], { ...JSON_ANSWER, contentType, wantsDigest: true });
      expect(facts).toMatchObject({ isText: false, text: "", truncated: false, bytes: 1000 });
      expect(facts.sha256).toBe(createHash("sha256").update(sound).digest("hex"));
    }
  });

  it("never reaches prototypes", async () => {
    const evil = '{"__proto__":{"n":2},"constructor":{"prototype":{"n":3}},"prompt_tokens":9}';
    for (const filler of ["", "x".repeat(100_000)]) {
      const body = `{"__proto__":{"usage":{"prompt_tokens":1}},"t":"${filler}","usage":${evil}}`;
      for (const facts of [await read(body), await read(`data: ${body}\n\n`, EVENTS)]) {
        expect(facts.usage?.prompt_tokens).toBe(9);
        expect(facts.usage?.["n"]).toBeUndefined();
        expect(Object.getPrototypeOf(facts.usage)).toBe(Object.prototype);
      }
    }
    expect(({} as Record<string, unknown>)["n"]).toBeUndefined();
  });
});
