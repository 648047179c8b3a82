import { sql, type SQL, type SQLWrapper } from "drizzle-orm";

/** The highest number up to which JavaScript counts exactly. */
const MAX_COUNT = Number.MAX_SAFE_INTEGER;
/** US dollars. Beyond any bill, and far from where sums leave double precision. */
const MAX_COST = 1e12;

/**
 * A count that somebody else made, as a column takes it: whole, from 0 to 2^53-1. Upstreams do send
 * `1000000.5`, `3e9`, `1e300` and less than nothing, and none of that may keep a record from being
 * written.
 */
export function wholeCount<Count extends number | null>(count: Count): Count {
  if (count === null) return count;
  return Math.min(Math.max(Math.round(count), 0), MAX_COUNT) as Count;
}

/** US dollars that somebody else named, as a column takes them. */
export function finiteCost<Cost extends number | null>(cost: Cost): Cost {
  if (cost === null) return cost;
  return Math.min(Math.max(cost, 0), MAX_COST) as Cost;
}

/** A sum of counts in SQL, which ends at the highest count instead of failing. */
export const cappedSum = (sum: SQLWrapper): SQL =>
  sql`least(${sum}, ${sql.raw(String(MAX_COUNT))})`;
