/** What is answered is on record, whatever becomes of the disk on which records wait. */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { limitFiles } from "../helpers/limit-files.ts";
import { healthOf, titlesOf } from "../helpers/operator.ts";
import { adminCall, chat, dataDirectory } from "../helpers/own-proxy.ts";
import { startPostgres } from "../helpers/postgres-server.ts";
import { stormLength } from "../helpers/storm-length.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

let server: Awaited<ReturnType<typeof startPostgres>>;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

const PATIENCE = { timeout: 30_000 };
/** Longer than what is written while the event loop waits (256 KB). */
const LONG = "x".repeat(400_000);

/** A data directory, a database, and what else a proxy on them needs. */
async function place({ cost = 0 } = {}) {
  const usage = { prompt_tokens: 10, completion_tokens: 10, total_tokens: 20, cost };
  const upstream = await startUpstream(completion({ content: "hi" }, { usage }));
  const url = await server.createDatabase();
  const directory = dataDirectory();
  const client = postgres(url, { max: 1, onnotice: () => undefined });
  onTestFinished(() => client.end({ timeout: 1 }));
  return {
    path: directory.path,
    client,
    start: () => directory.start({ DATABASE_URL: url }),
    makeKey: async (at: string, more: Record<string, unknown> = {}) => {
      const fields = { name: "survivor", openaiBaseUrl: upstream.url, ...more };
      return (await adminCall<{ key: string }>(at, "/api-keys", fields)).key;
    },
  };
}

/** Asks, and reads the whole answer: from then on the turn must be on record. */
async function ask(url: string, key: string, title: string, more = ""): Promise<string> {
  const answer = await chat(url, key, `${title} ${more}`.trim());
  expect(answer.status).toBe(200);
  await answer.text();
  return title;
}

const shortTitles = async (url: string) =>
  (await titlesOf(url)).map((title) => title.split(" ").slice(0, 2).join(" ")).toSorted();

describe("a disk that takes no more", () => {
  it("keeps no turn from the record, and says so; nothing is torn once there is space", async () => {
    const { start, makeKey, path } = await place();
    const proxy = await start();
    const { captured: url, child } = proxy;
    const key = await makeKey(url);
    const asked = [await ask(url, key, "before 0"), await ask(url, key, "before 1")];
    const open = join(path, "spool");
    const segments = readdirSync(open, { recursive: true, encoding: "utf8" });
    const segment = segments.find((name) => name.endsWith(".ndjson")) ?? "";
    // A line that has begun is cut short; later ones have not a byte of space.
    for (const [limit, bytes] of [statSync(join(open, segment)).size + 100, 0].entries()) {
      limitFiles(child.pid, bytes);
      for (let turn = 0; turn < 6; turn++)
        asked.push(await ask(url, key, `full ${limit}${turn}`, turn === 3 ? LONG : ""));
    }
    await expect.poll(() => shortTitles(url), PATIENCE).toEqual(asked.toSorted());
    const { status, parts } = await healthOf(url);
    expect(status).toBe("degraded");
    expect(parts.records).toMatchObject({ status: "degraded", lostTurns: 0 });
    expect(parts.records.message).toMatch(/spool.*cannot be written.*EFBIG/);
    limitFiles(child.pid, "unlimited");
    await expect.poll(async () => (await healthOf(url)).status, PATIENCE).toBe("ok");
    asked.push(await ask(url, key, "after 0"), await ask(url, key, "after 1", LONG));
    await proxy.stop("SIGKILL");
    const { captured: again } = await start();
    await expect.poll(() => shortTitles(again), PATIENCE).toEqual(asked.toSorted());
    expect(existsSync(join(path, "rejected.ndjson"))).toBe(false);
  });

  it("holds records in memory where the database is away too, and writes them later", async () => {
    const { start, makeKey, client } = await place();
    const { captured: url, child } = await start();
    const key = await makeKey(url);
    const asked: string[] = [await ask(url, key, "before 0")];
    await expect.poll(() => shortTitles(url), PATIENCE).toEqual(asked);
    await client.unsafe("begin; lock table turns in share mode");
    limitFiles(child.pid, 0);
    for (let turn = 0; turn < 3; turn++) asked.push(await ask(url, key, `locked ${turn}`));
    const { parts } = await healthOf(url);
    expect(parts.records).toMatchObject({ status: "degraded", waitingInMemory: 3 });
    await client.unsafe("commit");
    await expect.poll(() => shortTitles(url), PATIENCE).toEqual(asked.toSorted());
    expect((await healthOf(url)).parts.records).toMatchObject({ waitingInMemory: 0 });
  });
});

