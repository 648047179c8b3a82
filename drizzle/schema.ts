/**
 * The one schema, for PostgreSQL 15 or newer and for the embedded PGlite. Bodies (message content,
 * tool arguments and results) are in tables of their own, so that no list reads them. Bodies are
 * `text` that holds JSON: a `jsonb` column costs the server four times as much per row, and refuses
 * the NUL character that models do write.
 */
export * from "./access-tables.ts";
export * from "./figure-tables.ts";
export * from "./record-tables.ts";
