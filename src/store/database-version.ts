import { sql } from "drizzle-orm";
import type { Database } from "./database.ts";

/** The version that PostgreSQL says it has, such as `18.1`. */
export async function databaseVersion(database: Database): Promise<string> {
  const [row] = await database.execute<{ version: string }>(
    sql`select split_part(current_setting('server_version'), ' ', 1) as version`,
  );
  return row?.version ?? "unknown";
}
