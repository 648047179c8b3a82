/** What is kept of a turn of each endpoint. */
import { describe, expect, it } from "vitest";
import { readTurn } from "../../src/record/turn-rows.ts";
import { answerOf, eventsOf, readBodies, recordOf, ROUND } from "../helpers/turn-records.ts";

/** Messages, as short as they can be told. */
const told = (turn: Awaited<ReturnType<typeof readTurn>>) =>
  [...turn.sent, ...turn.produced].map(({ role, content, toolCalls, toolCallId, extra }) => {
    const rest = [toolCalls, toolCallId, extra].filter((part) => part !== null && part !== "null");
    return [role, JSON.parse(content), ...rest];
  });

const ITEMS = [
  { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "Sum." }] },
  { type: "reasoning", id: "rs_2", summary: [], encrypted_content: "x" },
  { type: "function_call", call_id: "c1", name: "add", arguments: '{"a":1}' },
  { type: "message", role: "assistant", content: [{ type: "output_text", text: "Hi." }] },
];

const TOLD_ITEMS = [
  ["assistant", null, '{"reasoning":"Sum."}'],
  [
    "assistant",
    null,
    '[{"id":"c1","type":"function","function":{"name":"add","arguments":"{\\"a\\":1}"}}]',
  ],
  ["assistant", [{ type: "output_text", text: "Hi." }]],
];

const RESPONSE = { id: "resp_1", object: "response", model: "gpt-5.4", output: ITEMS };

