/** What one replica lets through counts at the others. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { openDatabaseWire } from "../helpers/cuttable-database.ts";
import { adminCall, chat, dataDirectory } from "../helpers/own-proxy.ts";
import { startPostgres } from "../helpers/postgres-server.ts";
import { completion, startUpstream, type ScriptedUpstream } from "../helpers/upstream.ts";

interface Key {
  id: string;
  key: string;
}

let postgres: Awaited<ReturnType<typeof startPostgres>>;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

async function twoReplicas(): Promise<{ one: string; other: string; upstream: ScriptedUpstream }> {
  const usage = { prompt_tokens: 999_999, completion_tokens: 1, total_tokens: 1_000_000 };
  const upstream = await startUpstream(
    completion({ content: "hi" }, { model: "gpt-4.1-mini", usage }),
  );
  const database = await postgres.createDatabase();
  const [one, other] = await Promise.all(
    [1, 2].map(() => dataDirectory().start({ DATABASE_URL: database })),
  );
  return { one: one?.captured ?? "", other: other?.captured ?? "", upstream };
}

/** Asks once every 200 ms until the answer is another, and gives all statuses. */
async function statusesUntil(status: number, url: string, key: string): Promise<number[]> {
  const statuses: number[] = [];
  const until = Date.now() + 6000;
  while (statuses.at(-1) !== status && Date.now() < until) {
    statuses.push((await chat(url, key)).status);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return statuses;
}

describe("the limits of a key", () => {
  it("are shared by replicas on one database: what is used up at one is refused at the other within seconds", async () => {
    const { one, other, upstream } = await twoReplicas();
    const make = (limits: object) =>
      adminCall<Key>(one, "/api-keys", { name: "shared", openaiBaseUrl: upstream.url, ...limits });
    const keys = {
      requests: await make({ requestsPerMinute: 40 }),
      tokens: await make({ tokensPerMinute: 10_000_000 }),
    };
    for (const { key } of Object.values(keys)) expect((await chat(other, key)).status).toBe(200);
    for (const { key } of Object.values(keys))
      await Promise.all(Array.from({ length: 39 }, () => chat(one, key)));
    for (const { key } of Object.values(keys)) {
      expect((await statusesUntil(429, other, key)).at(-1)).toBe(429);
    }
  });

  it("of money are, too", async () => {
    const { one, other, upstream } = await twoReplicas();
    const { key } = await adminCall<Key>(one, "/api-keys", {
      name: "poor",
      openaiBaseUrl: upstream.url,
      monthlyBudget: 2,
      model: undefined,
    });
    const ask = (url: string) =>
      fetch(`${url}/v1/chat/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify({
          model: "gpt-4.1-mini",
          messages: [{ role: "user", content: "hi" }],
        }),
      });
    expect((await ask(other)).status).toBe(200);
    for (let turn = 0; turn < 4; turn++) expect((await ask(one)).status).toBe(200);
    expect((await statusesUntil(429, other, key)).at(-1)).toBe(429);
  });
});

describe("with the database away", () => {
  it.each(["cut", "stall"] as const)(
    "limits that are known go on to hold, and let through what is left of them (%s)",
    async (fault) => {
      const database = await openDatabaseWire(await postgres.createDatabase());
      onTestFinished(database.close);
      const upstream = await startUpstream(completion({ content: "hi" }));
      const { captured: url } = await dataDirectory().start({ DATABASE_URL: database.url });
      const limits = { requestsPerMinute: 3, tokensPerMinute: 1_000_000, monthlyBudget: 1 };
      const { key } = await adminCall<Key>(url, "/api-keys", {
        name: "limited",
        openaiBaseUrl: upstream.url,
        ...limits,
      });
      expect((await chat(url, key)).status).toBe(200);
      database[fault]();
      await new Promise((resolve) => setTimeout(resolve, 11_000));
      const began = Date.now();
      const statuses: number[] = [];
      for (let request = 0; request < 3; request++) statuses.push((await chat(url, key)).status);
      expect(statuses).toEqual([200, 200, 429]);
      expect(Date.now() - began).toBeLessThan(8000);
    },
  );
});

describe("a rotation without overlap", () => {
  it("ends the old key at once here, and within 5 s at the other replica, however busy it is", async () => {
    const { one, other, upstream } = await twoReplicas();
    const old = await adminCall<Key>(one, "/api-keys", {
      name: "rotated",
      openaiBaseUrl: upstream.url,
    });
    for (const url of [one, other]) expect((await chat(url, old.key)).status).toBe(200);
    const { key } = await adminCall<Key>(one, `/api-keys/${old.id}/rotate`, { overlapSeconds: 0 });
    const rotatedAt = Date.now();
    expect((await chat(one, old.key)).status).toBe(401);
    for (const url of [one, other]) expect((await chat(url, key)).status).toBe(200);
    const statuses: number[] = [];
    while (statuses.at(-1) !== 401 && Date.now() - rotatedAt < 10_000)
      statuses.push((await chat(other, old.key)).status);
    expect(statuses.at(-1)).toBe(401);
    expect(Date.now() - rotatedAt).toBeLessThan(5000);
  });
});
