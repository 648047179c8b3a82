import { sql } from "drizzle-orm";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { connectDatabase } from "../../../src/node/database/connect-database.ts";
import { openDatabase } from "../../../src/node/database/open-database.ts";
import { dropBodyPartitions, ensureBodyPartitions } from "../../../src/store/body-partitions.ts";
import type { Database } from "../../../src/store/database.ts";
import { keepRecordInShape } from "../../../src/store/retention.ts";
import { startPostgres, type TestPostgres } from "../../helpers/postgres-server.ts";
import { memoryLogger } from "./memory-logger.ts";

type Opened = Awaited<ReturnType<typeof openDatabase>>;

const NOW = new Date("2031-05-20T12:00:00Z");
const days = (count: number) => new Date(NOW.getTime() - count * 86_400_000);

let server: TestPostgres;
const dataDir = mkdtempSync(join(tmpdir(), "retention-"));
const opened: Record<string, Opened> = {};
let url: string;

beforeAll(async () => {
  server = await startPostgres();
  url = await server.createDatabase();
  opened["PostgreSQL"] = await openDatabase({ databaseUrl: url, dataDir }, memoryLogger());
  opened["PGlite"] = await openDatabase({ databaseUrl: null, dataDir }, memoryLogger());
});
afterAll(async () => {
  for (const { close } of Object.values(opened)) await close();
  await server.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

function openedAs(name: string): Opened {
  const found = opened[name];
  if (found === undefined) throw new Error(`${name} was not opened`);
  return found;
}

/** A conversation with one message and one tool execution, and its last turn at a moment. */
async function converse(database: Database, at: Date, lastTurnAt = at): Promise<string> {
  const [id, turn, message, execution] = [uuidv7(), uuidv7(), uuidv7(), uuidv7()];
  const [moment, last] = [at.toISOString(), lastTurnAt.toISOString()];
  await database.execute(sql`insert into conversations (id, api_key_id, api_key_name, endpoint, status, created_at, updated_at)
    values (${id}, ${uuidv7()}, 'key', '/v1/chat/completions', 'completed', ${moment}::timestamptz, ${last}::timestamptz)`);
  await database.execute(sql`insert into turns (id, conversation_id, streamed, status, http_status, duration_ms, tools_offered, tools_shadowed, started_at)
    values (${turn}, ${id}, false, 'completed', 200, 1, '{}', '{}', ${moment}::timestamptz)`);
  await database.execute(sql`insert into messages (id, conversation_id, turn_id, position, role, created_at)
    values (${message}, ${id}, ${turn}, 0, 'user', ${moment}::timestamptz)`);
  await database.execute(sql`insert into message_bodies (message_id, created_at, conversation_id, content, tool_calls)
    values (${message}, ${moment}::timestamptz, ${id}, '"hello"', 'null')`);
  await database.execute(sql`insert into tool_executions
    (id, conversation_id, turn_id, tool_id, tool_name, type, tool_call_id, round, failed, started_at, duration_ms)
    values (${execution}, ${id}, ${turn}, ${uuidv7()}, 'tool', 'function', 'call', 1, false, ${moment}::timestamptz, 1)`);
  await database.execute(
    sql`insert into tool_execution_bodies (tool_execution_id, created_at, arguments) values (${execution}, ${moment}::timestamptz, '{}')`,
  );
  return id;
}

async function idsIn(database: Database, table: string): Promise<string[]> {
  const rows = await database.execute<{ id: string }>(
    sql`select ${sql.raw(table === "conversations" ? "id" : "conversation_id")} as id from ${sql.identifier(table)} order by 1`,
  );
  return rows.map(({ id }) => id);
}

/** The partitions that hold bodies of a conversation. */
async function placeOf(database: Database, conversationId: string): Promise<string | undefined> {
  const [row] = await database.execute<{ place: string }>(
    sql`select tableoid::regclass::text as place from message_bodies where conversation_id = ${conversationId}`,
  );
  return row?.place;
}

async function partitions(database: Database): Promise<string[]> {
  const rows = await database.execute<{
    name: string;
  }>(sql`select relname as name from pg_inherits join pg_class on pg_class.oid = inhrelid
    where inhparent = 'message_bodies'::regclass order by 1`);
  return rows.map(({ name }) => name);
}

const warnings: string[] = [];
const rules = (retentionDays: number | null, maxBatches = 100) => ({
  retentionDays,
  maxBatches,
  isEnding: () => false,
  warn: (message: string, fields: Record<string, unknown>) =>
    void warnings.push(`${message}: ${JSON.stringify(fields)}`),
});

describe.each(["PostgreSQL", "PGlite"])("the record's bodies by month, on %s", (name) => {
  let database: Database;
  beforeEach(async () => {
    ({ database } = openedAs(name));
    warnings.length = 0;
    await database.execute(sql`delete from conversations`);
    await dropBodyPartitions(database, new Date("2100-01-01"));
  });

  it("have a partition before the month begins, once, however often and by however many it is asked for", async () => {
    const changes = await Promise.all([1, 2, 3].map(() => ensureBodyPartitions(database, 2, NOW)));
    const made = changes.flatMap(({ changed }) => changed);
    expect(new Set(made).size).toBe(made.length);
    // Whoever found another one at it leaves the rest to it, or to the next time.
    await ensureBodyPartitions(database, 2, NOW);
    expect(await partitions(database)).toEqual([
      "message_bodies_2031_05",
      "message_bodies_2031_06",
      "message_bodies_default",
    ]);
    expect(await ensureBodyPartitions(database, 2, NOW)).toEqual({ changed: [], refused: null });
    expect(
      await placeOf(database, await converse(database, new Date("2031-05-31T23:59:59.999Z"))),
    ).toBe("message_bodies_2031_05");
    expect(
      await placeOf(database, await converse(database, new Date("2031-06-01T00:00:00.000Z"))),
    ).toBe("message_bodies_2031_06");
    expect(await placeOf(database, await converse(database, days(200)))).toBe(
      "message_bodies_default",
    );
  });

  it("move into the month's partition when some were in the default one before", async () => {
    const ids = [await converse(database, days(1)), await converse(database, days(40))];
    expect((await ensureBodyPartitions(database, 2, NOW)).refused).toBeNull();
    expect(await Promise.all(ids.map((id) => placeOf(database, id)))).toEqual([
      "message_bodies_2031_05",
      "message_bodies_default",
    ]);
    const [found] = await database.execute<{ content: string }>(
      sql`select content from message_bodies where conversation_id = ${ids[0]}`,
    );
    expect(found?.content).toBe('"hello"');
  });

  it("go with their conversation", async () => {
    await ensureBodyPartitions(database, 2, NOW);
    const id = await converse(database, days(1));
    await database.execute(sql`delete from conversations where id = ${id}`);
    expect(await idsIn(database, "message_bodies")).toEqual([]);
  });

  it("are kept for ever without a retention", async () => {
    const id = await converse(database, days(10_000));
    await keepRecordInShape(database, rules(null), NOW);
    expect(await idsIn(database, "message_bodies")).toEqual([id]);
  });

  it("go when they are older than the retention, with their conversations, and no others do", async () => {
    await ensureBodyPartitions(database, 3, days(95));
    const [old, young] = [await converse(database, days(91)), await converse(database, days(20))];
    const inOldMonthButYoung = await converse(database, days(50));
    // Its first turn is old, its last one is not: the conversation stays, what was said then goes
    // with its month.
    const stillGoing = await converse(database, days(94), days(2));
    const { dropped, deletedConversations } = await keepRecordInShape(database, rules(60), NOW);
    expect(dropped).toEqual(["message_bodies_2031_02", "tool_execution_bodies_2031_02"]);
    expect(deletedConversations).toBe(1);
    expect(await idsIn(database, "conversations")).toEqual(
      [young, inOldMonthButYoung, stillGoing].toSorted(),
    );
    expect(await idsIn(database, "message_bodies")).toEqual([young, inOldMonthButYoung].toSorted());
    expect(await idsIn(database, "tool_executions")).not.toContain(old);
    expect(warnings).toEqual([]);
  });

  it("go in small batches, the oldest first", async () => {
    const ids: string[] = [];
    for (let age = 0; age < 230; age++)
      ids.push(await converse(database, new Date(days(100).getTime() - age * 60_000)));
    expect((await keepRecordInShape(database, rules(60, 1), NOW)).deletedConversations).toBe(200);
    expect(await idsIn(database, "conversations")).toEqual(ids.slice(0, 30).toSorted());
    expect((await keepRecordInShape(database, rules(60), NOW)).deletedConversations).toBe(30);
    expect(await idsIn(database, "tool_executions")).toEqual([]);
  });
});

describe("a database that does not let the proxy make tables", () => {
  it("keeps bodies in the default partition, and the operator is told why", async () => {
    const { database } = openedAs("PostgreSQL");
    await dropBodyPartitions(database, new Date("2100-01-01"));
    await database.execute(sql`delete from conversations`);
    await database.execute(
      sql`create role writer login; grant select, insert, update, delete on all tables in schema public to writer`,
    );
    const asWriter = new URL(url);
    asWriter.username = "writer";
    const limited = connectDatabase(
      { kind: "postgres", url: asWriter.href, startupParameters: true },
      { max: 2 },
    );
    const old = await converse(limited.database, days(100));
    const young = await converse(limited.database, days(1));
    warnings.length = 0;
    const result = await keepRecordInShape(limited.database, rules(60), NOW);
    expect(result).toEqual({ made: [], dropped: [], deletedConversations: 1 });
    expect(warnings.join("\n")).toContain("permission denied");
    expect(await idsIn(database, "message_bodies")).toEqual([young]);
    expect(await idsIn(database, "conversations")).not.toContain(old);
    await limited.close();
  });

  it("is not kept waiting by a reader that does not end", async () => {
    const { database } = openedAs("PostgreSQL");
    const startedAt = Date.now();
    await database.transaction(async (transaction) => {
      await transaction.execute(sql`select * from messages limit 1`);
      const { refused } = await ensureBodyPartitions(database, 1, new Date("2040-01-05"));
      expect(refused).toContain("lock timeout");
    });
    expect(Date.now() - startedAt).toBeLessThan(10_000);
    expect((await ensureBodyPartitions(database, 1, new Date("2040-01-05"))).refused).toBeNull();
  });
});
