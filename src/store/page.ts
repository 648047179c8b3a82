import { sql, type SQL } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { base64url } from "jose";
import { ApiError } from "../openai/api-error.ts";
import { parseJson } from "../openai/json.ts";
import { readTime } from "./storable-time.ts";
import { isUuid } from "./uuid.ts";

/** Which part of a list is wanted. */
export interface PageRequest {
  /** 1–200 rows. */
  limit: number;
  /** `nextCursor` of the page before. */
  cursor?: string | undefined;
}

/** Part of a list, newest first. */
export interface Page<Row> {
  data: Row[];
  /** Opaque; null on the last page. */
  nextCursor: string | null;
}

interface Position {
  id: string;
  createdAt: Date;
}

interface Ordered {
  id: PgColumn;
  createdAt: PgColumn;
}

/** The cursor of a place in a list: opaque to clients. {@link readCursor} gives its parts back. */
export function encodeCursor(parts: (string | null)[]): string {
  return base64url.encode(JSON.stringify(parts));
}

/** @throws ApiError 400 where the text is no cursor of ours */
function decodeCursor(cursor: string): Position {
  const [time, id] = readCursor(cursor);
  const createdAt = typeof time === "string" ? readTime(time) : null;
  if (createdAt !== null && typeof id === "string" && isUuid(id)) return { createdAt, id };
  throw new ApiError(
    "invalid_value",
    "This cursor is not valid. Take nextCursor of the page before as it stands, or begin without a cursor.",
    {
      param: "cursor",
    },
  );
}

/** The parts of a cursor, unchecked: clients may send anything. */
export function readCursor(cursor: string): unknown[] {
  const value = parseJson(decodeText(cursor));
  return Array.isArray(value) ? value : [];
}

/** The text, or an empty one where there is none. */
function decodeText(cursor: string): string {
  try {
    return new TextDecoder().decode(base64url.decode(cursor));
  } catch (error) {
    if (error instanceof TypeError) return "";
    throw error;
  }
}

/**
 * Newest first; the id decides between rows of one millisecond. Nulls, of which there are none, are
 * named as the indexes have them, read from either end: in another order of theirs, an index does
 * not serve, and a list of a million rows takes half a second.
 */
export function newestFirst(table: Ordered): SQL[] {
  return [sql`${table.createdAt} desc nulls last`, sql`${table.id} desc nulls last`];
}

/** The condition for rows that come after the cursor's, in the order of {@link newestFirst}. */
export function afterCursor(table: Ordered, { cursor }: PageRequest): SQL | undefined {
  if (cursor === undefined) return undefined;
  const { createdAt, id } = decodeCursor(cursor);
  return sql`(${table.createdAt}, ${table.id}) < (${createdAt.toISOString()}::timestamptz, ${id}::uuid)`;
}

/** When the last row of the page before was made, or null for a first page. */
export function cursorTime({ cursor }: PageRequest): Date | null {
  return cursor === undefined ? null : decodeCursor(cursor).createdAt;
}

/** A page of rows that were selected with `limit + 1`, so that it is known whether more follow. */
export function toPage<Row extends Position>(rows: Row[], { limit }: PageRequest): Page<Row> {
  const data = rows.slice(0, limit);
  const last = data.at(-1);
  return {
    data,
    nextCursor:
      rows.length > limit && last !== undefined
        ? encodeCursor([last.createdAt.toISOString(), last.id])
        : null,
  };
}
