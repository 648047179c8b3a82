import type { PostgresJsDatabase } from "drizzle-orm/postgres-js";
import type * as schema from "../../drizzle/schema.ts";

/**
 * The database handle that every store function takes: drizzle over postgres.js, on both runtimes,
 * for PGlite too.
 */
export type Database = PostgresJsDatabase<typeof schema>;

/** A handle inside a transaction. */
export type Transaction = Parameters<Parameters<Database["transaction"]>[0]>[0];
