/** What is held for a request, before anybody knows what it uses. */
import { describe, expect, it } from "vitest";
import { readConfig } from "../../src/config/read-config.ts";
import { expectedUse } from "../../src/limits/expected-use.ts";
import { learnUse } from "../../src/limits/learnt-use.ts";
import { Memory } from "../../src/memory.ts";
import type { TurnRecord } from "../../src/record/turn-record.ts";
import { setClock } from "../helpers/set-clock.ts";

const prices = JSON.stringify({
  models: { priced: { inputPerMillion: 1_000_000, outputPerMillion: 2_000_000 } },
});

function openProcess() {
  const memory = new Memory();
  const clock = setClock("2026-11-15T12:00:00Z");
  const platform = { memory, clock, config: readConfig({ PRICES: prices }) };
  const expected = async (
    body: Record<string, unknown> | string | null,
    { endpoint = "/v1/chat/completions", method = "POST" } = {},
  ) => {
    const request = typeof body === "object" && body !== null ? JSON.stringify(body) : body;
    const record = { apiKeyId: "k", endpoint, request } as TurnRecord;
    const asking = new Request("http://proxy/", {
      method,
      headers: { "content-length": String(request?.length ?? 4000) },
    });
    const opening = { record, request: asking, upstream: "http://models.internal/v1" };
    return (await expectedUse(platform, opening, true))?.use ?? null;
  };
  const learn = (model: string, tokens: number, cost: number) =>
    learnUse(memory, { key: "k", model }, { tokens, cost });
  return { expected, learn };
}

const promptOf = (body: object) => Math.ceil(JSON.stringify(body).length / 4);

describe("what a request may use", () => {
  it.each(["max_tokens", "max_completion_tokens", "max_output_tokens"])(
    "is its characters by four, and %s for each answer",
    async (bound) => {
      const body = { model: "priced", messages: [], [bound]: 100, n: 3 };
      const prompt = promptOf(body);
      const use = { tokens: prompt + 300, cost: prompt + 600 };
      expect(await openProcess().expected(body)).toEqual(use);
    },
  );

  it("is no less than turns with its model used lately, and follows them down", async () => {
    const { expected, learn } = openProcess();
    const body = { model: "priced", messages: [], max_tokens: 1 };
    learn("priced", 5000, 7000);
    expect(await expected(body)).toEqual({ tokens: 5000, cost: 7000 });
    expect((await expected({ ...body, model: "other" }))?.tokens).toBeLessThan(100);
    for (let turn = 0; turn < 30; turn++) learn("priced", 1, 1);
    expect((await expected(body))?.tokens).toBeLessThan(30);
  });

  it("is a long answer and a dollar where nobody can tell, a usual one afterwards", async () => {
    const { expected, learn } = openProcess();
    const body = { model: "homemade", messages: [] };
    expect(await expected(body)).toEqual({ tokens: promptOf(body) + 16_384, cost: 1 });
    expect(await expected({ ...body, max_tokens: 9 })).toMatchObject({ cost: 1 });
    learn("homemade", 10, 0);
    expect(await expected(body)).toEqual({ tokens: promptOf(body) + 1024, cost: 0 });
  });

  it("is the prompt alone for embeddings, and what is known of an unread body", async () => {
    const { expected } = openProcess();
    const body = { model: "priced", input: "x".repeat(400) };
    const prompt = promptOf(body);
    const use = { tokens: prompt, cost: prompt };
    expect(await expected(body, { endpoint: "/v1/embeddings" })).toEqual(use);
    expect((await expected(null, { endpoint: "/v1/embeddings" }))?.tokens).toBe(1000);
    const upload = { endpoint: "/v1/audio/transcriptions" };
    expect(await expected(null, upload)).toEqual({ tokens: 16_384, cost: 1 });
  });

  it.each(["this is {no JSON", '{"model":"pri', '{"model":7,"max_tokens":"x","n":-1}', "", "[]"])(
    "is found for what no upstream would take: %s",
    async (text) => {
      expect((await openProcess().expected(text))?.tokens).toBeGreaterThan(16_383);
    },
  );

  it.each([
    ["a list", "/v1/models", "GET"],
    ["an upload", "/v1/files", "POST"],
    ["a reading of a response", "/v1/responses/resp_1", "GET"],
    ["moderations", "/v1/moderations", "POST"],
  ])("is nothing for %s", async (_what, endpoint, method) => {
    expect(await openProcess().expected(null, { endpoint, method })).toBeNull();
  });
});
