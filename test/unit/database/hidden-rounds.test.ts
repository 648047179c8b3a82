import { sql } from "drizzle-orm";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  connectDatabase,
  type ConnectedDatabase,
} from "../../../src/node/database/connect-database.ts";
import { openDatabase } from "../../../src/node/database/open-database.ts";
import type { Database } from "../../../src/store/database.ts";
import {
  findHiddenRounds,
  keepHiddenRounds,
  sweepHiddenRounds,
} from "../../../src/store/hidden-rounds.ts";
import { createKey, deleteKey } from "../../../src/store/keys.ts";
import { startPostgres, type TestPostgres } from "../../helpers/postgres-server.ts";
import { memoryLogger } from "./memory-logger.ts";

let server: TestPostgres;
let url: string;
let opened: Awaited<ReturnType<typeof openDatabase>>;
let database: Database;

beforeAll(async () => {
  server = await startPostgres();
  url = await server.createDatabase();
  opened = await openDatabase({ databaseUrl: url, dataDir: "unused" }, memoryLogger());
  database = opened.database;
});
afterAll(async () => {
  await opened.close();
  await server.stop();
});

const HOUR_MS = 3_600_000;
const inAnHour = () => new Date(Date.now() + HOUR_MS);
const anHourAgo = () => new Date(Date.now() - HOUR_MS);

async function newKey(): Promise<string> {
  const keyHash = crypto.randomUUID();
  return (
    await createKey(
      { database, clientAddress: "" },
      { name: "a key", keyHash, keyPrefix: "sk-proxy-", keySuffix: "" },
    )
  ).id;
}

/** Keeps messages under these places, of a new key unless one is given. */
async function keep(
  lookups: string[],
  more: { apiKeyId?: string; messages?: string; expiresAt?: Date } = {},
): Promise<string> {
  const apiKeyId = more.apiKeyId ?? (await newKey());
  await keepHiddenRounds(database, {
    messages: "[]",
    expiresAt: inAnHour(),
    ...more,
    apiKeyId,
    lookups,
  });
  return apiKeyId;
}

const find = async (apiKeyId: string, ...lookups: string[]) =>
  Object.fromEntries(await findHiddenRounds(database, apiKeyId, lookups));

/** All rows of a key, whether they can be found or not. */
async function rowsOf(apiKeyId: string): Promise<number> {
  const [row] = await database.execute<{ count: number }>(
    sql`select count(*)::int as count from hidden_rounds where api_key_id = ${apiKeyId}`,
  );
  return row?.count ?? NaN;
}

describe("hidden rounds", () => {
  it("are found under each of their places, and no others are", async () => {
    const messages = JSON.stringify([
      { role: "assistant", content: "é\u0000\uD800 \"'\\ 'quoted'" },
    ]);
    const id = await keep(["calls:a1", "answer:a2"], { messages });
    expect(await find(id, "answer:a2", "calls:a1", "calls:a3")).toEqual({
      "calls:a1": messages,
      "answer:a2": messages,
    });
    expect(await find(id, "calls:a3")).toEqual({});
  });

  it("are replaced by those of a retry, their time too", async () => {
    const id = await keep(["calls:b"], { messages: "[1]", expiresAt: anHourAgo() });
    await keep(["calls:b", "calls:b2"], { apiKeyId: id, messages: "[2]" });
    expect(await find(id, "calls:b", "calls:b2")).toEqual({ "calls:b": "[2]", "calls:b2": "[2]" });
    expect(await rowsOf(id)).toBe(2);
  });

  it("are not found once their time has passed", async () => {
    const id = await keep(["calls:c"], { expiresAt: anHourAgo() });
    await keep(["calls:c2"], { apiKeyId: id });
    expect(await find(id, "calls:c", "calls:c2")).toEqual({ "calls:c2": "[]" });
  });

  it("are not found by another key, which can have its own in the same place", async () => {
    const id = await keep(["calls:d"], { messages: "[1]" });
    const other = await newKey();
    expect(await find(other, "calls:d")).toEqual({});
    await keep(["calls:d"], { apiKeyId: other, messages: "[2]" });
    expect([await find(id, "calls:d"), await find(other, "calls:d")]).toEqual([
      { "calls:d": "[1]" },
      { "calls:d": "[2]" },
    ]);
  });

  it("go with their key", async () => {
    const id = await keep(["calls:e"]);
    await deleteKey({ database, clientAddress: "" }, id);
    expect(await rowsOf(id)).toBe(0);
    expect(await find(id, "calls:e")).toEqual({});
  });

  it("of a key that is gone are not kept, and that is no error", async () => {
    const id = await keep(["calls:f"], { apiKeyId: uuidv7() });
    expect(await rowsOf(id)).toBe(0);
  });

  it("cannot be looked for in a place that nobody made", async () => {
    await expect(find(await newKey(), "x' or 'x' = 'x")).rejects.toThrow(
      "neither an id nor a place",
    );
  });
});

describe("a sweep", () => {
  /** So many expired rows, and one that is not. */
  async function keyWithExpired(count: number): Promise<string> {
    const lookups = Array.from({ length: count }, (_, index) => `calls:old-${index}`);
    const id = await keep(lookups, { expiresAt: anHourAgo() });
    return keep(["calls:new"], { apiKeyId: id });
  }

  it("deletes expired rows only, and at most 500 at once", async () => {
    await sweepHiddenRounds(database);
    const id = await keyWithExpired(600);
    const counts = [];
    for (let sweep = 0; sweep < 3; sweep++) {
      await sweepHiddenRounds(database);
      counts.push(await rowsOf(id));
    }
    expect(counts).toEqual([101, 1, 1]);
    expect(await find(id, "calls:new")).toEqual({ "calls:new": "[]" });
  });

  it("does not wait for another one, nor for a client that comes back meanwhile", async () => {
    const other: ConnectedDatabase = connectDatabase(
      { kind: "postgres", url, startupParameters: true },
      { max: 1 },
    );
    const id = await keyWithExpired(1100);
    const [took, left] = await database.transaction(async (transaction) => {
      await sweepHiddenRounds(transaction);
      const startedAt = performance.now();
      await sweepHiddenRounds(other.database);
      await findHiddenRounds(other.database, id, ["calls:old-0", "calls:new"]);
      const ended = performance.now() - startedAt;
      // Of the first sweep's rows nobody but itself knows yet that they are gone.
      const [row] = await other.database.execute<{ count: number }>(
        sql`select count(*)::int as count from hidden_rounds where api_key_id = ${id}`,
      );
      return [ended, row?.count];
    });
    expect(took).toBeLessThan(1000);
    expect([left, await rowsOf(id)]).toEqual([601, 101]);
    await other.close();
  });
});
