import { eq, getTableColumns, sql } from "drizzle-orm";
import { apiKeys, apiKeyTools } from "../../drizzle/schema.ts";
import type { Database, Transaction } from "./database.ts";
import { monthlySpend } from "./usage-hours.ts";

/** Secrets, and what they are recognised by. */
type Hidden = "keyHash" | "previousKeyHash" | "openaiApiKey";

/**
 * A key as the operator sees it, without what other tables know of it. Its columns, and what they
 * mean, are the schema's: a column that is added there is here.
 */
export interface KeyRow extends Omit<typeof apiKeys.$inferSelect, Hidden> {
  /** Assigned tools, active or not, oldest first. */
  toolIds: string[];
  hasOpenaiApiKey: boolean;
}

/** A key as it is shown. */
export interface StoredKey extends KeyRow {
  /** US dollars of this calendar month (UTC), as far as prices are known. */
  spend: { month: number };
}
/**
 * As text: arrays arrive differently with each driver and setting. Ids are UUIDs of version 7, so
 * they order by age.
 */
const assignedTools = sql`(select string_agg(${apiKeyTools.toolId}::text, ',' order by ${apiKeyTools.toolId}) from ${apiKeyTools} where ${apiKeyTools.apiKeyId} = ${apiKeys.id})`;

const {
  keyHash: _hash,
  previousKeyHash: _previousHash,
  openaiApiKey: _upstreamKey,
  ...shownColumns
} = getTableColumns(apiKeys);

/** The columns of a {@link KeyRow}, for `select`. */
export const KEY_COLUMNS = {
  ...shownColumns,
  toolIds: assignedTools.mapWith((ids: string) => ids.split(",")) as ReturnType<
    typeof sql<string[] | null>
  >,
  hasOpenaiApiKey: sql<boolean>`${apiKeys.openaiApiKey} is not null`,
};

/** A row of {@link KEY_COLUMNS} as it is shown. */
export function toKeyRow(row: Omit<KeyRow, "toolIds"> & { toolIds: string[] | null }): KeyRow {
  const isPreviousAccepted =
    row.previousExpiresAt !== null && row.previousExpiresAt.getTime() > Date.now();
  return {
    ...row,
    toolIds: row.toolIds ?? [],
    previousExpiresAt: isPreviousAccepted ? row.previousExpiresAt : null,
  };
}

/** One key, or null. */
export async function findKeyRow(
  database: Database | Transaction,
  id: string,
): Promise<KeyRow | null> {
  const [row] = await database.select(KEY_COLUMNS).from(apiKeys).where(eq(apiKeys.id, id));
  return row === undefined ? null : toKeyRow(row);
}

/** Keys with what they cost this month. */
export async function withSpend(database: Database, rows: KeyRow[]): Promise<StoredKey[]> {
  const spent =
    rows.length === 0
      ? new Map<string, number>()
      : await monthlySpend(
          database,
          rows.map(({ id }) => id),
        );
  return rows.map(({ createdAt, updatedAt, ...row }) => ({
    ...row,
    spend: { month: spent.get(row.id) ?? 0 },
    createdAt,
    updatedAt,
  }));
}
