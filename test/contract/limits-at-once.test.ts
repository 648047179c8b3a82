/** Requests at the same time take no more of a key's limits than is left. */
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { ask, post } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import { chunk, completion, events, startUpstream, type Answer } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const usage = (total: number, more: Json = {}) => ({
  prompt_tokens: total - 1,
  completion_tokens: 1,
  total_tokens: total,
  ...more,
});
/** As OpenRouter says what an answer costs. */
const costing = (cost: number) => ({ usage: usage(10, { cost }) });
const hello = { content: "hello" };

/** An answer that takes so long that requests at the same time are there before it. */
const slow =
  (answer: Answer, ms = 400): Answer =>
  async (request, response) => {
    await pause(ms);
    await answer(request, response);
  };

const streamed = (more: Json): Answer =>
  events(chunk({ role: "assistant", content: "hi" }), { ...chunk({}, "stop"), ...more });

async function keyWith(limits: Json, ...answers: Answer[]) {
  const upstream = await startUpstream(...answers);
  return { upstream, ...(await proxy.createKey({ openaiBaseUrl: upstream.url, ...limits })) };
}

interface Answered {
  status: number;
  retryAfter: string | null;
  body: string;
}

async function answered(asking: Promise<Response>): Promise<Answered> {
  const response = await asking;
  const retryAfter = response.headers.get("retry-after");
  return { status: response.status, retryAfter, body: await response.text() };
}

const atOnce = (key: string, count: number, more: Json = {}): Promise<Answered[]> =>
  Promise.all(Array.from({ length: count }, () => answered(post(key, ask(more)))));

const statusesOf = (all: Answered[]) =>
  all.map(({ status }) => status).toSorted((one, other) => one - other);

describe("requests at the same time", () => {
  it.each([
    ["whole", {}, slow(completion(hello, costing(0.2)))],
    ["streamed", { stream: true }, slow(streamed(costing(0.2)))],
  ] as const)(
    "do not all pass a budget that one of them uses up (%s)",
    async (_how, more, answer) => {
      const { key, upstream } = await keyWith({ monthlyBudget: 0.05 }, answer);
      const all = await atOnce(key, 4, more);
      expect(statusesOf(all)).toEqual([200, 429, 429, 429]);
      const refused = all.find(({ status }) => status === 429);
      expect(Number(refused?.retryAfter)).toBeGreaterThanOrEqual(1);
      expect(Number(refused?.retryAfter)).toBeLessThanOrEqual(5);
      const { error } = JSON.parse(refused?.body ?? "") as { error: Json };
      expect(error).toMatchObject({ code: "rate_limit_exceeded" });
      expect(error["message"]).toContain("under way");
      expect(error["message"]).toContain("$0.05");
      expect(upstream.requests).toHaveLength(1);
      const [after] = await atOnce(key, 1, more);
      expect(after?.body).toContain("insufficient_quota");
    },
  );

  it("do not all pass a limit of tokens that one of them uses up", async () => {
    const answer = slow(completion(hello, { usage: usage(5000) }));
    const { key, upstream } = await keyWith({ tokensPerMinute: 3000 }, answer);
    const all = await atOnce(key, 4);
    expect(statusesOf(all)).toEqual([200, 429, 429, 429]);
    const refused = all.find(({ status }) => status === 429);
    expect(refused?.body).toContain("under way");
    expect(refused?.body).toContain("3000 tokens per minute");
    expect(upstream.requests).toHaveLength(1);
  });

  it("pass together as far as what such requests used before fits", async () => {
    const answer = slow(completion(hello, costing(0.2)), 300);
    const { key, upstream } = await keyWith({ monthlyBudget: 0.85 }, answer);
    expect(statusesOf(await atOnce(key, 1))).toEqual([200]);
    expect(statusesOf(await atOnce(key, 6))).toEqual([200, 200, 200, 429, 429, 429]);
    expect(upstream.requests).toHaveLength(4);
  });

  it("pass together where what they may use at most fits", async () => {
    const answer = slow(completion(hello, { usage: usage(10) }));
    const { key } = await keyWith({ tokensPerMinute: 1_000_000 }, answer);
    expect(statusesOf(await atOnce(key, 8, { max_tokens: 50 }))).toEqual(Array(8).fill(200));
  });
});

describe("what a request may use", () => {
  it("refuses no request of a key with nothing under way, however much it is", async () => {
    const { key } = await keyWith(
      { monthlyBudget: 0.01, tokensPerMinute: 100 },
      completion(hello, { usage: usage(10, { cost: 0.000_01 }) }),
    );
    const huge = { model: "gpt-4.1", max_tokens: 30_000 };
    for (let time = 0; time < 3; time++)
      expect(statusesOf(await atOnce(key, 1, huge))).toEqual([200]);
  });

  it("is given back where upstream fails, and where the client leaves", async () => {
    const failing: Answer = (_request, response) => void response.writeHead(500).end("{}");
    // It goes on: workerd notices when it writes that a client has left.
    const endless: Answer = (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const write = () => response.write(`data: ${JSON.stringify(chunk({ content: "hi" }))}\n\n`);
      const writing = setInterval(write, 50);
      response.once("close", () => clearInterval(writing));
    };
    const fails = await keyWith({ monthlyBudget: 0.05 }, failing);
    for (let time = 0; time < 2; time++)
      expect(statusesOf(await atOnce(fails.key, 1))).toEqual([500]);
    const { key } = await keyWith({ monthlyBudget: 0.05 }, endless, completion(hello));
    const left = await post(key, ask({ stream: true }));
    expect(statusesOf(await atOnce(key, 1))).toEqual([429]);
    await left.body?.cancel();
    const again = async () => statusesOf(await atOnce(key, 1));
    await expect.poll(again, { timeout: 10_000 }).toEqual([200]);
  });
});
