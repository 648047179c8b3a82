/** Answers that are none: errors in odd places, pages, and nothing at all. */
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import {
  ask,
  keyWithAdd,
  payloadsOf,
  post,
  streamed,
  whole,
  type AddingKey,
} from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import { chunk, completion, events, json, toolCall, type Answer } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const overloaded = {
  message: "The model is overloaded",
  type: "server_error",
  param: null,
  code: "overloaded",
};
const half = chunk({ role: "assistant", content: "half" });
const body =
  (text: string | Uint8Array, contentType?: string, status = 200): Answer =>
  (_request, response) =>
    void response
      .writeHead(status, contentType === undefined ? {} : { "content-type": contentType })
      .end(text);
const callRound = (name: string): Answer =>
  events(
    chunk({
      role: "assistant",
      content: "half",
      tool_calls: [{ index: 0, id: "c1", function: { name, arguments: '{"a":2,"b":3}' } }],
    }),
    chunk({}, "tool_calls"),
  );

const messages = [{ role: "user" as const, content: "go" }];
const officially = ({ key }: AddingKey) => proxy.client(key);

/** What the official client throws for a stream. */
async function streamFailure(key: AddingKey): Promise<unknown> {
  const read = async () => {
    const parts = await officially(key).chat.completions.create({
      model: "gpt-test",
      messages,
      stream: true,
    });
    for await (const part of parts) expect(part.object).toBe("chat.completion.chunk");
    throw new Error("the stream ended as if all were well");
  };
  return read().catch((error: unknown) => error);
}

/** What the official client throws for a whole answer. */
const wholeFailure = (key: AddingKey): Promise<unknown> =>
  officially(key)
    .chat.completions.create({ model: "gpt-test", messages })
    .then(() => new Error("the answer came as if all were well"))
    .catch((error: unknown) => error);

/** The last event of a stream that failed, which is the error; what came before it are chunks. */
async function errorEvent(key: AddingKey): Promise<Json> {
  const response = await post(key.key, ask({ stream: true }));
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
  const text = await response.text();
  expect(text).not.toContain("[DONE]");
  expect(text).not.toContain(key.name);
  const payloads = payloadsOf(text).map((payload) => JSON.parse(payload) as Json);
  expect(payloads.slice(0, -1).every((payload) => Array.isArray(payload["choices"]))).toBe(true);
  const conversation = await proxy.conversation(
    response.headers.get("x-proxy-conversation-id") ?? "",
  );
  expect(conversation.status).toBe("failed");
  return payloads.at(-1) ?? {};
}

describe("errors inside a 200", () => {
  it.each([
    ["an object", { error: overloaded }, overloaded.message],
    ["a text", { error: "out of memory" }, "out of memory"],
    [
      "an object beside a choice",
      { ...chunk({ content: "" }, "error"), error: overloaded },
      overloaded.message,
    ],
    ["an object beside empty choices", { choices: [], error: overloaded }, overloaded.message],
    [
      "an object that says it is one",
      { object: "error", message: "too long", type: "BadRequestError", code: 400 },
      "too long",
    ],
  ])(
    "are told in a stream, and by the official client, when they are %s",
    async (_title, error, message) => {
      for (const before of [[], [half]]) {
        const key = await keyWithAdd(() => [events(...before, error)]);
        expect((await errorEvent(key))["error"]).toMatchObject({ message });
        expect(String(await streamFailure(key))).toContain(message);
      }
    },
  );

  it("are told in a later round too", async () => {
    const key = await keyWithAdd((name) => [
      callRound(name),
      events({ error: overloaded }),
      callRound(name),
      events({ error: overloaded }),
    ]);
    expect(await errorEvent(key)).toEqual({ error: overloaded });
    expect(await streamFailure(key)).toMatchObject({ error: overloaded });
  });

  it.each([
    [{ error: overloaded }],
    [{ error: "out of memory" }],
    [{ error: overloaded, choices: [] }],
    [{ object: "error", message: "too long" }],
  ])("pass as they are where a whole answer was asked for: %j", async (error) => {
    const key = await keyWithAdd((name) => [
      json(error, 200, { "x-request-id": "req_1" }),
      completion({ tool_calls: [toolCall("c1", name, { a: 1, b: 1 })] }),
      json(error),
    ]);
    const first = await post(key.key, ask());
    expect([first.status, first.headers.get("x-request-id"), await first.json()]).toEqual([
      200,
      "req_1",
      error,
    ]);
    const second = await post(key.key, ask());
    expect([second.status, await second.json()]).toEqual([200, error]);
    const conversation = await proxy.conversation(
      second.headers.get("x-proxy-conversation-id") ?? "",
    );
    expect(conversation.status).toBe("failed");
  });

  it("are an error event where a stream was asked for and JSON came", async () => {
    const key = await keyWithAdd((name) => [
      json({ error: overloaded }),
      json({ error: overloaded }),
      callRound(name),
      json({ error: overloaded }),
    ]);
    expect(await streamFailure(key)).toMatchObject({ error: overloaded });
    expect(await errorEvent(key)).toEqual({ error: overloaded });
    expect(await errorEvent(key)).toEqual({ error: overloaded });
  });

  it("do not lie in `error: null`", async () => {
    const key = await keyWithAdd(() => [
      events({ ...chunk({ content: "ok" }), error: null }, { ...chunk({}, "stop"), error: null }),
    ]);
    expect((await streamed(key)).content).toBe("ok");
    const atOnce = await keyWithAdd(() => [completion({ content: "ok" }, { error: null })]);
    expect((await whole(atOnce)).content).toBe("ok");
  });
});