describe("a spool directory", () => {
  it("that goes away, comes back as a file and goes away again loses no turn, and ends nothing", async () => {
    const { start, makeKey, path, client } = await place();
    const { captured: url, child } = await start();
    const key = await makeKey(url);
    const spool = join(path, "spool");
    const asked = [await ask(url, key, "turn 0")];
    await client.unsafe("begin; lock table turns in share mode");
    asked.push(await ask(url, key, "turn 1"));
    rmSync(spool, { recursive: true });
    asked.push(await ask(url, key, "turn 2"), await ask(url, key, "turn 3", LONG));
    await client.unsafe("commit");
    await expect.poll(() => shortTitles(url), PATIENCE).toEqual(asked);
    rmSync(spool, { recursive: true });
    writeFileSync(spool, "no directory");
    asked.push(await ask(url, key, "turn 4"), await ask(url, key, "turn 5", LONG));
    await expect.poll(() => shortTitles(url), PATIENCE).toEqual(asked);
    expect((await healthOf(url)).parts.records.status).toBe("degraded");
    rmSync(path, { recursive: true });
    await expect.poll(async () => (await healthOf(url)).status, PATIENCE).toBe("ok");
    asked.push(await ask(url, key, "turn 6"));
    await expect.poll(() => shortTitles(url), PATIENCE).toEqual(asked);
    expect(child.exitCode).toBe(null);
  });

  it("that is none from the start on leaves the database, to which records go at once", async () => {
    const { start, makeKey, path } = await place();
    writeFileSync(join(path, "spool"), "no directory");
    const proxy = await start();
    const key = await makeKey(proxy.captured);
    expect((await healthOf(proxy.captured)).parts.records.status).toBe("degraded");
    const asked = [await ask(proxy.captured, key, "turn 0")];
    await proxy.stop("SIGKILL");
    rmSync(join(path, "spool"));
    const { captured: url } = await start();
    expect(await shortTitles(url)).toEqual(asked);
  });

  it("is taken over when its process is gone, by a replica that lives, and never before", async () => {
    const { start, makeKey, path, client } = await place();
    const first = await start();
    const key = await makeKey(first.captured);
    await client.unsafe("begin; lock table turns in share mode");
    const asked = [await ask(first.captured, key, "turn 0")];
    const second = await start();
    asked.push(await ask(first.captured, key, "turn 1"));
    asked.push(await ask(second.captured, key, "turn 2"));
    const directories = () =>
      readdirSync(join(path, "spool"), { withFileTypes: true }).filter((entry) =>
        entry.isDirectory(),
      );
    expect(directories()).toHaveLength(2);
    await first.stop("SIGKILL");
    await expect.poll(directories, PATIENCE).toHaveLength(1);
    await client.unsafe("commit");
    await expect.poll(() => shortTitles(second.captured), PATIENCE).toEqual(asked);
  });

  it("is taken over however often its process is killed, with names that do not grow", async () => {
    const { start, makeKey, path, client } = await place();
    const first = await start();
    const key = await makeKey(first.captured);
    await first.stop("SIGTERM");
    await client.unsafe("begin; lock table turns in share mode");
    const asked: string[] = [];
    const starts = stormLength({ ci: 4, soak: 200 });
    for (let count = 0; count < starts; count++) {
      const proxy = await start();
      asked.push(await ask(proxy.captured, key, `turn ${count}`));
      await proxy.stop(count % 3 === 2 ? "SIGTERM" : "SIGKILL");
    }
    const names = readdirSync(join(path, "spool"), { recursive: true, encoding: "utf8" });
    expect(Math.max(...names.map((name) => name.length))).toBeLessThan(60);
    await client.unsafe("commit");
    const { captured: url } = await start();
    await expect.poll(() => shortTitles(url), PATIENCE).toEqual(asked.toSorted());
  });
});

it("a rejected.ndjson that cannot be written keeps no other turn from the record", async () => {
  const { start, makeKey, path, client } = await place();
  const { captured: url } = await start();
  const key = await makeKey(url);
  await client.unsafe(`
    create function refuse() returns trigger language plpgsql as $$ begin
      if new.title like 'poison%' then raise exception 'never' using errcode = '23514'; end if;
      return new; end $$;
    create trigger refuse before insert on conversations for each row execute function refuse();`);
  mkdirSync(join(path, "rejected.ndjson"));
  await ask(url, key, "poison 0");
  // Its figures count, without a title.
  const asked = ["", await ask(url, key, "turn 0"), await ask(url, key, "turn 1", LONG)];
  await expect.poll(() => shortTitles(url), PATIENCE).toEqual(asked);
  const { parts } = await healthOf(url);
  expect(parts.records).toMatchObject({ status: "degraded", rejectedTurns: 1 });
  expect(parts.records.message).toMatch(/rejected\.ndjson|EISDIR/);
  rmSync(join(path, "rejected.ndjson"), { recursive: true });
  await expect.poll(() => existsSync(join(path, "rejected.ndjson")), PATIENCE).toBe(true);
});

it("a budget that is used up stays so when its process is killed before the record is written", async () => {
  const { start, makeKey, client } = await place({ cost: 2 });
  const first = await start();
  const key = await makeKey(first.captured, { monthlyBudget: 1 });
  await client.unsafe("begin; lock table turns in share mode");
  await ask(first.captured, key, "turn 0");
  expect((await chat(first.captured, key)).status).toBe(429);
  await first.stop("SIGKILL");
  const { captured: url } = await start();
  const statuses = async (): Promise<number[]> => {
    const answers = await Promise.all(Array.from({ length: 4 }, () => chat(url, key)));
    return answers.map(({ status }) => status);
  };
  expect(await statuses()).toEqual([429, 429, 429, 429]);
  await client.unsafe("commit");
  await expect.poll(() => titlesOf(url), PATIENCE).toContain("turn 0");
  expect(await statuses()).toEqual([429, 429, 429, 429]);
});
