import { eq, sql } from "drizzle-orm";
import { apiKeys, apiKeyTools } from "../../drizzle/schema.ts";
import type { Database, Transaction } from "./database.ts";
import { monthlySpend } from "./usage-hours.ts";

/** A key as the operator sees it: without its hash and without its upstream key. */
export interface StoredKey {
  id: string;
  name: string;
  keyPrefix: string;
  /** Its last 4 characters; empty for keys that were made before they were kept. */
  keySuffix: string;
  isActive: boolean;
  /** Assigned tools, active or not, oldest first. */
  toolIds: string[];
  expiresAt: Date | null;
  hasOpenaiApiKey: boolean;
  openaiBaseUrl: string | null;
  /** Null: all models. */
  allowedModels: string[] | null;
  /** Whether hidden rounds of earlier turns are put back into the history. */
  toolMemory: boolean;
  /** Rounds with tools in one turn; null: the server's `TOOL_MAX_ROUNDS`. */
  toolMaxRounds: number | null;
  /** `metadata`: the record has no content of messages, arguments and results. */
  logContent: "full" | "metadata";
  /** Null: no limit. */
  requestsPerMinute: number | null;
  tokensPerMinute: number | null;
  /** US dollars in a calendar month (UTC); null: no limit. */
  monthlyBudget: number | null;
  /**
   * How long `/mcp` may give an answer again, in seconds; null: the server's
   * `ANSWER_CACHE_SECONDS`.
   */
  answerCacheSeconds: number | null;
  /** Whether requests are served whose price is not known. */
  unpriced: "allow" | "refuse";
  /** Within a minute. */
  lastUsedAt: Date | null;
  /** Until when the key that a rotation replaced is accepted; null where none is. */
  previousExpiresAt: Date | null;
  /** US dollars of this calendar month (UTC), as far as prices are known. */
  spend: { month: number };
  createdAt: Date;
  updatedAt: Date;
}

/** A key without what other tables know of it. */
export type KeyRow = Omit<StoredKey, "spend">;

/**
 * As text: arrays arrive differently with each driver and setting. Ids are UUIDs of version 7, so
 * they order by age.
 */
const assignedTools = sql`(select string_agg(${apiKeyTools.toolId}::text, ',' order by ${apiKeyTools.toolId}) from ${apiKeyTools} where ${apiKeyTools.apiKeyId} = ${apiKeys.id})`;

/** The columns of a {@link KeyRow}, for `select`. */
export const KEY_COLUMNS = {
  id: apiKeys.id,
  name: apiKeys.name,
  keyPrefix: apiKeys.keyPrefix,
  keySuffix: apiKeys.keySuffix,
  isActive: apiKeys.isActive,
  toolIds: assignedTools.mapWith((ids: string) => ids.split(",")) as ReturnType<
    typeof sql<string[] | null>
  >,
  expiresAt: apiKeys.expiresAt,
  hasOpenaiApiKey: sql<boolean>`${apiKeys.openaiApiKey} is not null`,
  openaiBaseUrl: apiKeys.openaiBaseUrl,
  allowedModels: apiKeys.allowedModels,
  toolMemory: apiKeys.toolMemory,
  toolMaxRounds: apiKeys.toolMaxRounds,
  logContent: apiKeys.logContent,
  requestsPerMinute: apiKeys.requestsPerMinute,
  tokensPerMinute: apiKeys.tokensPerMinute,
  monthlyBudget: apiKeys.monthlyBudget,
  answerCacheSeconds: apiKeys.answerCacheSeconds,
  unpriced: apiKeys.unpriced,
  lastUsedAt: apiKeys.lastUsedAt,
  previousExpiresAt: apiKeys.previousExpiresAt,
  createdAt: apiKeys.createdAt,
  updatedAt: apiKeys.updatedAt,
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
