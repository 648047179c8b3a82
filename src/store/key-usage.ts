import { and, eq, gte, inArray, isNull, lt, or, sql } from "drizzle-orm";
import { apiKeys, usageHours } from "../../drizzle/schema.ts";
import type { Database } from "./database.ts";

/** What all replicas together have on record of a key. */
export interface RecordedUsage {
  /** Without those that the proxy refused: they took nothing from the limits. */
  requests: number;
  tokens: number;
}

/** What is on record of these keys since an hour, by key id; nothing of keys that were not used. */
export async function recordedUsage(
  database: Database,
  apiKeyIds: string[],
  since: Date,
): Promise<Map<string, RecordedUsage>> {
  const rows = await database
    .select({
      id: usageHours.apiKeyId,
      requests: sql`sum(${usageHours.requests} - ${usageHours.refused})`.mapWith(Number),
      tokens: sql`sum(${usageHours.promptTokens} + ${usageHours.completionTokens})`.mapWith(Number),
    })
    .from(usageHours)
    .where(and(inArray(usageHours.apiKeyId, apiKeyIds), gte(usageHours.hour, since)))
    .groupBy(usageHours.apiKeyId);
  return new Map(rows.map(({ id, requests, tokens }) => [id, { requests, tokens }]));
}

/** Notes that a key was used, unless another replica noted a use after `unlessSince`. */
export async function noteKeyUse(
  database: Database,
  apiKeyId: string,
  { at, unlessSince }: { at: Date; unlessSince: Date },
): Promise<void> {
  const isOld = or(isNull(apiKeys.lastUsedAt), lt(apiKeys.lastUsedAt, unlessSince));
  await database
    .update(apiKeys)
    .set({ lastUsedAt: at })
    .where(and(eq(apiKeys.id, apiKeyId), isOld));
}
