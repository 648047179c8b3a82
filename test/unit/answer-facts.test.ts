/** What an answer says of itself, and that reading it holds no more than it must. */
import { createHash } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { startHash } from "../../src/node/hash.ts";
import { createAnswerReader } from "../../src/stream/answer-reader.ts";
import {
  bytesOf,
  chunkOf,
  COUNTS,
  EVENTS,
  JSON_ANSWER,
  readChunks,
  readText,
  streamOf,
} from "../helpers/read-answer.ts";

/** An answer whose brackets are nested by the million. */
const NESTED = { ...JSON_ANSWER };

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
    ["100 MB that are nested", '{"data":', '"usage":', NESTED],
  ])("stays under 4 MB beside %s", async (_name, start, end, options) => {
    const isNested = options === NESTED;
    const reader = createAnswerReader({ ...options, maxKeptBytes: 65_536 });
    const bytes = isNested ? bytesOf("[".repeat(65_000)) : piece;
    const closing = isNested ? bytesOf("]".repeat(65_000)) : piece;
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
    void reader.onChunk(bytesOf(`${isNested ? "," : ""}${end}${JSON.stringify(COUNTS)}}}`));
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
    expect((await readText(JSON.stringify(body))).error).toEqual({ message, code });
    expect((await readText(streamOf(body), EVENTS)).error).toEqual({ message, code });
  });

  it.each([
    ["a page", "<html><head><title>502 Bad Gateway</title></head></html>", "502 Bad Gateway"],
    ["a text", "upstream connect error\n", "upstream connect error"],
    ["a message", '{"object":"error","message":"No.","code":40303}', "No."],
    ["a list", '{"success":false,"errors":[{"code":7003,"message":"No."}]}', "No."],
    ["a detail beside others", '{"detail":"No.","request_id":"r"}', "No."],
  ])("has the words of a failure that is %s", async (_name, text, message) => {
    const facts = await readText(text, {
      ...JSON_ANSWER,
      contentType: "text/html",
      isFailure: true,
    });
    expect(facts.error?.message).toBe(message);
    expect((await readText(text, { ...JSON_ANSWER, contentType: "text/html" })).error).toBeNull();
  });

  it.each([
    ["{}", null],
    ['{"message":"No."}', "No."],
    ["No.", "No."],
  ])("has the error of an event that is called one: %s", async (data, message) => {
    const text = `data: ${JSON.stringify(chunkOf({ content: "a" }))}\n\n`;
    const facts = await readText(`${text}event: error\ndata: ${data}\n\n`, EVENTS);
    expect(facts.error).toEqual({ message, code: null });
  });

  it("has no error where a member of that name is empty", async () => {
    for (const error of [null, "", {}, false])
      expect((await readText(JSON.stringify({ id: "x", error }))).error).toBeNull();
  });

  it("has the end of choice 0, of a response and of a message", async () => {
    const end = { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] };
    const stream = streamOf(chunkOf({ content: "a" }), chunkOf({}, end));
    expect(await readText(stream, EVENTS)).toMatchObject({
      finishReason: "stop",
      id: "chatcmpl-1",
    });
    const response = { id: "resp_1", object: "response", status: "completed" };
    expect(await readText(JSON.stringify(response))).toMatchObject({ finishReason: "completed" });
    const incomplete = { ...response, status: "incomplete", incomplete_details: { reason: "max" } };
    const event = { type: "response.incomplete", response: { ...incomplete, usage: COUNTS } };
    expect(await readText(streamOf(event), EVENTS)).toMatchObject({
      finishReason: "max",
      id: "resp_1",
    });
    const message = { type: "message", stop_reason: "end_turn" };
    expect(await readText(JSON.stringify(message))).toMatchObject({ finishReason: "end_turn" });
  });

  it("is nothing where the answer is bytes", async () => {
    const sound = Uint8Array.from({ length: 1000 }, (_, index) => index % 256);
    for (const contentType of ["audio/mpeg", "application/octet-stream", "", "image/png"]) {
      const facts = await readChunks([sound], { ...JSON_ANSWER, contentType, hash: startHash() });
      expect(facts).toMatchObject({ isText: false, text: "", truncated: false, bytes: 1000 });
      expect(facts.sha256).toBe(createHash("sha256").update(sound).digest("hex"));
    }
  });

  it("never reaches prototypes", async () => {
    const evil = '{"__proto__":{"n":2},"constructor":{"prototype":{"n":3}},"prompt_tokens":9}';
    for (const filler of ["", "x".repeat(100_000)]) {
      const body = `{"__proto__":{"usage":{"prompt_tokens":1}},"t":"${filler}","usage":${evil}}`;
      for (const facts of [await readText(body), await readText(`data: ${body}\n\n`, EVENTS)]) {
        expect(facts.usage?.prompt_tokens).toBe(9);
        expect(facts.usage?.["n"]).toBeUndefined();
        expect(Object.getPrototypeOf(facts.usage)).toBe(Object.prototype);
      }
    }
    expect(({} as Record<string, unknown>)["n"]).toBeUndefined();
  });
});
