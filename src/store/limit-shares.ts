/** Parts of keys' limits that processes may use without asking one another. */
import { sql } from "drizzle-orm";
import type { Database } from "./database.ts";

/** What a process tells of a limit, and asks for. Amounts are requests, tokens or US dollars. */
export interface AskedShare {
  meter: string;
  limit: number;
  /** Used, of which the record does not tell; of a limit by the minute, in the last one. */
  used: number;
  /** What turns under way may yet use. */
  held: number;
  /** What it keeps of the part that it has. */
  kept: number;
  /** What requests are waiting for. */
  needed: number;
  /** What it would take beyond that, of which it gets half of what is left at most. */
  more: number;
  /** From when on the record counts, or null where it does not. */
  since: Date | null;
}

/** What a process may use of a limit from now on. */
export interface GrantedShare {
  free: number;
  /** What the other processes used: see {@link AskedShare.used}. */
  othersUsed: number;
  /** What is on record. */
  recorded: number;
  /** What nobody has: less than nothing where more is used than the limit. */
  left: number;
}

const call = (holder: string, apiKeyId: string, asked: AskedShare, index: number) => sql`
  select ${index}::int as index, out_free as free, out_others_used as others_used,
    out_recorded as recorded, out_left as "left"
  from share_limit(${apiKeyId}::uuid, ${asked.meter}, ${holder}::uuid, ${asked.limit}::float8,
    ${asked.used}::float8, ${asked.held}::float8, ${asked.kept}::float8, ${asked.needed}::float8,
    ${asked.more}::float8, ${asked.since?.toISOString() ?? null}::timestamptz)`;

/**
 * Tells the other processes what this one uses of a key's limits, and takes a part of what is left
 * of each: all parts together are never more than the limit. A part that is not asked for again is
 * nobody's after a few seconds.
 * @param holder the process
 * @param asked in an order that all processes keep, because each limit is locked after the other
 */
export async function shareLimits(
  database: Database,
  { holder, apiKeyId }: { holder: string; apiKeyId: string },
  asked: AskedShare[],
): Promise<GrantedShare[]> {
  const calls = asked.map((one, index) => call(holder, apiKeyId, one, index));
  const rows = await database.execute<{
    index: number;
    free: number;
    others_used: number;
    recorded: number;
    left: number;
  }>(sql.join(calls, sql` union all `));
  const inOrder = rows.toSorted((one, other) => one.index - other.index);
  return inOrder.map(({ free, others_used: othersUsed, recorded, left }) => ({
    free,
    othersUsed,
    recorded,
    left,
  }));
}
