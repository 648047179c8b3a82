import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { ask, keyWithAdd, post, streamed, whole } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import {
  chunk,
  completion,
  events,
  json,
  sentMessages,
  startUpstream,
  toolCall,
  usageChunk,
  type Answer,
} from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

/** 15 tokens with each answer. */
const hello = completion({ content: "hello" });
const usage = (tokens: number) => ({
  prompt_tokens: tokens - 1,
  completion_tokens: 1,
  total_tokens: tokens,
});

async function limitedKey(limits: Json, ...answers: Answer[]) {
  const upstream = await startUpstream(...(answers.length === 0 ? [hello] : answers));
  return { upstream, ...(await proxy.createKey({ openaiBaseUrl: upstream.url, ...limits })) };
}

const say = (key: string, more: Json = {}) =>
  proxy.client(key).chat.completions.create({ ...ask(more), stream: false } as never);

/** What the official client makes of a refusal. */
async function refused(
  attempt: Promise<unknown>,
): Promise<{ error: Json; headers: Headers; wait: number }> {
  const thrown = await attempt.then(
    () => new Error("The request was let through"),
    (error: unknown) => error,
  );
  if (!(thrown instanceof OpenAI.RateLimitError)) throw thrown;
  expect(thrown.status).toBe(429);
  const { headers } = thrown as { headers: Headers };
  const wait = Number(headers.get("retry-after"));
  expect(Number.isInteger(wait), String(headers.get("retry-after"))).toBe(true);
  expect(wait).toBeGreaterThanOrEqual(1);
  return { error: thrown.error as Json, headers, wait };
}

/**
 * Asks until the limit is noticed: where upstream told nothing, or money is concerned, the record
 * has to be written first.
 */
