/** Many requests at the same time, over two proxies on one database, use no more than a key has. */
import { rmSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { adminCall, makeDataDirectory } from "../helpers/own-proxy.ts";
import { startPostgres } from "../helpers/postgres-server.ts";
import { startNodeProxy, type StartedProcess } from "../helpers/start-target.ts";
import { stormLength } from "../helpers/storm-length.ts";
import { chunk, completion, events, startUpstream, type Answer } from "../helpers/upstream.ts";

/** At the price of gpt-4.1, 0.20 dollars. */
const COMPLETION = 25_000;
const COST = 0.2;
const usage = { prompt_tokens: 1, completion_tokens: COMPLETION, total_tokens: COMPLETION + 1 };

/** An answer, whole or streamed as it was asked for, after a time in which others come. */
const answer: Answer = async (request, response) => {
  await pause(300);
  const whole = completion({ content: "hi" }, { usage });
  const streamed = events(chunk({ content: "hi" }), { ...chunk({}, "stop"), usage });
  await (request.json()["stream"] === true ? streamed : whole)(request, response);
};

let postgres: Awaited<ReturnType<typeof startPostgres>>;
let database: string;
const directories = [makeDataDirectory(), makeDataDirectory()];
const proxies: StartedProcess[] = [];
const startProxy = (at: number): Promise<StartedProcess> =>
  startNodeProxy({ DATA_DIR: directories[at] ?? "", DATABASE_URL: database });
const urlOf = (at: number): string => proxies[at]?.captured ?? "";

beforeAll(async () => {
  postgres = await startPostgres();
  database = await postgres.createDatabase();
  proxies.push(...(await Promise.all([startProxy(0), startProxy(1)])));
});
afterAll(async () => {
  for (const proxy of proxies) await proxy.stop("SIGKILL");
  await postgres.stop();
  for (const path of directories) rmSync(path, { recursive: true, force: true });
});

async function makeKey(limits: Record<string, number>) {
  const upstream = await startUpstream(answer);
  const fields = { name: "busy", openaiBaseUrl: upstream.url, ...limits };
  const made = await adminCall<{ id: string; key: string }>(urlOf(1), "/api-keys", fields);
  return { ...made, upstream };
}

const ask = (url: string, key: string, stream: boolean): Promise<Response> =>
  fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({
      model: "gpt-4.1",
      max_tokens: COMPLETION,
      stream,
      messages: [{ role: "user", content: "hi" }],
    }),
  });

const statusOf = async (asking: Promise<Response>): Promise<number> => {
  const response = await asking;
  await response.text();
  return response.status;
};

/** Asks all at once, of one proxy after the other, streamed and whole, and counts what passed. */
async function burst(key: string, count: number): Promise<number> {
  const asked = Array.from({ length: count }, (_, index) =>
    statusOf(ask(urlOf(index % 2), key, index % 4 < 2)),
  );
  const statuses = await Promise.all(asked);
  expect(statuses.filter((status) => status !== 200 && status !== 429)).toEqual([]);
  return statuses.filter((status) => status === 200).length;
}

it("50 at once, again and again, spend the budget and a request a proxy at most", async () => {
  const { id, key, upstream } = await makeKey({ monthlyBudget: 2 });
  let passed = 0;
  const bursts = stormLength({ ci: 4, soak: 40 });
  for (let time = 0; time < bursts; time++) passed += await burst(key, 50);
  expect(passed).toBeGreaterThanOrEqual(2 / COST);
  expect(passed).toBeLessThanOrEqual(2 / COST + 2);
  expect(upstream.requests).toHaveLength(passed);
  const spent = async () =>
    (await adminCall<{ spend: { month: number } }>(urlOf(1), `/api-keys/${id}`)).spend.month;
  await expect.poll(spent, { timeout: 15_000 }).toBeCloseTo(passed * COST, 2);
});

it("50 at once use no more requests and tokens a minute than a key may", async () => {
  const requests = await makeKey({ requestsPerMinute: 20 });
  expect(await burst(requests.key, 50)).toBe(20);
  const tokens = await makeKey({ tokensPerMinute: 10 * COMPLETION });
  const passed = (await burst(tokens.key, 50)) + (await burst(tokens.key, 50));
  expect(passed).toBeGreaterThanOrEqual(9);
  expect(passed).toBeLessThanOrEqual(12);
});

it("what a killed proxy held is not lost: the key goes on, at the others too", async () => {
  const { key } = await makeKey({ monthlyBudget: 1, requestsPerMinute: 100 });
  const dying = Array.from({ length: 10 }, () => statusOf(ask(urlOf(0), key, true)).catch(() => 0));
  await pause(200);
  await proxies[0]?.stop("SIGKILL");
  await Promise.all(dying);
  const alone = async (at: number) => statusOf(ask(urlOf(at), key, false));
  expect(await alone(1)).toBe(200);
  proxies[0] = await startProxy(0);
  expect(await alone(0)).toBe(200);
  expect(await burst(key, 20)).toBeLessThanOrEqual(5);
});
