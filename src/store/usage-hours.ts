/**
 * What statistics and budgets are made of: the figures of each hour, added up as turns are written.
 */
import { and, getTableColumns, gte, inArray, sql, type SQL } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import { toolHours, usageHours } from "../../drizzle/schema.ts";
import { endpointGroup } from "./endpoint-group.ts";
import { addDuration } from "../record/histogram.ts";
import type { TurnRecord } from "../record/turn-record.ts";
import type { Database, Transaction } from "./database.ts";
import { addCounts, noCounts, type CountedTurn } from "./figures.ts";
import { plain } from "./insert-rows.ts";
import { cappedSum } from "./whole-count.ts";

type UsageHour = typeof usageHours.$inferSelect;
type ToolHour = typeof toolHours.$inferSelect;

const HOUR_MS = 3_600_000;
/** An index takes no longer keys than 2,700 bytes, and clients name their models as they like. */
const MAX_NAME_LENGTH = 200;

const hourOf = ({ startedAt }: TurnRecord) => new Date(Math.floor(startedAt / HOUR_MS) * HOUR_MS);
const nameOf = (text: string) => plain(text.slice(0, MAX_NAME_LENGTH));

/**
 * The row with this key among those that were made; rows are in the order of their keys, so that no
 * two writers wait for each other.
 */
function createRows<Row>() {
  const rows = new Map<string, Row>();
  return {
    at: (key: unknown[], create: () => Row): Row => {
      const text = JSON.stringify(key);
      const row = rows.get(text) ?? create();
      rows.set(text, row);
      return row;
    },
    sorted: (): Row[] => [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row),
  };
}

function emptyUsage(
  { apiKeyName }: TurnRecord,
  key: Pick<UsageHour, "hour" | "apiKeyId" | "model" | "endpoint">,
): UsageHour {
  return {
    ...key,
    apiKeyName: plain(apiKeyName),
    ...noCounts(),
    durations: [],
    timesToFirstToken: [],
  };
}

function addTurn(row: UsageHour, turn: CountedTurn): void {
  const { durationMs, timeToFirstTokenMs } = turn.record;
  addCounts(row, turn);
  addDuration(row.durations, durationMs);
  if (timeToFirstTokenMs !== null) addDuration(row.timesToFirstToken, timeToFirstTokenMs);
}

function usageRows(turns: CountedTurn[]): UsageHour[] {
  const rows = createRows<UsageHour>();
  for (const turn of turns) {
    const { record, read } = turn;
    const key = {
      hour: hourOf(record),
      apiKeyId: record.apiKeyId,
      model: nameOf(read.model ?? ""),
      endpoint: endpointGroup(record.endpoint),
    };
    addTurn(
      rows.at([key.hour, key.apiKeyId, key.model, key.endpoint], () => emptyUsage(record, key)),
      turn,
    );
  }
  return rows.sorted();
}

function toolRows(turns: CountedTurn[]): ToolHour[] {
  const rows = createRows<ToolHour>();
  for (const { record } of turns) {
    for (const execution of record.toolExecutions) {
      const key = {
        hour: hourOf(record),
        toolName: nameOf(execution.toolName),
        apiKeyId: record.apiKeyId,
      };
      const row = rows.at([key.hour, key.toolName, key.apiKeyId], () => ({
        ...key,
        executions: 0,
        failed: 0,
        durations: [],
      }));
      row.executions += 1;
      row.failed += execution.error === null ? 0 : 1;
      addDuration(row.durations, execution.durationMs);
    }
  }
  return rows.sorted();
}

interface RollupTable<Row> {
  table: PgTable;
  key: (keyof Row)[];
  /** What the latest writer says. */
  replaced?: (keyof Row)[];
}

const USAGE: RollupTable<UsageHour> = {
  table: usageHours,
  key: ["hour", "apiKeyId", "model", "endpoint"],
  replaced: ["apiKeyName"],
};
const TOOLS: RollupTable<ToolHour> = { table: toolHours, key: ["hour", "toolName", "apiKeyId"] };

/**
 * The sum of a column that is there and one that comes: element by element where it is a histogram.
 */
function summed(old: SQL, more: SQL, columnType: string): SQL {
  if (columnType === "PgBigInt53") return cappedSum(sql`${old} + ${more}`);
  if (columnType !== "PgArray") return sql`${old} + ${more}`;
  return sql`array(select coalesce(o, 0) + coalesce(m, 0) from unnest(${old}, ${more}) with ordinality sums(o, m, bucket) order by bucket)`;
}

/**
 * Adds rows to those that are there, as one statement with one JSON parameter: see `insertRows`.
 */
async function addRows<Row extends object>(
  transaction: Transaction,
  { table, key, replaced = [] }: RollupTable<Row>,
  rows: Row[],
) {
  if (rows.length === 0) return;
  const columns = Object.entries(getTableColumns(table)).map(([field, { name, columnType }]) => ({
    field: field as keyof Row,
    name: sql.identifier(name),
    text: name,
    columnType,
  }));
  const named = rows.map((row) =>
    Object.fromEntries(columns.map(({ field, text }) => [text, row[field]])),
  );
  const list = (chosen: typeof columns) =>
    sql.join(
      chosen.map(({ name }) => name),
      sql`, `,
    );
  const changes = columns
    .filter(({ field }) => !key.includes(field))
    .map(({ field, name, columnType }) =>
      replaced.includes(field)
        ? sql`${name} = excluded.${name}`
        : sql`${name} = ${summed(sql`${table}.${name}`, sql`excluded.${name}`, columnType)}`,
    );
  await transaction.execute(sql`
    insert into ${table} (${list(columns)})
    select ${list(columns)} from json_populate_recordset(null::${table}, ${JSON.stringify(named)}::text::json)
    on conflict (${list(columns.filter(({ field }) => key.includes(field)))}) do update set ${sql.join(changes, sql`, `)}`);
}

/**
 * Counts turns that were just written, each exactly once: in the transaction that wrote them, and
 * last, because the rows are busy.
 */
export async function addUsageHours(transaction: Transaction, turns: CountedTurn[]): Promise<void> {
  await addRows(transaction, USAGE, usageRows(turns));
}

/**
 * Counts the tool executions of turns that were just written. After {@link addUsageHours}: two
 * writers must have one order.
 */
export async function addToolHours(transaction: Transaction, turns: CountedTurn[]): Promise<void> {
  await addRows(transaction, TOOLS, toolRows(turns));
}

/**
 * What each key has spent in this calendar month (UTC), in US dollars; 0 for one that has spent
 * nothing.
 */
export async function monthlySpend(
  database: Database,
  apiKeyIds: string[],
  now = new Date(),
): Promise<Map<string, number>> {
  const spent = new Map(apiKeyIds.map((id) => [id, 0]));
  if (apiKeyIds.length === 0) return spent;
  const start = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth()));
  const rows = await database
    .select({ id: usageHours.apiKeyId, cost: sql<number>`sum(${usageHours.cost})` })
    .from(usageHours)
    .where(and(inArray(usageHours.apiKeyId, apiKeyIds), gte(usageHours.hour, start)))
    .groupBy(usageHours.apiKeyId);
  for (const { id, cost } of rows) spent.set(id, cost);
  return spent;
}
