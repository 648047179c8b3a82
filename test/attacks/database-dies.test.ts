/**
 * PostgreSQL is killed under two replicas, one of which is killed too; and has no connection left.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { expect, it, onTestFinished } from "vitest";
import { adminCall, chat } from "../helpers/own-proxy.ts";
import { startPostgres } from "../helpers/postgres-server.ts";
import { startNodeProxy, type StartedProcess } from "../helpers/start-target.ts";
import { stormLength } from "../helpers/storm-length.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A server of the test's own, whose life it has in its hand. */
async function ownPostgres() {
  const given = process.env["TEST_DATABASE_URL"];
  delete process.env["TEST_DATABASE_URL"];
  try {
    return await startPostgres();
  } finally {
    if (given !== undefined) process.env["TEST_DATABASE_URL"] = given;
  }
}

/** Starts a proxy on a directory of its own, as often as it is asked. */
function replica(databaseUrl: string) {
  const directory = mkdtempSync(join(tmpdir(), "proxy-dies-"));
  const started: StartedProcess[] = [];
  onTestFinished(async () => {
    for (const one of started) await one.stop("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  });
  return async (): Promise<StartedProcess> => {
    const one = await startNodeProxy({ DATA_DIR: directory, DATABASE_URL: databaseUrl });
    started.push(one);
    return one;
  };
}

async function idsOnRecord(databaseUrl: string): Promise<string[]> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => undefined });
  try {
    const rows = await sql<{ id: string }[]>`select id from turns`;
    return rows.map(({ id }) => id);
  } finally {
    await sql.end();
  }
}

it("no answered turn is lost, nor on record twice, when PostgreSQL and a replica are killed", async () => {
  const database = await ownPostgres();
  onTestFinished(database.stop);
  const databaseUrl = await database.createDatabase();
  const startOne = replica(databaseUrl);
  let one = await startOne();
  const two = await replica(databaseUrl)();
  const upstream = await startUpstream(completion({ content: "here" }));
  const fields = { name: "dies", openaiBaseUrl: upstream.url };
  const { key } = await adminCall<{ key: string }>(one.captured, "/api-keys", fields);
  await Promise.all([chat(one.captured, key), chat(two.captured, key)]);

  const answered: string[] = [];
  const refused: number[] = [];
  const state = { isRaging: true };
  const client = async (place: () => string) => {
    while (state.isRaging) {
      // A replica that is killed has no answer: nothing was promised.
      const response = await chat(place(), key).catch(() => null);
      const text = await response?.text().catch(() => null);
      if (response?.status === 200 && typeof text === "string")
        answered.push(response.headers.get("x-proxy-request-id") ?? "");
      else if (response) refused.push(response.status);
      await pause(response === null ? 200 : 10);
    }
  };
  const clients = [client(() => one.captured), client(() => two.captured)];
  for (let kills = stormLength({ ci: 2, soak: 40 }); kills > 0; kills -= 1) {
    await pause(700);
    await database.crash();
    await pause(1500);
    if (kills % 2 === 0) await one.stop("SIGKILL");
    await database.startAgain();
    if (kills % 2 === 0) one = await startOne();
  }
  await pause(1000);
  state.isRaging = false;
  await Promise.all(clients);
  // A known key goes on without the database.
  expect(refused).toEqual([]);
  expect(answered.length).toBeGreaterThan(50);
  const missing = async () => {
    const ids = await idsOnRecord(databaseUrl);
    expect(new Set(ids).size).toBe(ids.length);
    return answered.filter((id) => !ids.includes(id));
  };
  await expect.poll(missing, { timeout: 60_000 }).toEqual([]);
});

it("a proxy that starts while the database is away waits for it, and says so", async () => {
  const database = await ownPostgres();
  onTestFinished(database.stop);
  const databaseUrl = await database.createDatabase();
  await database.crash();
  const starting = replica(databaseUrl)();
  await pause(3000);
  await database.startAgain();
  const proxy = await starting;
  expect(proxy.output.join("\n")).toMatch(/database/i);
  expect((await fetch(`${proxy.captured}/health`)).status).toBe(200);
});

it("a role without a connection left answers all the same, and everything is written later", async () => {
  const database = await startPostgres();
  onTestFinished(database.stop);
  const databaseUrl = await database.createDatabase();
  const superuser = postgres(databaseUrl, { max: 1, onnotice: () => undefined });
  const role = `limited_${crypto.randomUUID().slice(0, 8)}`;
  await superuser.unsafe(`create role ${role} login password 'x' connection limit 12`);
  await superuser.unsafe(`grant all on schema public to ${role}`);
  await superuser.unsafe(
    `grant all on database ${new URL(databaseUrl).pathname.slice(1)} to ${role}`,
  );
  const limitedUrl = new URL(databaseUrl);
  limitedUrl.username = role;
  limitedUrl.password = "x";
  const proxy = await replica(limitedUrl.href)();
  const upstream = await startUpstream(completion({ content: "here" }));
  const fields = { name: "limited", openaiBaseUrl: upstream.url };
  const { key } = await adminCall<{ key: string }>(proxy.captured, "/api-keys", fields);
  expect((await chat(proxy.captured, key)).status).toBe(200);

  // Somebody else takes what there is, and ends the proxy's own.
  const hogs: postgres.Sql[] = [];
  const hog = async () => {
    const one = postgres(limitedUrl.href, { max: 1, onnotice: () => undefined });
    hogs.push(one);
    await one`select 1`;
  };
  await superuser`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role}`;
  await Promise.allSettled(Array.from({ length: 14 }, hog));
  const answers = await Promise.all(Array.from({ length: 20 }, () => chat(proxy.captured, key)));
  expect(answers.map(({ status }) => status).filter((status) => status !== 200)).toEqual([]);
  const ids = answers.map(({ headers }) => headers.get("x-proxy-request-id") ?? "");
  await Promise.allSettled(hogs.map((one) => one.end({ timeout: 1 })));
  const missing = async () => {
    const written = await idsOnRecord(databaseUrl);
    return ids.filter((id) => !written.includes(id));
  };
  await expect.poll(missing, { timeout: 60_000 }).toEqual([]);
  await superuser.end();
});