describe("The record of an endpoint", () => {
  it("has a response's instructions, input and items as messages", async () => {
    const input = [
      { role: "user", content: "What?" },
      ITEMS[2],
      { type: "function_call_output", call_id: "c1", output: "3" },
      { type: "web_search_call", id: "ws_1", status: "completed" },
    ];
    const turn = await readBodies("/v1/responses", { instructions: "Be kind.", input }, RESPONSE);
    expect(told(turn)).toEqual([
      ["system", "Be kind."],
      ["user", "What?"],
      TOLD_ITEMS[1],
      ["tool", "3", "c1"],
      ["assistant", [{ type: "web_search_call", id: "ws_1", status: "completed" }]],
      ...TOLD_ITEMS,
    ]);
    expect(turn).toMatchObject({ title: "What?", model: "gpt-5.4", places: [], place: null });
  });

  it.each([
    ["its last event", [{ type: "response.completed", response: RESPONSE }]],
    [
      "its finished items, where it was broken off",
      [
        { type: "response.created", response: { ...RESPONSE, output: [] } },
        ...ITEMS.map((item) => ({ type: "response.output_item.done", item })),
      ],
    ],
  ])("has a streamed response's items from %s", async (_name, events) => {
    const turn = await readBodies(
      "/v1/responses",
      { input: "What?", stream: true },
      eventsOf(...events),
    );
    expect(told(turn)).toEqual([["user", "What?"], ...TOLD_ITEMS]);
    expect(turn).toMatchObject({ streamed: true, tokensEstimated: true, model: "gpt-5.4" });
    expect(turn.usage?.completion_tokens).toBeGreaterThan(5);
  });

  it("has a picture that a response made by hash and size", async () => {
    const item = { type: "image_generation_call", id: "ig_1", result: "aGVs".repeat(1000) };
    const turn = await readBodies(
      "/v1/responses",
      { input: "Draw." },
      { ...RESPONSE, output: [item] },
    );
    expect(turn.produced[0]?.content).toMatch(/"stored":\{"sha256":"[0-9a-f]{64}","bytes":3000/);
    expect(turn.produced[0]?.content.length).toBeLessThan(400);
  });

  it.each([
    ["one prompt", "Say a", [["user", "Say a"]]],
    [
      "several",
      ["Say a", "Say b"],
      [
        ["user", "Say a"],
        ["user", "Say b"],
      ],
    ],
    ["tokens", [1, 2, 3], [["user", "[3 tokens]"]]],
    ["lists of tokens", [[1, 2], [3]], [["user", "[3 tokens]"]]],
  ])("has the prompts and texts of completions: %s", async (_name, prompt, sent) => {
    const choices = [
      { index: 0, text: "a ", finish_reason: "stop" },
      { index: 1, text: "b " },
    ];
    const more = choices.map((choice) => ({ ...choice, text: "c" }));
    const whole = await readBodies(
      "/v1/completions",
      { prompt, model: "davinci-002" },
      { choices },
    );
    const answer = [
      ["assistant", "a "],
      ["assistant", "b "],
    ];
    expect(told(whole)).toEqual([...sent, ...answer]);
    const events = eventsOf({ choices }, { choices: more });
    const streamed = await readBodies("/v1/completions", { prompt, model: "davinci-002" }, events);
    expect(told(streamed)).toEqual([...sent, ["assistant", "a c"], ["assistant", "b c"]]);
    expect(streamed).toMatchObject({ tokensEstimated: true, model: "davinci-002" });
    expect(streamed.usage?.prompt_tokens).toBeGreaterThanOrEqual(2);
    expect(streamed.usage?.completion_tokens).toBeGreaterThanOrEqual(4);
  });

  it("has the inputs of embeddings up to 16 KB, and counts all of them", async () => {
    const few = await readBodies("/v1/embeddings", { input: ["one", "two"], model: "e" }, null);
    const texts = ["one", "two"].map((text) => ({ type: "text", text }));
    expect(told(few)).toEqual([["user", texts]]);
    expect(few).toMatchObject({
      usage: { prompt_tokens: 2 },
      tokensEstimated: true,
      title: "one two",
    });
    const many = await readBodies("/v1/embeddings", { input: Array(9000).fill("word one") }, null);
    expect(many.sent[0]?.content.length).toBeLessThan(17_000);
    expect(many.usage?.prompt_tokens).toBe(18_000);
    const long = await readBodies("/v1/embeddings", { input: "word ".repeat(100_000) }, null);
    expect(long.sent[0]?.content.length).toBeLessThan(16_500);
    const tokens = await readBodies("/v1/embeddings", { input: [[1, 2], [3]] }, null);
    expect(tokens.usage?.prompt_tokens).toBe(3);
    expect((await readBodies("/v1/embeddings", { input: "" }, null)).sent).toHaveLength(1);
  });

  it("counts nothing of a request that failed, or that costs no tokens", async () => {
    const rounds = [{ ...ROUND, status: "failed", error: "No." }];
    const failed = await readBodies("/v1/embeddings", { input: "one" }, null, { rounds });
    expect(failed).toMatchObject({ usage: null, tokensEstimated: false });
    for (const endpoint of ["/v1/moderations", "/v1/images/generations", "/v1/audio/speech"]) {
      const turn = await readBodies(endpoint, { input: "one", prompt: "one" }, null);
      expect(turn).toMatchObject({ usage: null, tokensEstimated: false });
    }
  });

  it("has the input and the flags of moderations", async () => {
    const results = [{ flagged: true, categories: { hate: true, violence: false } }];
    const turn = await readBodies("/v1/moderations", { input: "Bad." }, { results });
    const flags = [{ type: "moderation", flagged: true, categories: ["hate"] }];
    expect(told(turn)).toEqual([
      ["user", "Bad."],
      ["assistant", flags],
    ]);
    const parts = [
      { type: "image_url", image_url: { url: `data:image/png;base64,${"a".repeat(400)}` } },
    ];
    const picture = await readBodies("/v1/moderations", { input: parts }, { results });
    expect(picture.sent[0]?.content).toContain('"stored"');
  });

  it.each([
    ["/v1/images/generations", { prompt: "A cat" }, [["user", "A cat"]]],
    ["/v1/images/edits", { prompt: "A cat" }, [["user", "A cat"]]],
    ["/v1/images/variations", { prompt: "A cat" }, [["user", "A cat"]]],
    ["/v1/responses/compact", { input: "Hello." }, [["user", "Hello."]]],
    [
      "/v1/audio/speech",
      { input: "Hello.", instructions: "Softly.", voice: "coral" },
      [
        ["system", "Softly."],
        ["user", "Hello.", '{"voice":"coral"}'],
      ],
    ],
    ["/v1/files", { purpose: "batch" }, []],
    ["/v1/models", {}, []],
    ["/v1/anything/else", { messages: [{ role: "user", content: "hi" }], input: "x" }, []],
  ])("of %s has what people can read", async (endpoint, request, messages) => {
    const digest = { sha256: "0".repeat(64), bytes: 9, contentType: "image/png" };
    const turn = await readBodies(endpoint, request, null, { responseDigest: digest });
    expect(told(turn)).toEqual(messages);
    expect(turn).toMatchObject({ places: [], place: null, faults: [] });
  });

  it.each([
    ["JSON", answerOf('{"text":"Hello.","usage":{"type":"duration","seconds":3}}')],
    ["plain text", answerOf("Hello.\n", "text/plain; charset=utf-8")],
    [
      "events",
      eventsOf(
        { type: "transcript.text.delta", delta: "Hel" },
        { type: "transcript.text.done", text: "Hello." },
      ),
    ],
    ["events that were cut", eventsOf({ type: "transcript.text.delta", delta: "Hello." })],
  ])("has a transcript that came as %s", async (_name, response) => {
    for (const endpoint of ["/v1/audio/transcriptions", "/v1/audio/translations"]) {
      const turn = await readTurn(recordOf(endpoint, { response }));
      expect(told(turn)).toEqual([["assistant", "Hello."]]);
    }
  });

  it("has figures alone where the key keeps no content", async () => {
    const requests = {
      input: "secret",
      prompt: "secret",
      messages: [{ role: "user", content: "secret" }],
    };
    const answer = { output: ITEMS, choices: [{ text: "Sum.", message: { content: "Sum." } }] };
    for (const endpoint of [
      "responses",
      "completions",
      "embeddings",
      "chat/completions",
      "moderations",
    ]) {
      const turn = await readBodies(`/v1/${endpoint}`, requests, answer, {
        logContent: "metadata",
      });
      expect(JSON.stringify([turn.title, turn.sent, turn.produced])).not.toMatch(
        /secret|Sum|arguments/,
      );
      expect(turn.sent.length + turn.produced.length).toBeGreaterThan(0);
    }
  });

  it("has upstream's own usage, and the cost with what was cached and thought", async () => {
    const usage = {
      prompt_tokens: 1_000_000,
      completion_tokens: 100_000,
      total_tokens: 1_100_000,
      input_tokens_details: { cached_tokens: 400_000 },
      output_tokens_details: { reasoning_tokens: 60_000 },
    };
    const turn = await readBodies(
      "/v1/responses",
      { input: "x", model: "gpt-4.1-mini" },
      RESPONSE,
      {
        rounds: [{ ...ROUND, usage }],
      },
    );
    const [round] = turn.rounds;
    expect(turn).toMatchObject({ usage: { prompt_tokens: 1_000_000 }, tokensEstimated: false });
    expect(round).toMatchObject({ cachedTokens: 400_000, reasoningTokens: 60_000 });
    // 0.6 M at 0.40 $, 0.4 M at 0.10 $, 0.1 M at 1.60 $.
    expect(round?.cost).toBeCloseTo(0.24 + 0.04 + 0.16);
  });
});
