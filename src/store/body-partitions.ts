import { sql } from "drizzle-orm";
import type { Database, Transaction } from "./database.ts";
import { causesOf, inTransaction } from "./database-error.ts";
import { isObject } from "../openai/json.ts";

/**
 * Tables that are partitioned by month (UTC) of `created_at`, and the table that each refers to.
 */
const TABLES = { message_bodies: "messages", tool_execution_bodies: "tool_executions" } as const;
const NAMES = Object.keys(TABLES) as (keyof typeof TABLES)[];

/** What became of partitions that were to be made or dropped. */
export interface PartitionChange {
  /** Names of those that were made or dropped. */
  changed: string[];
  /** Why not all were, or null: the database does not let us, or is too busy just now. */
  refused: string | null;
}

interface Month {
  table: keyof typeof TABLES;
  /** Name of the partition. */
  name: string;
  from: Date;
  to: Date;
}

/** Any number, so long as all replicas have the same: it is the name of the lock. */
const LOCK = 4_180_042;
/**
 * Making a partition waits for those who read the table, and everybody else for us: better to try
 * again in an hour.
 */
const LOCK_LIMIT_MS = 1000;
/**
 * Rows of a month that the default partition has already, and that are moved. More of them stay
 * where they are.
 */
const MAX_MOVED_ROWS = 5000;

const monthStart = (moment: Date, offset: number) =>
  new Date(Date.UTC(moment.getUTCFullYear(), moment.getUTCMonth() + offset, 1));
const nameOf = (table: string, from: Date) =>
  `${table}_${from.toISOString().slice(0, 7).replace("-", "_")}`;

function monthOf(table: keyof typeof TABLES, from: Date): Month {
  return { table, name: nameOf(table, from), from, to: monthStart(from, 1) };
}

/** Names of a table's partitions by month. */
async function partitionsOf(database: Database | Transaction, table: string): Promise<Set<string>> {
  const rows = await database.execute<{ name: string }>(
    sql`select relname as name from pg_inherits join pg_class on pg_class.oid = inhrelid where inhparent = to_regclass(${table})`,
  );
  return new Set(rows.map(({ name }) => name));
}

const literal = (moment: Date) => sql.raw(`'${moment.toISOString()}'`);

/**
 * Takes, in the order in which a writer takes them, the locks that the change would take one by one
 * in another: no deadlock.
 */
async function lockTables(transaction: Transaction, table: keyof typeof TABLES): Promise<void> {
  await transaction.execute(
    sql`lock table ${sql.identifier(TABLES[table])}, ${sql.identifier(table)} in access exclusive mode`,
  );
}

/**
 * Rows of the month leave the default partition for a while, because PostgreSQL makes no partition
 * beside rows that belong into it.
 */
async function makePartition(
  transaction: Transaction,
  { table, name, from, to }: Month,
): Promise<boolean> {
  const [parent, partition, rest] = [
    sql.identifier(table),
    sql.identifier(name),
    sql.identifier(`${table}_default`),
  ];
  const moved = sql.identifier(`${name}_moved`);
  const ofMonth = sql`created_at >= ${literal(from)} and created_at < ${literal(to)}`;
  await lockTables(transaction, table);
  const [found] = await transaction.execute<{ count: number }>(
    sql`select count(*)::int as count from (select from ${rest} where ${ofMonth} limit ${sql.raw(String(MAX_MOVED_ROWS + 1))}) some_rows`,
  );
  const count = found?.count ?? 0;
  if (count > MAX_MOVED_ROWS) return false;
  if (count > 0) {
    await transaction.execute(
      sql`create temporary table ${moved} on commit drop as select * from ${rest} where ${ofMonth}`,
    );
    await transaction.execute(sql`delete from ${rest} where ${ofMonth}`);
  }
  await transaction.execute(
    sql`create table ${partition} partition of ${parent} for values from (${literal(from)}) to (${literal(to)})`,
  );
  if (count > 0) await transaction.execute(sql`insert into ${parent} select * from ${moved}`);
  return true;
}

/**
 * Refusals that are not faults: no permission (42501), a lock that did not come (55P03), another
 * was faster (42P07, 23514, 40P01).
 */
const REFUSALS = new Set(["42501", "55P03", "42P07", "23514", "40P01"]);

function refusalOf(error: unknown): string {
  const refusal = causesOf(error).find(
    (cause) => isObject(cause) && REFUSALS.has(String(cause["code"])),
  );
  if (!(refusal instanceof Error)) throw error;
  return refusal.message;
}

/** Runs work alone among all replicas, and gives null where another one is at it. */
async function alone<Result>(
  database: Database,
  work: (transaction: Transaction) => Promise<Result>,
): Promise<Result | null> {
  return inTransaction(database, async (transaction) => {
    const [lock] = await transaction.execute<{ mine: boolean }>(
      sql`select pg_try_advisory_xact_lock(${sql.raw(String(LOCK))}) as mine`,
    );
    if (lock === undefined || !lock.mine) return null;
    await transaction.execute(sql.raw(`set local lock_timeout = ${LOCK_LIMIT_MS}`));
    return work(transaction);
  });
}

async function change(
  months: Month[],
  work: (month: Month) => Promise<boolean | null>,
): Promise<PartitionChange> {
  const result: PartitionChange = { changed: [], refused: null };
  for (const month of months) {
    try {
      if ((await work(month)) === true) result.changed.push(month.name);
    } catch (error) {
      result.refused = refusalOf(error);
      break;
    }
  }
  return result;
}

/**
 * Makes the partitions of the current month and of those that follow, where there are none yet.
 * Rows of a month without a partition go into the default one, so that a refusal loses nothing.
 * @param months how many, the current one included
 */
export async function ensureBodyPartitions(
  database: Database,
  months: number,
  now = new Date(),
): Promise<PartitionChange> {
  const missing: Month[] = [];
  for (const table of NAMES) {
    const there = await partitionsOf(database, table);
    for (let offset = 0; offset < months; offset++) {
      const month = monthOf(table, monthStart(now, offset));
      if (!there.has(month.name)) missing.push(month);
    }
  }
  return change(missing, (month) =>
    alone(database, async (transaction) => {
      if ((await partitionsOf(transaction, month.table)).has(month.name)) return false;
      return makePartition(transaction, month);
    }),
  );
}

/** Drops the partitions of months that were over before a moment. */
export async function dropBodyPartitions(
  database: Database,
  before: Date,
): Promise<PartitionChange> {
  const old: Month[] = [];
  for (const table of NAMES) {
    for (const name of await partitionsOf(database, table)) {
      const [, year, number] = /_(\d{4})_(\d\d)$/.exec(name) ?? [];
      if (year === undefined || number === undefined) continue;
      const month = monthOf(table, new Date(Date.UTC(Number(year), Number(number) - 1, 1)));
      if (month.name === name && month.to <= before) old.push(month);
    }
  }
  return change(old, ({ table, name }) =>
    alone(database, async (transaction) => {
      await lockTables(transaction, table);
      await transaction.execute(sql`drop table if exists ${sql.identifier(name)}`);
      return true;
    }),
  );
}
