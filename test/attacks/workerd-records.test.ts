/** Every turn on workerd gets on record, whatever comes at once and whatever ends meanwhile. */
import { Agent, request as send } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import type postgres from "postgres";
import { expect, it } from "vitest";
import { healthOf } from "../helpers/operator.ts";
import { adminCall, chat } from "../helpers/own-proxy.ts";
import { killWorker, workerPlace, type Bindings } from "../helpers/own-worker.ts";
import { stormLength } from "../helpers/storm-length.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

const CONNECTIONS = 16;

interface Asked {
  url: string;
  key: string;
}

async function makeKey(url: string, more: Record<string, unknown> = {}): Promise<Asked> {
  const usage = { prompt_tokens: 9, completion_tokens: 1, total_tokens: 10, cost: 0.5 };
  const upstream = await startUpstream(completion({ content: "hi" }, { usage }));
  const { key } = await adminCall<{ key: string }>(url, "/api-keys", {
    name: "busy",
    openaiBaseUrl: upstream.url,
    ...more,
  });
  return { url, key };
}

function askBy(agent: Agent, { url, key }: Asked, content: string): Promise<number> {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const body = JSON.stringify({ model: "gpt-test", messages: [{ role: "user", content }] });
  return new Promise((resolve, reject) => {
    send(`${url}/v1/chat/completions`, { method: "POST", agent, headers }, (answer) => {
      answer.resume().once("end", () => resolve(answer.statusCode ?? 0));
    })
      .once("error", reject)
      .end(body);
  });
}

/** How many turns are on record, and how many were counted. */
async function onRecord(sql: postgres.Sql): Promise<{ turns: number; counted: number }> {
  const [row] = await sql<{ turns: number; counted: number }[]>`
    select (select count(*)::int from turns) as turns,
      (select coalesce(sum(requests), 0)::int from usage_hours) as counted`;
  return row ?? { turns: -1, counted: -1 };
}

/** Characters of the longest message on record. */
async function longestMessage(sql: postgres.Sql): Promise<number> {
  const [row] = await sql<{ longest: number }[]>`
    select coalesce(max(length(content)), 0)::int as longest from message_bodies`;
  return row?.longest ?? 0;
}

async function burst(asked: Asked, count: number): Promise<Record<number, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const all = Array.from({ length: count }, (_, index) => askBy(agent, asked, `turn ${index}`));
  const statuses: Record<number, number> = {};
  for (const status of await Promise.all(all)) statuses[status] = (statuses[status] ?? 0) + 1;
  agent.destroy();
  return statuses;
}

it.each<Bindings>(["RECORD_QUEUE", "none"])(
  "an outage of some seconds costs no turn where records go by %s",
  async (bindings) => {
    const place = await workerPlace();
    const { captured } = await place.start(bindings);
    const asked = await makeKey(captured);
    const count = 30;
    expect((await chat(asked.url, asked.key, "the key is known")).status).toBe(200);
    place.wire.cut();
    expect(await burst(asked, count)).toEqual({ 200: count });
    await pause(1500);
    place.wire.mend();
    await expect
      .poll(() => onRecord(place.sql), { timeout: 60_000, interval: 500 })
      .toEqual({ turns: 1 + count, counted: 1 + count });
    const recordsStatus = async () => (await healthOf(asked.url)).parts.records.status;
    await expect.poll(recordsStatus).not.toBe("degraded");
  },
);

it.each<Bindings>(["RECORD_SPOOL", "RECORD_QUEUE", "none"])(
  "a burst of one key over 16 connections is on record, each turn once, where records go by %s",
  async (bindings) => {
    const place = await workerPlace();
    const worker = await place.start(bindings);
    const asked = await makeKey(worker.captured);
    const count = stormLength({ ci: bindings === "RECORD_SPOOL" ? 400 : 100, soak: 1000 });
    expect(await burst(asked, count)).toEqual({ 200: count });
    await expect
      .poll(() => onRecord(place.sql), { timeout: 60_000, interval: 500 })
      .toEqual({ turns: count, counted: count });
    const large = "x".repeat(3_000_000);
    expect((await chat(asked.url, asked.key, large)).status).toBe(200);
    await expect.poll(() => longestMessage(place.sql)).toBeGreaterThan(large.length);
    const complaints = worker.output.filter((line) => /too many|A record/i.test(line));
    expect(complaints.length).toBe(0);
  },
);

it("a database that goes away again and again, in the midst of transactions, gets every turn once", async () => {
  const place = await workerPlace();
  const worker = await place.start("RECORD_SPOOL");
  const asked = await makeKey(worker.captured);
  const times = stormLength({ ci: 4, soak: 100 });
  const count = 40;
  expect((await chat(asked.url, asked.key, "the key is known")).status).toBe(200);
  for (let time = 0; time < times; time++) {
    const bursting = burst(asked, count);
    await pause(200 + 50 * time);
    place.wire.cut();
    await pause(300);
    expect(await bursting).toEqual({ 200: count });
    place.wire.mend();
  }
  const all = 1 + times * count;
  await expect
    .poll(() => onRecord(place.sql), { timeout: 60_000, interval: 500 })
    .toEqual({ turns: all, counted: all });
});

