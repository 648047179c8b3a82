import { sql } from "drizzle-orm";
import type { Database } from "./database.ts";

/** Resolves when the database has answered. */
export async function pingDatabase(database: Database): Promise<void> {
  await database.execute(sql`select 1`);
}
