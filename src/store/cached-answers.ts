import { and, eq, gt, sql } from "drizzle-orm";
import { apiKeys, cachedAnswers } from "../../drizzle/schema.ts";
import type { Database } from "./database.ts";

/** What an answer is found by: none is given to another key than the one that asked. */
export interface AnswerPlace {
  apiKeyId: string;
  /** SHA-256 of what was asked, in hexadecimal. */
  requestHash: string;
}

/** How many expired rows one sweep deletes: few enough to be over at once. */
const SWEEP_ROWS = 500;

/** A sealed answer that has not expired, or null. */
export async function findCachedAnswer(
  database: Database,
  { apiKeyId, requestHash }: AnswerPlace,
): Promise<string | null> {
  const [row] = await database
    .select({ answer: cachedAnswers.answer })
    .from(cachedAnswers)
    .where(
      and(
        eq(cachedAnswers.apiKeyId, apiKeyId),
        eq(cachedAnswers.requestHash, requestHash),
        gt(cachedAnswers.expiresAt, sql`now()`),
      ),
    );
  return row?.answer ?? null;
}

/**
 * Keeps a sealed answer in the place of an older one; a key that is gone keeps nothing. Some
 * expired answers go.
 */
export async function keepCachedAnswer(
  database: Database,
  place: AnswerPlace,
  kept: { answer: string; seconds: number },
): Promise<void> {
  // By the clock that judges it.
  const expiresAt = sql`now() + make_interval(secs => ${kept.seconds}::float8)`;
  await database.execute(sql`
    insert into ${cachedAnswers} (api_key_id, request_hash, answer, expires_at)
    select ${apiKeys.id}, ${place.requestHash}, ${kept.answer}, ${expiresAt} from ${apiKeys} where ${apiKeys.id} = ${place.apiKeyId}
    on conflict (api_key_id, request_hash) do update set answer = excluded.answer, expires_at = excluded.expires_at, created_at = now()`);
  await database.execute(sql`
    delete from ${cachedAnswers} where ctid = any (array(
      select ctid from ${cachedAnswers} where expires_at < now() limit ${sql.raw(String(SWEEP_ROWS))} for update skip locked))`);
}