it("a record that the database does not take holds up no other, and gets there when it does", async () => {
  const place = await workerPlace();
  const worker = await place.start("RECORD_SPOOL");
  const asked = await makeKey(worker.captured);
  await place.sql.unsafe(`
    create function refuse() returns trigger language plpgsql as $$
      begin raise exception 'not now' using errcode = 'XX000'; end $$;
    create trigger refuse before insert on conversations for each row
      when (new.title like 'odd%') execute function refuse();`);
  for (const content of ["one", "odd one", "other", "odd other", "last"])
    expect((await chat(asked.url, asked.key, content)).status).toBe(200);
  await expect.poll(() => onRecord(place.sql)).toEqual({ turns: 3, counted: 3 });
  await pause(3000);
  expect((await chat(asked.url, asked.key, "much later")).status).toBe(200);
  await expect.poll(() => onRecord(place.sql)).toEqual({ turns: 4, counted: 4 });
  await place.sql.unsafe("drop trigger refuse on conversations");
  await expect.poll(() => onRecord(place.sql)).toEqual({ turns: 6, counted: 6 });
  const titles = await place.sql`select title from conversations where title like 'odd%'`;
  expect(titles.map((row) => String(row["title"])).toSorted()).toEqual(["odd one", "odd other"]);
});

it("records wait for the database through a kill -9 of workerd, none lost, none doubled", async () => {
  const place = await workerPlace();
  const first = await place.start("RECORD_SPOOL");
  const asked = await makeKey(first.captured);
  expect((await chat(asked.url, asked.key, "before")).status).toBe(200);
  await expect.poll(() => onRecord(place.sql)).toEqual({ turns: 1, counted: 1 });

  place.wire.cut();
  const waiting = stormLength({ ci: 30, soak: 300 });
  for (let turn = 0; turn < waiting; turn++)
    expect((await chat(asked.url, asked.key, `while away ${turn}`)).status).toBe(200);
  // Known keys are known for as long as the process lives, so health is asked before it ends.
  const health = await healthOf(asked.url);
  expect(health.parts.records).toMatchObject({ status: "degraded", waiting });
  await killWorker(first);
  expect(await onRecord(place.sql)).toEqual({ turns: 1, counted: 1 });

  place.wire.mend();
  await place.start("RECORD_SPOOL");
  await expect
    .poll(() => onRecord(place.sql), { timeout: 60_000, interval: 500 })
    .toEqual({ turns: 1 + waiting, counted: 1 + waiting });
});

it("what waits in the Durable Object counts in its key's budget for a Worker that knows nothing else", async () => {
  const place = await workerPlace();
  const first = await place.start("RECORD_SPOOL");
  const asked = await makeKey(first.captured, { monthlyBudget: 1 });
  const locked = Promise.withResolvers<void>();
  const unlock = Promise.withResolvers<void>();
  const locking = place.sql.begin(async (transaction) => {
    await transaction.unsafe("lock table turns in share mode");
    locked.resolve();
    await unlock.promise;
  });
  await locked.promise;
  const statusOf = async (content: string) => (await chat(asked.url, asked.key, content)).status;
  expect([await statusOf("one"), await statusOf("two")]).toEqual([200, 200]);
  expect(await statusOf("three")).toBe(429);
  await killWorker(first);
  asked.url = (await place.start("RECORD_SPOOL")).captured;
  expect(await statusOf("four")).toBe(429);
  unlock.resolve();
  await locking;
  await expect
    .poll(() => place.sql`select count(*)::int as written from turns where status = 'completed'`)
    .toEqual([{ written: 2 }]);
  expect(await statusOf("five")).toBe(429);
});

it("clients that leave at once, by the hundred, leave the database to others", async () => {
  const place = await workerPlace();
  const { captured: url } = await place.start("RECORD_SPOOL");
  const usage = { prompt_tokens: 9, completion_tokens: 1, total_tokens: 10 };
  const upstream = await startUpstream(completion({ content: "hi" }, { usage }));
  const keys: string[] = [];
  for (const name of ["a", "b", "c", "d"]) {
    const made = await adminCall<{ key: string }>(url, "/api-keys", {
      name,
      openaiBaseUrl: upstream.url,
    });
    keys.push(made.key);
  }
  const leaving = async (index: number): Promise<void> => {
    await pause((index * 7) % 500);
    await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${keys[index % keys.length]}`,
        "content-type": "application/json",
      },
      body: JSON.stringify({ model: "m", messages: [{ role: "user", content: `${index}` }] }),
      signal: AbortSignal.timeout(1 + ((index * 13) % 60)),
    }).catch(() => {});
  };
  const count = stormLength({ ci: 200, soak: 5000 });
  await Promise.all(Array.from({ length: count }, (_, index) => leaving(index)));
  // Each is closed soon after its last query.
  const open = async () => {
    const [row] = await place.sql<{ open: number }[]>`
      select count(*)::int as open from pg_stat_activity where usename like 'few_%'`;
    return row?.open;
  };
  const stays = async () => {
    const seen = [await open()];
    for (let look = 0; look < 4; look++) {
      await pause(500);
      seen.push(await open());
    }
    return Math.max(...seen.map((found) => found ?? 0));
  };
  await expect.poll(stays, { timeout: 60_000 }).toBe(0);
  const since = performance.now();
  expect((await adminCall<{ data: unknown[] }>(url, "/api-keys")).data).toHaveLength(keys.length);
  expect(performance.now() - since).toBeLessThan(4000);
});
