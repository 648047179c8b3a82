import { sql } from "drizzle-orm";
import { apiKeys, hiddenRounds } from "../../drizzle/schema.ts";
import type { Database, Transaction } from "./database.ts";

/** What a client did not see of one turn. */
export interface HiddenRounds {
  apiKeyId: string;
  /**
   * The places in the visible history at which a client may come back with it, see `hashHistory`.
   */
  lookups: string[];
  /** JSON text of an array of messages. */
  messages: string;
  expiresAt: Date;
}

/** How many expired rows one sweep deletes: few enough to be over at once. */
const SWEEP_ROWS = 500;

/**
 * Keeps hidden rounds. The same visible history again (a retry) replaces what was kept; a key that
 * is gone keeps nothing.
 */
export async function keepHiddenRounds(
  database: Database | Transaction,
  rounds: HiddenRounds,
): Promise<void> {
  const { apiKeyId, lookups, messages, expiresAt } = rounds;
  await database.execute(sql`
    insert into ${hiddenRounds} (api_key_id, lookup, messages, expires_at)
    select ${apiKeys.id}, lookup, ${messages}, ${expiresAt.toISOString()}::timestamptz
    from ${apiKeys}, json_array_elements_text(${JSON.stringify(lookups)}::text::json) lookup where ${apiKeys.id} = ${apiKeyId}
    on conflict (api_key_id, lookup) do update set messages = excluded.messages, expires_at = excluded.expires_at`);
}

/** A literal of what we made ourselves: an id, a place in a history. */
function literal(text: string): string {
  if (!/^[\w:-]+$/.test(text))
    throw new Error(`"${text}" is neither an id nor a place in a history`);
  return `'${text}'`;
}

/**
 * Messages by lookup, of those that are there and not expired. Every request that has a history
 * waits for it, so it goes to the database in one round trip: with parameters and without named
 * statements (poolers have none) it would be two.
 */
export async function findHiddenRounds(
  database: Database,
  apiKeyId: string,
  lookups: string[],
): Promise<Map<string, string>> {
  const wanted = sql.raw(
    `api_key_id = ${literal(apiKeyId)} and lookup in (${lookups.map(literal).join(",")})`,
  );
  const rows = await database.execute<{ lookup: string; messages: string }>(
    sql`select lookup, messages from ${hiddenRounds} where ${wanted} and expires_at > now()`,
  );
  return new Map(rows.map(({ lookup, messages }) => [lookup, messages]));
}

/** Deletes some expired rows. Replicas that sweep at the same time do not wait for one another. */
export async function sweepHiddenRounds(database: Database): Promise<void> {
  await database.execute(sql`
    delete from ${hiddenRounds} where ctid = any (array(
      select ctid from ${hiddenRounds} where expires_at < now() limit ${sql.raw(String(SWEEP_ROWS))} for update skip locked))`);
}
