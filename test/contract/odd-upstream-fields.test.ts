/** Members of chunks and messages that are missing, repeated, or more than OpenAI's. */
import { describe, expect, it } from "vitest";
import { ask, keyWithAdd, post, readStream, streamed, whole } from "../helpers/chat-turn.ts";
import {
  chunk,
  completion,
  events,
  json,
  sentMessages,
  toolCall,
  usageChunk,
  type Answer,
} from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const counts = (prompt: number, answer: number) => ({
  prompt_tokens: prompt,
  completion_tokens: answer,
  total_tokens: prompt + answer,
});
const asksUsage = { stream_options: { include_usage: true } };
const callDelta = (name: string) => ({
  tool_calls: [
    { index: 0, id: "c1", type: "function", function: { name, arguments: '{"a":2,"b":3}' } },
  ],
});
const callRound = (name: string, ...before: Json[]): Answer =>
  events(
    chunk({ role: "assistant", content: null }),
    ...before,
    chunk(callDelta(name)),
    chunk({}, "tool_calls"),
    usageChunk(),
  );
const textRound = (...chunks: Json[]): Answer => events(...chunks, usageChunk());
const without = (one: Json, ...names: string[]) =>
  Object.fromEntries(Object.entries(one).filter(([name]) => !names.includes(name)));
const choiceOf = (one: Json | undefined) => ((one?.["choices"] ?? []) as Json[])[0] ?? {};

describe("usage that is odd", () => {
  it("counts a round once, though usage grows in every chunk", async () => {
    const growing = (delta: Json, tokens: number, reason: string | null = null) =>
      chunk(delta, reason, { usage: counts(10, tokens) });
    const key = await keyWithAdd((name) => [
      events(
        growing({ role: "assistant" }, 0),
        growing({ content: "a" }, 1),
        growing(callDelta(name), 4),
        growing({}, 5, "tool_calls"),
      ),
      events(growing({ content: "b" }, 1), growing({ content: "c" }, 2), growing({}, 3, "stop"), {
        ...chunk({}),
        choices: [],
        usage: null,
      }),
    ]);
    expect(await streamed(key, asksUsage)).toMatchObject({
      content: "a\n\nbc",
      usage: counts(20, 8),
    });
    expect((await streamed(key)).usage).toBeNull();
  });

  it.each([
    ["without choices", (one: Json) => without(one, "choices")],
    ["with choices null", (one: Json) => ({ ...one, choices: null })],
    [
      "without id, model and created",
      (one: Json) => without(one, "id", "model", "created", "object"),
    ],
    [
      "with a choice whose delta is empty",
      (one: Json) => ({ ...one, choices: [{ index: 0, delta: {}, finish_reason: null }] }),
    ],
    ["with a choice that has no delta", (one: Json) => ({ ...one, choices: [{ index: 0 }] })],
    [
      "with a choice that finishes again",
      (one: Json) => ({
        ...one,
        choices: [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: "stop" }],
      }),
    ],
  ])("reads a usage chunk %s", async (_title, odd) => {
    const key = await keyWithAdd(() => [
      events(chunk({ role: "assistant", content: "ok" }), chunk({}, "stop"), odd(usageChunk())),
    ]);
    expect(await streamed(key, asksUsage)).toMatchObject({
      content: "ok",
      finishReason: "stop",
      usage: counts(10, 5),
    });
    expect(await streamed(key)).toMatchObject({ content: "ok", finishReason: "stop", usage: null });
  });

  it("gives none where upstream gave none, streamed and whole", async () => {
    const inStream = await keyWithAdd(() => [events(chunk({ content: "ok" }, "stop"))]);
    expect(await streamed(inStream, asksUsage)).toMatchObject({ content: "ok", usage: null });
    const atOnce = await keyWithAdd(() => [completion({ content: "ok" }, { usage: null })]);
    expect(await whole(atOnce)).toMatchObject({ content: "ok", usage: null });
  });

  it("sums details, and keeps what is no number", async () => {
    const usage = (cached: number, more: Json) => ({
      ...counts(10, 5),
      prompt_tokens_details: { cached_tokens: cached },
      cost: 0.25,
      ...more,
    });
    const key = await keyWithAdd((name) => [
      completion(
        { tool_calls: [toolCall("c1", name, { a: 1, b: 1 })] },
        { usage: usage(2, { completion_tokens_details: null }) },
      ),
      completion(
        { content: "ok" },
        { usage: usage(3, { completion_tokens_details: { reasoning_tokens: 4 }, tier: "x" }) },
      ),
    ]);
    expect((await whole(key)).usage).toEqual({
      ...counts(20, 10),
      prompt_tokens_details: { cached_tokens: 5 },
      completion_tokens_details: { reasoning_tokens: 4 },
      cost: 0.5,
      tier: "x",
    });
  });
});

