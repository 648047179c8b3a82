import { sql } from "drizzle-orm";
import { conversations } from "../../drizzle/schema.ts";
import {
  dropBodyPartitions,
  ensureBodyPartitions,
  type PartitionChange,
} from "./body-partitions.ts";
import type { Database } from "./database.ts";

/** How a record is kept in shape. */
export interface RetentionRules {
  /** Null: everything is kept for ever. */
  retentionDays: number | null;
  /** How many batches of conversations one run may delete. */
  maxBatches: number;
  /** Told in a sentence what the database refused. */
  warn(message: string, fields: Record<string, unknown>): void;
  /** Ends the run between two batches. */
  isEnding(): boolean;
}

/** What a run did. */
export interface RetentionResult {
  made: string[];
  dropped: string[];
  deletedConversations: number;
}

const DAY_MS = 86_400_000;
/** This month and the next: a month's partition is there long before its first row. */
const MONTHS = 2;
/** Few enough that nobody waits for one batch. */
const BATCH_ROWS = 200;
/** Between two batches, for everybody else. */
const PAUSE_MS = 50;

/**
 * Deletes the conversations that had their last turn longest ago, at most {@link BATCH_ROWS}, with
 * all that belongs to them. Replicas that do so at the same time do not wait for one another.
 */
async function deleteBatch(database: Database, before: Date): Promise<number> {
  const deleted = await database.execute(sql`
    delete from ${conversations} where id = any (array(
      select id from ${conversations} where updated_at < ${before.toISOString()}::timestamptz
      order by updated_at limit ${sql.raw(String(BATCH_ROWS))} for update skip locked))
    returning id`);
  return deleted.length;
}

async function deleteOld(
  database: Database,
  before: Date,
  { maxBatches, isEnding }: RetentionRules,
): Promise<number> {
  let sum = 0;
  for (let batch = 0; batch < maxBatches && !isEnding(); batch++) {
    const deleted = await deleteBatch(database, before);
    sum += deleted;
    if (deleted < BATCH_ROWS) break;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return sum;
}

/**
 * Makes the partitions of months to come, and deletes what is older than the retention: first by
 * partitions, then by rows.
 */
export async function keepRecordInShape(
  database: Database,
  rules: RetentionRules,
  now = new Date(),
): Promise<RetentionResult> {
  const report = ({ changed, refused }: PartitionChange, message: string): string[] => {
    if (refused !== null) rules.warn(message, { reason: refused });
    return changed;
  };
  const made = report(
    await ensureBodyPartitions(database, MONTHS, now),
    "The record has no partition for a month; its bodies go into the default partition, and old ones are deleted one by one",
  );
  if (rules.retentionDays === null) return { made, dropped: [], deletedConversations: 0 };
  const before = new Date(now.getTime() - rules.retentionDays * DAY_MS);
  const dropped = report(
    await dropBodyPartitions(database, before),
    "A partition of old bodies could not be dropped yet",
  );
  return { made, dropped, deletedConversations: await deleteOld(database, before, rules) };
}
