/** What is read of the many ways in which upstreams count tokens. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addUsage, mergeUsage, readUsage } from "../../src/openai/usage.ts";

const counts = (prompt: number, completion: number, total = prompt + completion) => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: total,
});

const MAX = Number.MAX_SAFE_INTEGER;

describe("Usage", () => {
  it.each([
    ["nothing", {}],
    ["zeros", counts(0, 0)],
    ["null members", { prompt_tokens: null, completion_tokens: null, total_tokens: null }],
    ["numbers below zero", counts(-1, -1)],
    ["a total below zero", { total_tokens: -1 }],
    ["words", { prompt_tokens: "many", completion_tokens: "", total_tokens: "NaN" }],
    ["zeros as text", { prompt_tokens: "0", completion_tokens: "0" }],
    ["details alone", { prompt_tokens_details: { cached_tokens: 5 } }],
    ["seconds", { type: "duration", seconds: 12 }],
    ["a list", [counts(1, 2)]],
    ["a number", 7],
    ["a text", "7"],
    ["nested counts", { prompt_tokens: { value: 3 }, completion_tokens: [4], total_tokens: true }],
  ])("is none where it says %s", (_name, value) => {
    expect(readUsage(value)).toBeNull();
  });

  it.each([
    ["as it is", counts(9, 12), counts(9, 12)],
    [
      "as text",
      { prompt_tokens: "9", completion_tokens: " 12 ", total_tokens: "21" },
      counts(9, 12),
    ],
    ["of Responses", { input_tokens: 9, output_tokens: 12 }, counts(9, 12)],
    ["of Gemini", { promptTokenCount: 9, candidatesTokenCount: 12 }, counts(9, 12)],
    ["of embeddings", { prompt_tokens: 9, total_tokens: 9 }, counts(9, 0)],
    ["with zeros under other names", { ...counts(9, 12), input_tokens: 0 }, counts(9, 12)],
    ["under other names than the zeros", { ...counts(0, 0), input_tokens: 9 }, counts(9, 0)],
    ["without the sum", { prompt_tokens: 9, completion_tokens: 12 }, counts(9, 12)],
    ["with a sum of zero", counts(9, 12, 0), counts(9, 12)],
    ["with one half and the sum", { prompt_tokens: 9, total_tokens: 21 }, counts(9, 12)],
    ["with the other half and the sum", { completion_tokens: 12, total_tokens: 21 }, counts(9, 12)],
    ["with hidden tokens in the sum", counts(9, 12, 30), counts(9, 12, 30)],
    ["with a sum alone", { total_tokens: 21 }, counts(0, 0, 21)],
    ["with -1 for one half", { ...counts(9, -1), total_tokens: 9 }, counts(9, 0)],
    ["with null for one half", { prompt_tokens: 9, completion_tokens: null }, counts(9, 0)],
    ["in fractions", counts(8.6, 12.4), counts(9, 12)],
    ["in billions", counts(3e9, 1), counts(3e9, 1)],
    ["near 2^53", counts(9e15, 1), counts(9e15, 1)],
    ["beyond 2^53", counts(1e300, 1), counts(MAX, 1, MAX)],
    ["beyond all numbers", JSON.parse('{"prompt_tokens":1e400}'), counts(MAX, 0)],
  ])("is read where it comes %s", (_name, value: unknown, expected) => {
    expect(readUsage(value)).toMatchObject(expected);
  });

  it("has the details of Responses under the names of chat completions, too", () => {
    const usage = readUsage({
      input_tokens: 9,
      input_tokens_details: { cached_tokens: 5 },
      output_tokens: 12,
      output_tokens_details: { reasoning_tokens: 7 },
    });
    expect(usage).toMatchObject({
      prompt_tokens_details: { cached_tokens: 5 },
      completion_tokens_details: { reasoning_tokens: 7 },
    });
    const sound = readUsage({ input_tokens: 9, input_token_details: { audio_tokens: "3" } });
    expect(sound).toMatchObject({ prompt_tokens_details: { audio_tokens: 3 } });
  });

  it("keeps what else upstream says of it, within bounds", () => {
    const members = { cost: 0.00012, is_byok: true, service: "flex", cost_details: { a: 0.5 } };
    expect(readUsage({ ...counts(9, 12), ...members })).toEqual({ ...counts(9, 12), ...members });
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`n${index}`, 1]));
    const deep: unknown = JSON.parse(`${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`);
    const odd = readUsage({ ...counts(9, 12), deep, many, text: "x".repeat(10_000), nan: NaN });
    expect(JSON.stringify(odd).length).toBeLessThan(2000);
  });

  it("is a plain object of its own, whatever its members are called", () => {
    const value: unknown = JSON.parse(
      '{"prompt_tokens":9,"__proto__":{"n":2,"total_tokens":99},"constructor":{"prototype":{"n":3}},"a":{"__proto__":{"n":4}}}',
    );
    const usage = addUsage(readUsage(value), mergeUsage(readUsage(value), readUsage(value)));
    expect(usage).toMatchObject(counts(18, 0));
    expect(Object.getPrototypeOf(usage)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)["n"]).toBeUndefined();
  });

  it("always is whole numbers from 0 to 2^53 - 1, and never three zeros", () => {
    const odd = fc.oneof(fc.jsonValue(), fc.double(), fc.integer(), fc.string());
    const name = fc.constantFrom(
      "prompt_tokens",
      "completion_tokens",
      "total_tokens",
      "input_tokens",
      "output_tokens",
    );
    const bodies = fc.dictionary(name, odd);
    fc.assert(
      fc.property(bodies, bodies, (one, other) => {
        const [a, b] = [readUsage(one), readUsage(other)];
        for (const usage of [a, b, addUsage(a, b), mergeUsage(a, b)]) {
          if (usage === null) continue;
          const all = [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens];
          expect(all.every((count) => Number.isSafeInteger(count) && count >= 0)).toBe(true);
          expect(Math.max(...all)).toBeGreaterThan(0);
        }
      }),
    );
  });
});

describe("Two reports of one answer", () => {
  it.each([
    ["two halves", { input_tokens: 9 }, { output_tokens: 12 }, counts(9, 12)],
    ["two halves, the other way round", { output_tokens: 12 }, { input_tokens: 9 }, counts(9, 12)],
    ["a newer state", counts(9, 3), counts(9, 12), counts(9, 12)],
    ["a newer count of one half", counts(9, 1), { output_tokens: 12 }, counts(9, 12)],
    ["zeros at the end", counts(9, 12), counts(0, 0), counts(9, 12)],
    ["a sum behind a half", { prompt_tokens: 9 }, { total_tokens: 21 }, counts(9, 0, 21)],
  ])("are one: %s", (_name, before, more, expected) => {
    expect(mergeUsage(readUsage(before), readUsage(more))).toMatchObject(expected);
  });
});