describe("chunks that are odd", () => {
  it("survives Azure's first chunk without choices, and a chunk without delta, and keeps their filter results", async () => {
    const filters = [{ prompt_index: 0, content_filter_results: { hate: { filtered: false } } }];
    const key = await keyWithAdd((name) => [
      events(
        { id: "", object: "", created: 0, model: "", choices: [], prompt_filter_results: filters },
        chunk({ role: "assistant", content: "" }),
        chunk(callDelta(name)),
        chunk({}, "tool_calls"),
        {
          ...chunk({}),
          choices: [
            { index: 0, finish_reason: null, content_filter_offsets: { check_offset: 44 } },
          ],
        },
      ),
      textRound(chunk({ role: "assistant", content: "ok" }), chunk({}, "stop")),
    ]);
    const turn = await streamed(key);
    expect(turn).toMatchObject({ content: "ok", finishReason: "stop" });
    expect(turn.chunks.filter((one) => "prompt_filter_results" in one)).toMatchObject([
      { id: "chatcmpl-1", prompt_filter_results: filters },
    ]);
  });

  it.each([
    ["missing", [{ content: "o" }, { content: "k" }]],
    [
      "repeated",
      [
        { role: "assistant", content: "o" },
        { role: "assistant", content: "k" },
      ],
    ],
    [
      "empty",
      [
        { role: "", content: "o" },
        { role: "", content: "k" },
      ],
    ],
    [
      "null",
      [
        { role: null, content: "o" },
        { role: null, content: "k" },
      ],
    ],
    ["alone and late", [{ content: "o" }, { role: "assistant" }, { content: "k" }]],
  ])("gives one role where upstream's is %s", async (_title, deltas) => {
    const key = await keyWithAdd((name) => [
      events(...deltas.map((delta) => chunk(delta)), chunk(callDelta(name), "tool_calls")),
      events(...deltas.map((delta) => chunk(delta)), chunk({}, "stop")),
    ]);
    expect(await streamed(key)).toMatchObject({ content: "ok\n\nok", finishReason: "stop" });
    expect(sentMessages(key.upstream, 1)[1]).toMatchObject({ role: "assistant", content: "ok" });
  });

  it.each([
    [
      "a new id and time in every chunk",
      (one: Json, index: number) => ({ ...one, id: `id-${index}`, created: index }),
    ],
    [
      "no id, model, time and object at all",
      (one: Json) => without(one, "id", "model", "created", "object"),
    ],
    [
      "the id in the last chunks only",
      (one: Json, index: number) => (index > 1 ? one : without(one, "id", "created", "model")),
    ],
    [
      "empty and null heads",
      (one: Json) => ({
        ...one,
        id: "",
        model: null,
        object: "chat.completion",
        system_fingerprint: null,
      }),
    ],
    [
      "no index in a choice",
      (one: Json) => ({ ...one, choices: [without(choiceOf(one), "index")] }),
    ],
    [
      "an empty finish_reason in every chunk",
      (one: Json) => ({
        ...one,
        choices: [{ ...choiceOf(one), finish_reason: choiceOf(one)["finish_reason"] ?? "" }],
      }),
    ],
    [
      "no finish_reason in other chunks",
      (one: Json) => ({
        ...one,
        choices: [
          choiceOf(one)["finish_reason"] === null
            ? without(choiceOf(one), "finish_reason")
            : choiceOf(one),
        ],
      }),
    ],
  ])("gives one valid head where upstream has %s", async (_title, odd) => {
    const round = (...chunks: Json[]) => events(...chunks.map(odd));
    const key = await keyWithAdd((name) => [
      round(
        chunk({ role: "assistant", content: "a" }),
        chunk({ content: "b" }),
        chunk(callDelta(name)),
        chunk({}, "tool_calls"),
      ),
      round(
        chunk({ role: "assistant", content: "c" }),
        chunk({ content: "d" }),
        chunk({ content: "e" }),
        chunk({}, "stop"),
      ),
    ]);
    expect(await streamed(key, asksUsage)).toMatchObject({
      content: "ab\n\ncde",
      finishReason: "stop",
    });
  });

  it("reads finish_reason in the chunk of the last text", async () => {
    const key = await keyWithAdd(() => [
      events(chunk({ role: "assistant", content: "o" }), chunk({ content: "k" }, "length")),
    ]);
    expect(await streamed(key)).toMatchObject({ content: "ok", finishReason: "length" });
  });

  it("joins emoji whose surrogates come in two chunks", async () => {
    const halves = [chunk({ content: "sun \ud83c" }), chunk({ content: "\udf24 shines" })];
    const key = await keyWithAdd((name) => [
      callRound(name, ...halves),
      textRound(
        chunk({ role: "assistant", content: "" }),
        ...halves,
        chunk({ content: "\ud83c" }),
        chunk({}, "stop"),
      ),
    ]);
    expect((await streamed(key)).content).toBe("sun 🌤 shines\n\nsun 🌤 shines\ud83c");
    expect(sentMessages(key.upstream, 1)[1]?.content).toBe("sun 🌤 shines");
  });

  it("keeps unknown members of chunks, choices and deltas, the last chunk's too", async () => {
    const end = chunk({}, "stop", { x_chunk_end: 2, service_tier: "flex" });
    const key = await keyWithAdd((name) => [
      callRound(name),
      events(
        chunk({ role: "assistant", content: "ok", x_delta: { deep: [1] } }, null, {
          x_chunk: 1,
          service_tier: "flex",
        }),
        { ...end, choices: [{ ...choiceOf(end), stop_reason: 7 }] },
        { ...usageChunk(), x_usage_chunk: 3 },
      ),
    ]);
    const { chunks } = await streamed(key);
    expect(chunks.find((one) => one["x_chunk"] === 1)).toMatchObject({
      service_tier: "flex",
      choices: [{ delta: { content: "ok", x_delta: { deep: [1] } } }],
    });
    expect(chunks.at(-1)).toMatchObject({
      x_chunk_end: 2,
      x_usage_chunk: 3,
      service_tier: "flex",
      choices: [{ delta: {}, finish_reason: "stop", stop_reason: 7 }],
    });
  });
});