async function refusedSoon(key: string): Promise<Awaited<ReturnType<typeof refused>>> {
  for (let attempt = 0; attempt < 30; attempt++) {
    const thrown = await say(key).then(
      () => null,
      (error: unknown) => error,
    );
    if (thrown !== null) return refused(Promise.reject(thrown));
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error("The limit was not noticed within 8 s");
}

describe("a limit of requests per minute", () => {
  it("lets that many through, and refuses the next as OpenAI would; upstream is not asked", async () => {
    const { key, upstream } = await limitedKey({ requestsPerMinute: 2, tokensPerMinute: 1000 });
    for (let request = 0; request < 2; request++) await say(key);
    const { error, headers, wait } = await refused(say(key));
    expect(error).toEqual({
      message: expect.stringContaining("2 requests per minute"),
      type: "requests",
      param: null,
      code: "rate_limit_exceeded",
    });
    expect(wait).toBeLessThanOrEqual(61);
    expect(headers.get("x-ratelimit-limit-requests")).toBe("2");
    expect(headers.get("x-ratelimit-remaining-requests")).toBe("0");
    expect(headers.get("x-ratelimit-reset-requests")).toMatch(/^\d+s$/);
    expect(headers.get("x-ratelimit-limit-tokens")).toBe("1000");
    expect(headers.get("x-ratelimit-remaining-tokens")).toBe("970");
    expect(headers.get("x-proxy-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(upstream.requests).toHaveLength(2);
  });

  it("is every endpoint's, streams' too, and each key has its own", async () => {
    const answers = [
      json({ object: "list", data: [] }),
      events(chunk({ role: "assistant", content: "hi" }), chunk({}, "stop")),
    ];
    const { key, upstream } = await limitedKey({ requestsPerMinute: 2 }, ...answers);
    const other = await proxy.createKey({ requestsPerMinute: 2, openaiBaseUrl: upstream.url });
    const stream = () =>
      proxy.client(key).chat.completions.create({
        ...(ask() as unknown as OpenAI.ChatCompletionCreateParamsStreaming),
        stream: true,
      });
    await proxy.client(key).models.list();
    for await (const part of await stream()) expect(part.id).toBe("chatcmpl-1");
    for (const attempt of [() => proxy.client(key).models.list(), () => say(key), stream])
      expect((await refused(attempt())).error["type"]).toBe("requests");
    expect((await post(other.key, ask())).status).toBe(200);
  });

  it("holds for requests at the same time", async () => {
    const { key, upstream } = await limitedKey({ requestsPerMinute: 5 });
    const statuses = await Promise.all(
      Array.from({ length: 20 }, async () => (await post(key, ask())).status),
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(5);
    expect(statuses.filter((status) => status === 429)).toHaveLength(15);
    expect(upstream.requests).toHaveLength(5);
  });

  it("does not stop a turn on its way: rounds of tools are no requests", async () => {
    const adding = await keyWithAdd((name) => [
      completion({ tool_calls: [toolCall("c1", name, { a: 2, b: 3 })] }),
      completion({ content: "5" }),
    ]);
    await limit(adding.key, { requestsPerMinute: 1 });
    expect((await whole(adding)).content).toBe("5");
    await refused(say(adding.key));
  });

  it("can be changed and taken away, at once", async () => {
    const { key, id, upstream } = await limitedKey({ requestsPerMinute: 1 });
    await say(key);
    await refused(say(key));
    await proxy.admin(`/api-keys/${id}`, { method: "PATCH", json: { requestsPerMinute: 2 } });
    await say(key);
    await refused(say(key));
    await proxy.admin(`/api-keys/${id}`, { method: "PATCH", json: { requestsPerMinute: null } });
    await say(key);
    expect(upstream.requests).toHaveLength(3);
  });
});

/** Changes the key whose secret this is. */
async function limit(key: string, json: Json): Promise<void> {
  const { data } = (await (await proxy.admin(`/api-keys?q=${key.slice(0, 16)}`)).json()) as {
    data: { id: string }[];
  };
  expect(data).toHaveLength(1);
  expect((await proxy.admin(`/api-keys/${data[0]?.id}`, { method: "PATCH", json })).status).toBe(
    200,
  );
}

describe("a limit of tokens per minute", () => {
  it("is used up by what answers cost, as soon as they have ended", async () => {
    const { key, upstream } = await limitedKey({ tokensPerMinute: 16 });
    await say(key);
    await say(key);
    const { error, headers } = await refused(say(key));
    expect(error).toEqual({
      message: expect.stringContaining("16 tokens per minute"),
      type: "tokens",
      param: null,
      code: "rate_limit_exceeded",
    });
    expect(headers.get("x-ratelimit-limit-tokens")).toBe("16");
    expect(headers.get("x-ratelimit-remaining-tokens")).toBe("0");
    expect(headers.get("x-ratelimit-limit-requests")).toBe(null);
    expect(upstream.requests).toHaveLength(2);
  });

  it("counts streams that tell their usage", async () => {
    const { key } = await limitedKey(
      { tokensPerMinute: 15 },
      events(chunk({ role: "assistant", content: "hi" }), chunk({}, "stop"), usageChunk()),
    );
    const stream = { stream: true, stream_options: { include_usage: true } };
    expect(await (await post(key, ask(stream))).text()).toContain("[DONE]");
    await refused(say(key));
  });

  it("counts streams that do not, as soon as they are on record", async () => {
    const silent = events(
      chunk({ role: "assistant", content: "hi ".repeat(40) }),
      chunk({}, "stop"),
    );
    const { key } = await limitedKey(
      { tokensPerMinute: 40 },
      silent,
      completion({ content: "" }, { usage: usage(1) }),
    );
    expect(await (await post(key, ask({ stream: true }))).text()).toContain("[DONE]");
    expect((await refusedSoon(key)).error["type"]).toBe("tokens");
  });

  it("ends the calling of tools in the midst of a turn: the model answers with what it has", async () => {
    for (const read of [whole, streamed]) {
      const isStream = read === streamed;
      const adding = await keyWithAdd((name) => {
        const calls = [toolCall("c1", name, { a: 2, b: 3 })];
        const last = { content: "no more" };
        if (!isStream)
          return [
            completion({ tool_calls: calls }),
            completion({ tool_calls: calls }),
            completion(last),
          ];
        const round = events(
          chunk({ role: "assistant", tool_calls: calls.map((call) => ({ ...call, index: 0 })) }),
          chunk({}, "tool_calls"),
          usageChunk(),
        );
        return [
          round,
          round,
          events(chunk({ role: "assistant", ...last }), chunk({}, "stop"), usageChunk()),
        ];
      });
      await limit(adding.key, { tokensPerMinute: 30 });
      const turn = await read(adding);
      expect(turn).toMatchObject({ content: "no more", finishReason: "stop" });
      expect(adding.upstream.requests).toHaveLength(3);
      expect(adding.upstream.requests.map((request) => request.json()["tool_choice"])).toEqual([
        undefined,
        undefined,
        "none",
      ]);
      const results = sentMessages(adding.upstream, 2).filter(({ role }) => role === "tool");
      expect(results.map(({ content }) => content)).toEqual([
        "5",
        expect.stringContaining("limit of 30 tokens per minute"),
      ]);
      await refused(say(adding.key));
    }
  });
});

describe("a monthly budget", () => {
  /** At the price of gpt-4.1-mini, some 0.40 dollars. */
  const costly = completion(
    { content: "hello" },
    { model: "gpt-4.1-mini", usage: usage(1_000_000) },
  );

  it("is used up by what turns cost; the refusal says when the month ends, and that trying again is no use", async () => {
    const { key, id } = await limitedKey({ monthlyBudget: 0.5 }, costly);
    const body = { model: "gpt-4.1-mini" };
    await say(key, body);
    await say(key, body);
    const { error, headers, wait } = await refusedSoon(key);
    const now = new Date();
    const end = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1);
    expect(error).toEqual({
      message: expect.stringContaining(new Date(end).toISOString()),
      type: "insufficient_quota",
      param: null,
      code: "insufficient_quota",
    });
    expect(error["message"]).toContain("$0.50");
    expect(Math.abs(wait - (end - Date.now()) / 1000)).toBeLessThan(60);
    expect(headers.get("x-should-retry")).toBe("false");
    await expect
      .poll(
        async () =>
          ((await (await proxy.admin(`/api-keys/${id}`)).json()) as { spend: { month: number } })
            .spend.month,
        {
          timeout: 10_000,
        },
      )
      .toBeGreaterThan(0.79);
    await refused(say(key));
    await proxy.admin(`/api-keys/${id}`, { method: "PATCH", json: { monthlyBudget: 100 } });
    await say(key, body);
  });

  it("ends the calling of tools in the midst of a turn", async () => {
    const adding = await keyWithAdd((name) => [
      completion(
        { tool_calls: [toolCall("c1", name, { a: 2, b: 3 })] },
        { model: "gpt-4.1-mini", usage: usage(1_000_000) },
      ),
      completion({ content: "no more" }),
    ]);
    await limit(adding.key, { monthlyBudget: 0.3 });
    expect((await whole(adding, { model: "gpt-4.1-mini" })).content).toBe("no more");
    expect(adding.upstream.requests[1]?.json()["tool_choice"]).toBe("none");
    expect(sentMessages(adding.upstream, 1).at(-1)?.content).toContain("budget of $0.30");
    const { error } = await refusedSoon(adding.key);
    expect(error["type"]).toBe("insufficient_quota");
  });

  it("is nobody else's: a key without one, and a key of free use, go on", async () => {
    const free = await limitedKey({}, costly);
    const rich = await limitedKey({ monthlyBudget: 1000 }, costly);
    for (const { key, upstream } of [free, rich]) {
      for (let turn = 0; turn < 2; turn++) await say(key, { model: "gpt-4.1-mini" });
      expect(upstream.requests).toHaveLength(2);
    }
  });
});