describe("errors with a status", () => {
  const page = "<html><body><h1>502 Bad Gateway</h1></body></html>";

  it("pass as they are in the first round, a page of HTML too, streamed and whole", async () => {
    const key = await keyWithAdd(() => [body(page, "text/html", 502)]);
    for (const more of [{ stream: true }, {}]) {
      const response = await post(key.key, ask(more));
      expect([
        response.status,
        response.headers.get("content-type"),
        await response.text(),
      ]).toEqual([502, "text/html", page]);
    }
    expect(await streamFailure(key)).toMatchObject({ status: 502 });
    expect(await wholeFailure(key)).toMatchObject({ status: 502 });
  });

  it("pass as they are though they are called a stream of events", async () => {
    const key = await keyWithAdd(() => [
      body(`data: ${JSON.stringify({ error: overloaded })}\n\n`, "text/event-stream", 503),
    ]);
    const response = await post(key.key, ask({ stream: true }));
    expect([response.status, await response.text()]).toEqual([
      503,
      `data: ${JSON.stringify({ error: overloaded })}\n\n`,
    ]);
  });

  it("keep upstream's error object as an event in a later round of a stream", async () => {
    const key = await keyWithAdd((name) => [callRound(name), json({ error: overloaded }, 429)]);
    expect(await errorEvent(key)).toEqual({ error: overloaded });
  });

  it("are an event that says so where a later round's answer is a page", async () => {
    const key = await keyWithAdd((name) => [callRound(name), body(page, "text/html", 502)]);
    expect((await errorEvent(key))["error"]).toMatchObject({
      code: "upstream_invalid_response",
      message: expect.stringContaining("502"),
    });
  });

  it("pass with an empty body", async () => {
    const key = await keyWithAdd(() => [body("", undefined, 401)]);
    for (const more of [{ stream: true }, {}])
      expect((await post(key.key, ask(more))).status).toBe(401);
  });
});

describe("a 200 that is no answer", () => {
  it.each([
    ["an empty body", ""],
    ["a page", "<!doctype html><title>Log in</title>"],
    ["JSON that is no completion", '{"detail":"nothing here"}'],
    ["a completion without choices", '{"id":"x","object":"chat.completion","choices":[]}'],
    ["JSON that is cut off", '{"choices":[{"message":{"content":"o'],
  ])("is a 502 that says so: %s", async (_title, text) => {
    for (const contentType of ["application/json", "text/html", undefined]) {
      const key = await keyWithAdd(() => [body(text, contentType)]);
      expect(await wholeFailure(key)).toMatchObject({
        status: 502,
        code: "upstream_invalid_response",
      });
      expect(await streamFailure(key)).toMatchObject({
        status: 502,
        code: "upstream_invalid_response",
      });
    }
  });

  it.each([
    ["an empty body", ""],
    ["comments alone", ": ping\n\n: ping\n\n"],
    ["[DONE] alone", "data: [DONE]\n\n"],
    [
      "usage alone",
      `data: ${JSON.stringify({ id: "x", choices: [], usage: {} })}\n\ndata: [DONE]\n\n`,
    ],
    [
      "a chunk that is no JSON",
      `data: ${JSON.stringify(half)}\n\ndata: {"choices":[{"delta":{"content":"o\n\ndata: [DONE]\n\n`,
    ],
    [
      "a last chunk that is cut off",
      `data: ${JSON.stringify(half)}\n\ndata: {"choices":[{"delta":{"con`,
    ],
    ["JSON that is no completion", '{"detail":"nothing here"}'],
    ["a page", "<!doctype html><title>Log in</title>"],
  ])("is an error event where it calls itself a stream: %s", async (_title, text) => {
    const key = await keyWithAdd(() => [body(text, "text/event-stream")]);
    expect((await errorEvent(key))["error"]).toMatchObject({ code: "upstream_invalid_response" });
    expect(await streamFailure(key)).toMatchObject({ code: "upstream_invalid_response" });
  });

  it("is upstream's own error where JSON calls itself a stream", async () => {
    const key = await keyWithAdd(() => [
      body(JSON.stringify({ error: overloaded }), "text/event-stream"),
    ]);
    expect(await errorEvent(key)).toEqual({ error: overloaded });
  });
});