describe("requests that are odd", () => {
  it.each([
    { n: null },
    { n: 1 },
    { stream_options: null },
    { tools: null },
    { tools: [] },
    { tool_choice: null, response_format: { type: "text" } },
  ])("runs the loop with %j", async (more) => {
    const key = await keyWithAdd((name) => [
      callRound(name),
      textRound(chunk({ role: "assistant", content: "ok" }), chunk({}, "stop")),
    ]);
    const response = await post(key.key, ask({ stream: true, ...more }));
    expect(readStream(await response.text(), key.name)).toMatchObject({ content: "ok" });
  });

  const failing = {
    implementation: "throw new Error('no luck');",
    parameters: { type: "object", properties: {} },
  };
  const threeCalls = (name: string) =>
    completion({ tool_calls: ["c1", "c2", "c3"].map((id) => toolCall(id, name, {})) });

  it("takes tool_choice and parallel_tool_calls away with the last tool, as they would then be refused", async () => {
    const key = await keyWithAdd(
      (name) => [threeCalls(name), completion({ content: "ok" })],
      failing,
    );
    expect(await whole(key, { tool_choice: "auto", parallel_tool_calls: false })).toMatchObject({
      content: "ok",
    });
    const sent = key.upstream.requests[1]?.json();
    expect(
      ["tools", "tool_choice", "parallel_tool_calls"].filter((member) => member in (sent as Json)),
    ).toEqual([]);
  });

  it("takes any, as Mistral says, for required: it holds for the first round", async () => {
    const key = await keyWithAdd((name) => [
      completion({ tool_calls: [toolCall("c1", name, { a: 1, b: 2 })] }),
      completion({ content: "3" }),
    ]);
    expect((await whole(key, { tool_choice: "any" })).content).toBe("3");
    const choices = key.upstream.requests.map((request) => request.json()["tool_choice"]);
    expect(choices).toEqual(["any", "auto"]);
  });

  it("allows a withdrawn tool no longer where the client allows certain tools", async () => {
    const parameters = { type: "object", properties: {} };
    const own = { type: "function", function: { name: "own", parameters } };
    const named = (name: string) => ({ type: "function", function: { name } });
    const choice = (...names: string[]) => ({
      type: "allowed_tools",
      allowed_tools: { mode: "auto", tools: names.map(named) },
    });
    const script = (name: string) => [threeCalls(name), completion({ content: "ok" })];
    for (const [beside, later] of [
      [["own"], choice("own")],
      [[], "none"],
    ] as const) {
      const key = await keyWithAdd(script, failing);
      await whole(key, { tools: [own], tool_choice: choice(key.name, ...beside) });
      expect(key.upstream.requests[1]?.json()["tool_choice"]).toEqual(later);
    }
  });

  it("asks again with tools that may not be called where upstream refuses a history of calls without tools", async () => {
    const message = "Requests which include tool_use blocks must define tools";
    const refused = json(
      { error: { message, type: "invalid_request_error", param: "tools", code: null } },
      400,
    );
    const key = await keyWithAdd(
      (name) => [threeCalls(name), refused, completion({ content: "ok" })],
      failing,
    );
    expect(await whole(key, { parallel_tool_calls: false })).toMatchObject({ content: "ok" });
    expect(key.upstream.requests[2]?.json()).toMatchObject({
      tool_choice: "none",
      tools: [{ function: { name: key.name } }],
      parallel_tool_calls: false,
    });
    const hopeless = await keyWithAdd((name) => [threeCalls(name), refused, refused], failing);
    const response = await post(hopeless.key, ask());
    expect([response.status, await response.text()]).toEqual([
      400,
      expect.stringContaining(message),
    ]);
  });
});
