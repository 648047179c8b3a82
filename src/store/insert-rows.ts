import { getTableColumns, sql, type SQL } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import type { Transaction } from "./database.ts";

/**
 * PostgreSQL's text holds neither NUL nor half a surrogate pair, both of which models and clients
 * do send in names and errors. JSON text has them escaped.
 */
export const plain = <T extends string | null>(text: T): T =>
  text === null ? text : (text.replaceAll("\0", "").toWellFormed() as T);

/**
 * Inserts rows as one JSON parameter. A fifth of the CPU time of a statement with a parameter for
 * each value (measured 2026-11). Every column must have a value: defaults do not apply.
 */
export async function insertRows<Table extends PgTable>(
  transaction: Transaction,
  table: Table,
  rows: Required<Table["$inferInsert"]>[],
): Promise<void> {
  if (rows.length > 0) await transaction.execute(insertStatement(table, rows));
}

/** Inserts rows that have an id, and gives the ids of those that were not there yet. */
export async function insertNew<Table extends PgTable>(
  transaction: Transaction,
  table: Table,
  rows: Required<Table["$inferInsert"]>[],
): Promise<Set<string>> {
  if (rows.length === 0) return new Set();
  const written = await transaction.execute<{ id: string }>(
    sql`${insertStatement(table, rows)} returning id`,
  );
  return new Set(written.map(({ id }) => id));
}

function insertStatement<Table extends PgTable>(
  table: Table,
  rows: Required<Table["$inferInsert"]>[],
): SQL {
  const columns = Object.entries(getTableColumns(table)).map(([field, { name }]) => ({
    field,
    name,
  }));
  const named = rows.map((row) =>
    Object.fromEntries(
      columns.map(({ field, name }) => [name, (row as Record<string, unknown>)[field]]),
    ),
  );
  const names = sql.join(
    columns.map(({ name }) => sql.identifier(name)),
    sql`, `,
  );
  return sql`insert into ${table} (${names}) select ${names} from json_populate_recordset(null::${table}, ${JSON.stringify(named)}::text::json) on conflict do nothing`;
}
