import { and, asc, desc, ilike, or, sql, type SQL } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { apiKeys, usageHours } from "../../drizzle/schema.ts";
import { ApiError } from "../openai/api-error.ts";
import type { Database } from "./database.ts";
import { KEY_COLUMNS, toKeyRow, withSpend, type StoredKey } from "./key-row.ts";
import { encodeCursor, readCursor, type Page, type PageRequest } from "./page.ts";
import { readTime } from "./storable-time.ts";
import { isUuid } from "./uuid.ts";

/** By what keys can be ordered. */
export const KEY_SORTS = ["createdAt", "name", "lastUsedAt", "expiresAt", "spend"] as const;

/** One of {@link KEY_SORTS}. */
export type KeySort = (typeof KEY_SORTS)[number];

/** Which keys are wanted, and in which order. */
export interface KeyListRequest extends PageRequest {
  /** What the name, or the visible start or end of the key, contains. */
  q?: string | undefined;
  sort: KeySort;
  order: "asc" | "desc";
}

/** What a list is ordered by. */
interface SortColumn {
  value: SQL;
  /** The value as a cursor has it. */
  text: SQL;
  /** The type as which that text is compared. */
  type: SQL;
  /** Whether a text can be such a value: one that cannot would fail the query. */
  accepts(text: string): boolean;
}

const momentColumn = (column: PgColumn): SortColumn => ({
  value: sql`${column}`,
  text: sql`to_char(${column} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`,
  type: sql`timestamptz`,
  accepts: (text) => readTime(text)?.toISOString() === text,
});

/**
 * Exact numbers: a sum of floating-point ones depends on the order in which they are added, and a
 * cursor must not.
 */
const spentThisMonth = sql`(select coalesce(sum(${usageHours.cost}::numeric), 0) from ${usageHours}
  where ${usageHours.apiKeyId} = ${apiKeys.id} and ${usageHours.hour} >= date_trunc('month', now() at time zone 'utc') at time zone 'utc')`;
const lowerName = sql`lower(${apiKeys.name})`;

const SORT_COLUMNS: Record<KeySort, SortColumn> = {
  createdAt: momentColumn(apiKeys.createdAt),
  name: {
    value: lowerName,
    text: lowerName,
    type: sql`text`,
    accepts: (text) => !text.includes("\0"),
  },
  lastUsedAt: momentColumn(apiKeys.lastUsedAt),
  expiresAt: momentColumn(apiKeys.expiresAt),
  spend: {
    value: spentThisMonth,
    text: sql`${spentThisMonth}::text`,
    type: sql`numeric`,
    accepts: (text) => /^\d{1,20}(\.\d{1,40})?$/.test(text),
  },
};

/** Where a page ended: what was sorted by (null: the key has none) and the id. */
interface Place {
  value: string | null;
  id: string;
}

/** @throws ApiError 400 where the text is no cursor of ours, or one of another order */
function placeOf({ cursor, sort, order }: KeyListRequest): Place | null {
  if (cursor === undefined) return null;
  const [ofSort, ofOrder, value, id] = readCursor(cursor);
  const isValue =
    value === null || (typeof value === "string" && SORT_COLUMNS[sort].accepts(value));
  if (ofSort === sort && ofOrder === order && isValue && typeof id === "string" && isUuid(id))
    return { value, id };
  throw new ApiError(
    "invalid_value",
    "This cursor is not one of this list in this order. Begin without a cursor.",
    { param: "cursor" },
  );
}

/**
 * The condition for keys that come after a place. Keys without a value come last, whichever the
 * order is.
 */
function after(place: Place | null, { sort, order }: KeyListRequest): SQL | undefined {
  if (place === null) return undefined;
  const { value, type } = SORT_COLUMNS[sort];
  const beyond = order === "asc" ? sql`>` : sql`<`;
  const later = sql`${apiKeys.id} ${beyond} ${place.id}::uuid`;
  if (place.value === null) return sql`(${value} is null and ${later})`;
  const bound = sql`${place.value}::text::${type}`;
  return sql`(${value} ${beyond} ${bound} or (${value} = ${bound} and ${later}) or ${value} is null)`;
}

/** What the text has, with no character of it taken for a pattern's. */
function containing(q: string | undefined): SQL | undefined {
  if (q === undefined || q === "") return undefined;
  const pattern = `%${q.replace(/[\\%_]/g, "\\$&")}%`;
  return or(
    ilike(apiKeys.name, pattern),
    ilike(apiKeys.keyPrefix, pattern),
    ilike(apiKeys.keySuffix, pattern),
  );
}

/**
 * Keys in any order, in pages.
 * @throws ApiError 400 for a cursor that is none, or of another order
 */
export async function listKeys(
  database: Database,
  request: KeyListRequest,
): Promise<Page<StoredKey>> {
  const { sort, order, limit, q } = request;
  const { value, text } = SORT_COLUMNS[sort];
  const rows = await database
    .select({ key: KEY_COLUMNS, place: sql<string | null>`${text}` })
    .from(apiKeys)
    .where(and(containing(q), after(placeOf(request), request)))
    .orderBy(
      order === "asc" ? sql`${value} asc nulls last` : sql`${value} desc nulls last`,
      order === "asc" ? asc(apiKeys.id) : desc(apiKeys.id),
    )
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const nextCursor =
    rows.length > limit && last !== undefined
      ? encodeCursor([sort, order, last.place, last.key.id])
      : null;
  return {
    data: await withSpend(
      database,
      page.map(({ key }) => toKeyRow(key)),
    ),
    nextCursor,
  };
}
