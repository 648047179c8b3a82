import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import {
  chunk,
  completion,
  events,
  json,
  startUpstream,
  toolCall,
  type Answer,
} from "../helpers/upstream.ts";

interface Percentiles {
  p50: number;
  p90: number;
  p95: number;
  p99: number;
}

interface Figures {
  group: string | null;
  label: string | null;
  requests: number;
  cost: number | null;
  durationMs: Percentiles | null;
  timeToFirstTokenMs: Percentiles | null;
  [count: string]: unknown;
}

interface Stats {
  from: string;
  to: string;
  bucket: string;
  groupBy: string;
  buckets: (Figures & { start: string })[];
  totals: Figures[];
  tools: {
    name: string;
    executions: number;
    failed: number;
    durationMs: { p50: number; p95: number };
  }[];
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MODEL = "gpt-4.1-mini";
/** Of `gpt-4.1-mini`: 0.40 in, 0.10 in from the cache, 1.60 out, for a million tokens. */
const usage = {
  prompt_tokens: 1000,
  completion_tokens: 500,
  total_tokens: 1500,
  prompt_tokens_details: { cached_tokens: 400 },
};
const COST = (600 * 0.4 + 400 * 0.1 + 500 * 1.6) / 1e6;

async function ask(
  key: string,
  fields: Record<string, unknown> = {},
  signal?: AbortSignal,
): Promise<void> {
  const response = await fetch(`${proxy.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({
      model: MODEL,
      messages: [{ role: "user", content: `question ${crypto.randomUUID()}` }],
      ...fields,
    }),
    ...(signal === undefined ? {} : { signal }),
  });
  await response.text();
}

async function readStats(query: string): Promise<Stats> {
  const answer = await proxy.admin(`/stats?${query}`);
  const body = await answer.text();
  expect(answer.status, body).toBe(200);
  return JSON.parse(body) as Stats;
}

/** Statistics of a key, as soon as these requests are in them. */
async function statsOf(
  keyId: string,
  requests: number,
): Promise<(query?: string) => Promise<Stats>> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const { totals } = await readStats(`apiKeyId=${keyId}`);
    if ((totals[0]?.requests ?? 0) >= requests)
      return (query = "") => readStats(`apiKeyId=${keyId}&${query}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`The ${requests} requests were not counted within 10 s`);
}

const answered = completion({ content: "hello" }, { usage });

const after =
  (delayMs: number, answer: Answer): Answer =>
  async (request, response) => {
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    await answer(request, response);
  };

describe("statistics", () => {
  it("add requests, tokens and cost up, by key, by model and by endpoint", async () => {
    const upstream = await startUpstream(answered);
    const { id, key } = await proxy.createKey({
      name: "counted in statistics",
      openaiBaseUrl: upstream.url,
    });
    await ask(key);
    await ask(key);
    await ask(key, { model: "gpt-4.1" });
    const stats = await statsOf(id, 3);
    const tokens = {
      promptTokens: 1000,
      completionTokens: 500,
      cachedTokens: 400,
      reasoningTokens: 0,
    };
    const all = {
      promptTokens: 3000,
      completionTokens: 1500,
      cachedTokens: 1200,
      reasoningTokens: 0,
    };
    const none = { failed: 0, cancelled: 0, unpriced: 0 };
    const summed = { requests: 3, ...all, ...none, cost: expect.closeTo(7 * COST, 10) };

    const byKey = await stats("groupBy=key");
    expect(byKey.totals).toEqual([
      expect.objectContaining({ group: id, label: "counted in statistics", ...summed }),
    ]);
    const byModel = await stats("groupBy=model");
    expect(byModel.totals).toEqual([
      expect.objectContaining({
        group: MODEL,
        label: MODEL,
        requests: 2,
        cost: expect.closeTo(2 * COST, 10),
      }),
      expect.objectContaining({
        group: "gpt-4.1",
        label: "gpt-4.1",
        requests: 1,
        ...tokens,
        ...none,
        cost: expect.closeTo(5 * COST, 10),
      }),
    ]);
    const path = "/v1/chat/completions";
    expect((await stats("groupBy=endpoint")).totals).toEqual([
      expect.objectContaining({ group: path, label: path, ...summed }),
    ]);
    expect((await stats()).totals).toEqual([
      expect.objectContaining({ group: null, label: null, ...summed }),
    ]);

    const everyone = await readStats("groupBy=key");
    expect(everyone.totals.reduce((sum, { requests }) => sum + requests, 0)).toBeGreaterThanOrEqual(
      3,
    );
  });

  it("count a request whose price is not known as unpriced, and not as 0", async () => {
    const upstream = await startUpstream(answered);
    const { id, key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    await ask(key, { model: "a model of ours" });
    const stats = await statsOf(id, 1);
    expect((await stats()).totals).toEqual([
      expect.objectContaining({ requests: 1, promptTokens: 1000, cost: null, unpriced: 1 }),
    ]);
    await ask(key);
    await statsOf(id, 2);
    expect((await stats()).totals[0]).toMatchObject({
      cost: expect.closeTo(COST, 10),
      unpriced: 1,
    });
    expect(
      (await stats("groupBy=model")).totals.map(({ group, cost }) => [group, cost === null]),
    ).toEqual(
      expect.arrayContaining([
        ["a model of ours", true],
        [MODEL, false],
      ]),
    );
  });

  it("believe what upstream says that it cost, and sum the rounds of a turn", async () => {
    const tool = await proxy.createTool({
      name: "look",
      type: "function",
      implementation: "return 1;",
    });
    const upstream = await startUpstream(
      completion(
        { tool_calls: [toolCall("call_1", tool.name, {})] },
        { usage: { ...usage, cost: 0.25 } },
      ),
      completion({ content: "one" }, { usage: { ...usage, cost: 0.5 } }),
    );
    const { id, key } = await proxy.createKey({ openaiBaseUrl: upstream.url, toolIds: [tool.id] });
    await ask(key, { model: "who/knows" });
    const stats = await statsOf(id, 1);
    expect((await stats()).totals[0]).toMatchObject({
      requests: 1,
      promptTokens: 2000,
      cost: 0.75,
      unpriced: 0,
    });
  });

  it("count failures and cancellations", async () => {
    // It goes on, because workerd learns of a client that has left when it writes to it.
    const goesOn: Answer = async ({ aborted }, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const timer = setInterval(
        () => response.write(`data: ${JSON.stringify(chunk({ content: " on" }))}\n\n`),
        20,
      );
      await aborted;
      clearInterval(timer);
    };
    const upstream = await startUpstream(
      json({ error: { message: "no", type: "x", param: null, code: null } }, 500),
      goesOn,
    );
    const { id, key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    await ask(key);
    await expect(ask(key, { stream: true }, AbortSignal.timeout(1000))).rejects.toThrow(/abort/i);
    const stats = await statsOf(id, 2);
    expect((await stats()).totals[0]).toMatchObject({ requests: 2, failed: 1, cancelled: 1 });
  });

  it("have percentiles of durations and of times to the first token", async () => {
    const streamed = events(chunk({ role: "assistant", content: "a" }), chunk({}, "stop"), {
      ...chunk({}),
      choices: [],
      usage,
    });
    const upstream = await startUpstream(after(700, streamed), streamed);
    const { id, key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    for (let request = 0; request < 4; request++) await ask(key, { stream: true });
    const stats = await statsOf(id, 4);
    const { totals, buckets } = await stats();
    for (const figures of [totals[0]?.durationMs, totals[0]?.timeToFirstTokenMs]) {
      expect(figures?.p50).toBeLessThan(600);
      for (const part of ["p90", "p95", "p99"] as const) {
        expect(figures?.[part]).toBeGreaterThan(640);
        expect(figures?.[part]).toBeLessThan(5000);
      }
    }
    // Without requests there is nothing to take percentiles of.
    expect(buckets[0]).toMatchObject({ requests: 0, durationMs: null, timeToFirstTokenMs: null });
  });

  it("count tool executions and their failures", async () => {
    const implementation = "if (args.fail) throw new Error('no'); return 1;";
    const tool = await proxy.createTool({ name: "try", type: "function", implementation });
    const calls = [false, false, true].map((fail, index) =>
      toolCall(`call_${index}`, tool.name, { fail }),
    );
    const upstream = await startUpstream(
      completion({ tool_calls: calls }),
      completion({ content: "done" }),
    );
    const { id, key } = await proxy.createKey({ openaiBaseUrl: upstream.url, toolIds: [tool.id] });
    await ask(key);
    const stats = await statsOf(id, 1);
    const { tools, totals, buckets } = await stats("groupBy=tool");
    const durations = { p50: expect.any(Number), p95: expect.any(Number) };
    expect(tools).toEqual([{ name: tool.name, executions: 3, failed: 1, durationMs: durations }]);
    const counted = {
      group: tool.name,
      label: tool.name,
      requests: 3,
      failed: 1,
      cost: 0,
      timeToFirstTokenMs: null,
    };
    expect(totals).toEqual([
      expect.objectContaining({ ...counted, durationMs: expect.objectContaining(durations) }),
    ]);
    expect(buckets).toEqual([
      expect.objectContaining({ ...counted, start: expect.stringMatching(/:00:00\.000Z$/) }),
    ]);
    expect((await stats()).tools).toEqual(tools);
  });

  it("outlive the key, with its last name", async () => {
    const upstream = await startUpstream(answered);
    const { id, key } = await proxy.createKey({ name: "first name", openaiBaseUrl: upstream.url });
    await ask(key);
    const stats = await statsOf(id, 1);
    await proxy.admin(`/api-keys/${id}`, { method: "PATCH", json: { name: "second name" } });
    expect((await stats("groupBy=key")).totals[0]).toMatchObject({ label: "second name" });
    expect((await proxy.admin(`/api-keys/${id}`, { method: "DELETE" })).status).toBe(204);
    expect((await stats("groupBy=key")).totals[0]).toMatchObject({
      group: id,
      label: "first name",
      requests: 1,
    });
  });
});

describe("the buckets of statistics", () => {
  it("are the last 24 hours, all of them, where nothing else is asked for", async () => {
    const stats = await readStats("");
    expect(stats).toMatchObject({ bucket: "hour", groupBy: "none" });
    const [from, to] = [Date.parse(stats.from), Date.parse(stats.to)];
    expect([from % HOUR_MS, to % HOUR_MS, to - from]).toEqual([0, 0, DAY_MS]);
    expect(to - Date.now()).toBeGreaterThan(-5000);
    expect(to - Date.now()).toBeLessThanOrEqual(HOUR_MS);
    expect(stats.buckets.map(({ start }) => Date.parse(start))).toEqual(
      Array.from({ length: 24 }, (_, index) => from + index * HOUR_MS),
    );
  });

  it("begin at the hour, the day and the month, in UTC", async () => {
    const startsOf = async (query: string) =>
      (await readStats(query)).buckets.map(({ start }) => start.slice(0, 16));
    expect(await startsOf("from=2024-02-28T22:59:00Z&to=2024-02-29T00:00:01Z")).toEqual([
      "2024-02-28T22:00",
      "2024-02-28T23:00",
      "2024-02-29T00:00",
    ]);
    expect(await startsOf("from=2024-02-28T22:00:00Z&to=2024-03-01T00:00:00Z&bucket=day")).toEqual([
      "2024-02-28T00:00",
      "2024-02-29T00:00",
    ]);
    expect(await startsOf("from=2023-12-31&to=2024-02-01&bucket=month")).toEqual([
      "2023-12-01T00:00",
      "2024-01-01T00:00",
    ]);
    expect(
      await startsOf("from=2024-01-01T01:30:00%2B01:00&to=2024-01-01T03:00:00%2B02:00"),
    ).toEqual(["2024-01-01T00:00"]);
  });

  it("have what was counted in them", async () => {
    const upstream = await startUpstream(answered);
    const { id, key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    await ask(key);
    const stats = await statsOf(id, 1);
    for (const bucket of ["hour", "day", "month"]) {
      const { buckets } = await stats(`bucket=${bucket}`);
      expect(
        buckets.reduce((sum, { requests }) => sum + requests, 0),
        bucket,
      ).toBe(1);
      const grouped = await stats(`bucket=${bucket}&groupBy=model`);
      expect(grouped.buckets, bucket).toEqual([
        expect.objectContaining({ group: MODEL, requests: 1, cost: expect.closeTo(COST, 10) }),
      ]);
    }
    const before = await stats(`from=2024-01-01&to=2024-01-02`);
    expect([before.totals, before.buckets.length]).toEqual([
      [expect.objectContaining({ group: null, requests: 0, cost: 0, durationMs: null })],
      24,
    ]);
    expect((await stats(`from=2024-01-01&to=2024-01-02&groupBy=key`)).totals).toEqual([]);
  });

  it("are refused where they make no sense, with the reason", async () => {
    for (const [query, param, reason] of [
      ["bucket=week", "bucket", /hour, day, month/],
      ["groupBy=user", "groupBy", /none, key, model, tool, endpoint/],
      ["from=yesterday", "from", /2026-11-21T10:00:00Z/],
      ["to=2026-13-01", "to", /2026-11-21T10:00:00Z/],
      ["from=2026-02-01&to=2026-01-01", "from", /before to/],
      ["from=2026-01-01&to=2026-03-01", "from", /31 days.*bucket=day/],
      ["from=2025-01-01&to=2026-03-01&bucket=day", "from", /400 days/],
      ["apiKeyId=x", "apiKeyId", /id of an API key/],
      ["groupby=key", "groupby", /no field/],
    ] as const) {
      const answer = await proxy.admin(`/stats?${query}`);
      const { error } = (await answer.json()) as { error: { param: string; message: string } };
      expect([answer.status, error.param], query).toEqual([400, param]);
      expect(error.message, query).toMatch(reason);
    }
    expect((await readStats("from=2025-01-01&to=2026-02-05&bucket=day")).buckets).toHaveLength(400);
  });

  it("are the operator's alone", async () => {
    expect((await fetch(`${proxy.url}/api/admin/stats`)).status).toBe(401);
  });
});
