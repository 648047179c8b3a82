import { inArray } from "drizzle-orm";
import { apiKeys } from "../../drizzle/schema.ts";
import type { Database } from "./database.ts";
import { isUuid } from "./uuid.ts";

/** Names of keys by id; keys that were deleted have none. */
export async function nameKeys(database: Database, ids: string[]): Promise<Map<string, string>> {
  const possible = [...new Set(ids)].filter(isUuid);
  if (possible.length === 0) return new Map();
  const rows = await database
    .select({ id: apiKeys.id, name: apiKeys.name })
    .from(apiKeys)
    .where(inArray(apiKeys.id, possible));
  return new Map(rows.map(({ id, name }) => [id, name]));
}
