/** The judge is OpenAI's cookbook, which compared its counts with what the API charged. */
import { describe, expect, it } from "vitest";
import { countAnswer, countPrompt, openTokenCounter } from "../../src/record/count-tokens.ts";
import { EXAMPLE_MESSAGES as MESSAGES } from "../helpers/cookbook.ts";
/** `tools` and `example_messages` of the same page. */
const WEATHER = {
  messages: [
    {
      role: "system",
      content: "You are a helpful assistant that can answer to questions about the weather.",
    },
    { role: "user", content: "What's the weather like in San Francisco?" },
  ],
  tools: [
    {
      type: "function",
      function: {
        name: "get_current_weather",
        description: "Get the current weather in a given location",
        parameters: {
          type: "object",
          properties: {
            location: { type: "string", description: "The city and state, e.g. San Francisco, CA" },
            unit: {
              type: "string",
              description: "The unit of temperature to return",
              enum: ["celsius", "fahrenheit"],
            },
          },
          required: ["location"],
        },
      },
    },
  ],
};

describe("the count of a prompt's tokens", () => {
  it.each([
    ["gpt-3.5-turbo-0125", 129],
    ["gpt-4", 129],
    ["gpt-4-turbo-2024-04-09", 129],
    ["gpt-4o", 124],
    ["gpt-4.1-mini", 124],
    ["gpt-5", 124],
  ])("is what the API charged for messages: %s", async (model, tokens) => {
    expect(countPrompt({ messages: MESSAGES }, await openTokenCounter(model))).toBe(tokens);
  });

  it.each([
    ["gpt-4", 105],
    ["gpt-4o", 101],
  ])("is what the API charged for tools: %s", async (model, tokens) => {
    expect(countPrompt(WEATHER, await openTokenCounter(model))).toBe(tokens);
  });

  it("grows with what a tool's schema says in its depths, and does not follow it for ever", async () => {
    const counter = await openTokenCounter("gpt-4o");
    const withSchema = (parameters: unknown) =>
      countPrompt({ tools: [{ type: "function", function: { name: "f", parameters } }] }, counter);
    const nested = (schema: unknown) => ({
      type: "object",
      properties: { a: { type: "array", items: { anyOf: [schema] } } },
    });
    const plain = withSchema(nested({ type: "string" }));
    expect(withSchema(nested({ type: "string", enum: ["celsius", "fahrenheit"] }))).toBeGreaterThan(
      plain,
    );
    expect(
      withSchema(nested({ type: "object", properties: { city: { type: ["string", "null"] } } })),
    ).toBeGreaterThan(plain);
    let deep: unknown = { type: "string" };
    for (let depth = 0; depth < 50_000; depth++) deep = nested(deep);
    expect(withSchema(deep)).toBeLessThan(200);
  });

  it("holds the texts of content parts, and no image", async () => {
    const counter = await openTokenCounter("gpt-4o");
    const image = {
      type: "image_url",
      image_url: { url: `data:image/png;base64,${"AAAA".repeat(1000)}` },
    };
    const parts = [{ type: "text", text: "tiktoken is great!" }, image];
    expect(countPrompt({ messages: [{ role: "user", content: parts }] }, counter)).toBe(
      3 + 3 + 1 + 6,
    );
  });

  it("holds calls of tools, by whatever name", async () => {
    const counter = await openTokenCounter("gpt-4o");
    const call = { name: "get_current_weather", arguments: '{"location":"Paris"}' };
    const calls = [
      { tool_calls: [{ id: "call_1", type: "function", function: call }] },
      {
        tool_calls: [
          { id: "call_1", type: "custom", custom: { name: call.name, input: call.arguments } },
        ],
      },
      { function_call: call },
    ];
    const counts = calls.map((message) =>
      countPrompt({ messages: [{ role: "assistant", content: null, ...message }] }, counter),
    );
    expect(new Set(counts).size).toBe(1);
    expect(counts[0]).toBe(
      3 + 3 + 1 + 3 + counter.count(call.name) + counter.count(call.arguments),
    );
  });
});

describe("the count of an answer's tokens", () => {
  it("holds text, refusal, calls, and reasoning once", async () => {
    const counter = await openTokenCounter("gpt-4o");
    const text = "Hello! How can I assist you today?";
    expect(counter.count(text)).toBe(9);
    expect(countAnswer({ role: "assistant", content: text }, counter)).toBe(9);
    expect(countAnswer({ content: null, refusal: text }, counter)).toBe(9);
    expect(countAnswer({ content: text, reasoning_content: text, reasoning: text }, counter)).toBe(
      18,
    );
    expect(
      countAnswer({ tool_calls: [{ function: { name: text, arguments: text } }] }, counter),
    ).toBe(9 + 9 + 3);
    expect(countAnswer({ content: null }, counter)).toBe(0);
  });
});

describe("the count of a text's tokens", () => {
  it("takes what looks like a control token as text", async () => {
    expect((await openTokenCounter("gpt-4o")).count("<|endoftext|>")).toBeGreaterThan(3);
  });

  it("takes half a surrogate pair, a byte order mark and NUL", async () => {
    const counter = await openTokenCounter("gpt-4o");
    for (const text of ["\ud83c", "\ufeff", "a\u0000b", "\ufeff\ud800\udfff\ufeff"])
      expect(counter.count(text)).toBeGreaterThan(0);
    expect(counter.count("")).toBe(0);
  });

  it("is near enough for texts too long to count, and done in no time", async () => {
    const paragraph = `${MESSAGES.map(({ content }) => content).join(" ")}\n\n`;
    const repeated = 10_000;
    const exact = (await openTokenCounter("gpt-4o")).count(paragraph.repeat(100)) / 100;
    const startedAt = performance.now();
    const estimate = (await openTokenCounter("gpt-4o")).count(paragraph.repeat(repeated));
    expect(performance.now() - startedAt).toBeLessThan(2000);
    expect(estimate / (exact * repeated)).toBeGreaterThan(0.95);
    expect(estimate / (exact * repeated)).toBeLessThan(1.05);
  });

  it("is done in no time for many texts, and for a text without a space", async () => {
    const counter = await openTokenCounter("gpt-4o");
    const startedAt = performance.now();
    const counts = Array.from({ length: 100 }, () => counter.count("a".repeat(200_000)));
    expect(performance.now() - startedAt).toBeLessThan(5000);
    // Eight letters are a token.
    for (const count of counts) expect(Math.abs(count - 25_000)).toBeLessThan(500);
  });
});
