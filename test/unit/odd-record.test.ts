/** Nothing that a client or an upstream sends breaks a record, and figures are never half. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readTurn } from "../../src/record/turn-rows.ts";
import { answerOf, eventsOf, readBodies, recordOf, ROUND } from "../helpers/turn-records.ts";

describe("Usage of which half is missing", () => {
  const request = { model: "gpt-4o", messages: [{ role: "user", content: "hello" }] };
  const answer = { choices: [{ message: { role: "assistant", content: "hello" } }] };
  const usageOf = (prompt: number, completion: number, total = prompt + completion) => ({
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: total,
  });

  it.each([
    ["no answer", usageOf(10, 0), usageOf(10, 1)],
    ["no prompt", usageOf(0, 5), usageOf(8, 5)],
    ["a sum alone", usageOf(0, 0, 21), usageOf(20, 1)],
  ])("is filled in and marked: %s", async (_name, usage, expected) => {
    const turn = await readBodies("/v1/chat/completions", request, answer, {
      rounds: [{ ...ROUND, usage }],
    });
    expect(turn).toMatchObject({ usage: expected, tokensEstimated: true });
  });

  it.each([
    ["an answer without words", { content: "" }, { cache_read_input_tokens: 0 }],
    ["an answer of sound", { content: null, audio: { id: "audio_1" } }, {}],
  ])("stays as it is beside %s", async (_name, message, more) => {
    const usage = { ...usageOf(10, 0), ...more };
    const turn = await readBodies(
      "/v1/chat/completions",
      request,
      { choices: [{ message }] },
      {
        rounds: [{ ...ROUND, usage }],
      },
    );
    expect(turn).toMatchObject({ usage, tokensEstimated: false });
  });

  it("is no prompt of zero where all of it came from a cache", async () => {
    const usage = { ...usageOf(0, 5), cache_read_input_tokens: 5000 };
    const turn = await readBodies("/v1/chat/completions", request, answer, {
      rounds: [{ ...ROUND, usage }],
    });
    expect(turn).toMatchObject({ usage: { prompt_tokens: 0 }, tokensEstimated: false });
  });
});

describe("An odd record", () => {
  const deep = (levels: number) => `${'{"a":['.repeat(levels)}1${"]}".repeat(levels)}`;
  const usage = { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 };
  const rounds = [{ ...ROUND, usage }];

  it.each([
    ["arguments as text", (json: string) => JSON.stringify(json)],
    ["arguments as JSON", (json: string) => json],
  ])("keeps its figures beside 50,000 levels of %s", async (_name, spell) => {
    const call = `{"id":"c1","type":"function","function":{"name":"add","arguments":${spell(deep(50_000))}}}`;
    const history = `[{"role":"user","content":"hi"},{"role":"assistant","tool_calls":[${call}]},{"role":"tool","tool_call_id":"c1","content":"1"}]`;
    const record = recordOf("/v1/chat/completions", { request: `{"messages":${history}}`, rounds });
    const turn = await readTurn(record);
    expect(turn).toMatchObject({ usage, title: "hi" });
    expect(turn.sent).toHaveLength(3);
  });

  it("keeps its figures beside 50,000 levels anywhere", async () => {
    const nested = deep(50_000);
    const request = `{"model":${nested},"messages":[{"role":${nested},"content":${nested},"name":${nested}}],"input":[{"type":"message","role":"user","content":${nested}},${nested}],"prompt":${nested},"tools":[{"function":{"name":"f","parameters":${nested}}}]}`;
    const answer = `{"choices":[{"message":{"content":${nested},"x":${nested}}}],"output":[{"type":"x","y":${nested}}],"results":[{"flagged":${nested}}],"text":${nested}}`;
    for (const path of [
      "chat/completions",
      "responses",
      "completions",
      "embeddings",
      "moderations",
      "audio/transcriptions",
    ]) {
      const parts = { request, response: answerOf(answer) };
      const turn = await readTurn(recordOf(`/v1/${path}`, { ...parts, rounds }));
      expect(turn.usage).toMatchObject(usage);
      const counted = await readTurn(recordOf(`/v1/${path}`, parts));
      expect(counted.rounds).toHaveLength(1);
    }
  });

  it("is read whatever is sent and answered", async () => {
    const names = fc.constantFrom(
      "model",
      "messages",
      "input",
      "prompt",
      "instructions",
      "tools",
      "stream",
      "user",
      "choices",
      "output",
      "results",
      "text",
      "usage",
      "error",
      "response",
      "delta",
      "role",
      "content",
      "tool_calls",
      "function",
      "arguments",
      "type",
      "name",
      "__proto__",
    );
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom("user", "assistant", "tool", "message", "function_call", "x", "", null, 1),
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(names, tie("tree"), { maxKeys: 6 }),
      ),
    }));
    const paths = fc.constantFrom(
      "chat/completions",
      "responses",
      "completions",
      "embeddings",
      "moderations",
      "images/generations",
      "audio/speech",
      "audio/transcriptions",
      "models",
    );
    await fc.assert(
      fc.asyncProperty(paths, tree, tree, fc.boolean(), async (path, request, answer, streams) => {
        const response = streams ? eventsOf(answer) : answerOf(JSON.stringify(answer));
        const record = recordOf(`/v1/${path}`, { request: JSON.stringify(request), response });
        expect((await readTurn({ ...record, rounds })).usage).toMatchObject(usage);
        expect((await readTurn(record)).faults).toEqual([]);
      }),
      { numRuns: 300 },
    );
    expect(({} as Record<string, unknown>)["n"]).toBeUndefined();
  });
});