describe("answers in an encoding that nobody asked for", () => {
  const compressed =
    (text: string, contentType: string): Answer =>
    (_request, response) =>
      void response
        .writeHead(200, { "content-type": contentType, "content-encoding": "gzip" })
        .end(gzipSync(text));

  it("are read all the same, streamed and whole", async () => {
    const text = `data: ${JSON.stringify(half)}\n\ndata: [DONE]\n\n`;
    expect(
      (await streamed(await keyWithAdd(() => [compressed(text, "text/event-stream")]))).content,
    ).toBe("half");
    const answer = JSON.stringify({
      choices: [{ index: 0, message: { role: "assistant", content: "ok" }, finish_reason: "stop" }],
    });
    expect(
      (await whole(await keyWithAdd(() => [compressed(answer, "application/json")]))).content,
    ).toBe("ok");
  });
});

describe("Errors in a shape of somebody's own", () => {
  const shapes: [string, unknown, string][] = [
    ["Gemini's list", [{ error: { code: 400, message: "No such key" } }], "No such key"],
    [
      "MiniMax's base_resp",
      { base_resp: { status_code: 1004, status_msg: "no login" } },
      "no login",
    ],
    ["FastAPI's detail", { detail: "Not enough credits" }, "Not enough credits"],
  ];
  const ways = shapes.flatMap(([title, error, words]) => [
    { title, error, words, way: "whole", more: {} },
    { title, error, words, way: "streamed", more: { stream: true } },
  ]);

  it.each(ways)(
    "are passed on as they came, and their words are on record: $title, $way",
    async ({ error, words, more }) => {
      const { key } = await keyWithAdd(() => [json(error, 403)]);
      const response = await post(key, ask(more));
      expect([response.status, await response.json()]).toEqual([403, error]);
      const id = response.headers.get("x-proxy-conversation-id") ?? "";
      const { status, rounds } = await proxy.conversation(id);
      expect(status).toBe("failed");
      expect(rounds).toMatchObject([{ round: 1, status: "failed", error: words }]);
    },
  );

  it.each(shapes)("are told after the tools ran: %s", async (_title, error, words) => {
    const key = await keyWithAdd((name) => [callRound(name), json(error, 403)]);
    expect((await errorEvent(key))["error"]).toMatchObject({ message: words });
  });

  it.each(shapes.slice(1))(
    "are told where they came with 200: %s",
    async (_title, error, words) => {
      const inStream = await keyWithAdd(() => [events(half, error)]);
      expect((await errorEvent(inStream))["error"]).toMatchObject({ message: words });
      const atOnce = await keyWithAdd(() => [json(error)]);
      const response = await post(atOnce.key, ask());
      expect(response.status).toBe(502);
      expect(await response.text()).toContain(words);
    },
  );

  it.each([
    ['{"message":"The model is overloaded","code":"overloaded"}', "The model is overloaded"],
    ["out of memory", "out of memory"],
  ])("are told where only the event is called an error: %s", async (data, message) => {
    const start = `data: ${JSON.stringify(half)}\n\n`;
    const text = `${start}event: error\ndata: ${data}\n\n`;
    const key = await keyWithAdd(() => [body(text, "text/event-stream")]);
    expect((await errorEvent(key))["error"]).toMatchObject({ message });
  });
});
