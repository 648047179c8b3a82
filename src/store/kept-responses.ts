/** Responses as clients of keys with tools know them: each stands for upstream's rounds. */
import { sql } from "drizzle-orm";
import { apiKeys, keptResponseItems, keptResponses } from "../../drizzle/schema.ts";
import type { KeptResponse } from "../record/turn-record.ts";
import type { Database, Transaction } from "./database.ts";

/** A response in a chain: what its model knows of it, and what its client does. */
export interface ChainedResponse {
  id: string;
  input: string;
  items: string;
  sent: string;
  body: string;
  /** Ids of its rounds, as upstream knows them: its own id where it was passed on. */
  upstreamIds: string[];
}

/** Ids that no server makes are not looked up. */
const ITEM_ID = /^[\w.:|+/=-]{1,256}$/;

/** How many responses may go on from one another, and how many ids one request may bring. */
const MAX_CHAIN = 1000;
const MAX_ITEM_IDS = 4000;
/** How many expired rows one sweep deletes: few enough to be over at once. */
const SWEEP_ROWS = 500;

const lookupIds = (ids: string[]): string =>
  JSON.stringify([...new Set(ids)].filter((id) => ITEM_ID.test(id)).slice(-MAX_ITEM_IDS));

/** Keeps a response; one that is there stays. A key that is gone keeps nothing. */
export async function keepResponse(
  database: Database | Transaction,
  apiKeyId: string,
  kept: KeptResponse,
): Promise<void> {
  const { id, previousId, isStored, hasHidden, upstreamIds, input, sent, items, body } = kept;
  const expiresAt = new Date(kept.expiresAt).toISOString();
  await database.execute(sql`
    with kept as (
      insert into ${keptResponses}
        (api_key_id, id, previous_id, is_stored, has_hidden, upstream_ids, input, sent, items, body, expires_at)
      select ${apiKeys.id}, ${id}, ${previousId}::text, ${isStored}::boolean, ${hasHidden}::boolean,
        ${JSON.stringify(upstreamIds)}, ${input}, ${sent}::text, ${items}, ${body}, ${expiresAt}::timestamptz
      from ${apiKeys} where ${apiKeys.id} = ${apiKeyId}
      on conflict do nothing returning api_key_id, id)
    insert into ${keptResponseItems} (api_key_id, item_id, response_id)
    select kept.api_key_id, item_id, kept.id
    from kept, json_array_elements_text(${lookupIds(kept.itemIds)}::text::json) item_id
    on conflict (api_key_id, item_id) do update set response_id = excluded.response_id`);
}

/**
 * A stored response and those that it goes on from, oldest first. Empty where it, or one of them,
 * is not this key's, or not there any more.
 */
export async function findResponseChain(
  database: Database,
  apiKeyId: string,
  id: string,
): Promise<ChainedResponse[]> {
  if (!ITEM_ID.test(id)) return [];
  const rows = await database.execute<{
    id: string;
    previous_id: string | null;
    input: string;
    sent: string | null;
    items: string;
    body: string;
    upstream_ids: string;
  }>(sql`
    with recursive chain as (
      select kept.*, 1 depth from ${keptResponses} kept
      where kept.api_key_id = ${apiKeyId} and kept.id = ${id} and kept.is_stored and kept.expires_at > now()
      union all
      select before.*, chain.depth + 1 from chain
      join ${keptResponses} before on before.api_key_id = chain.api_key_id and before.id = chain.previous_id
      where before.expires_at > now() and chain.depth < ${MAX_CHAIN})
    select id, previous_id, input, sent, items, body, upstream_ids from chain order by depth desc`);
  if (rows[0]?.previous_id !== null) return [];
  return rows.map(({ sent, upstream_ids: ids, ...row }) => {
    return { ...row, sent: sent ?? row.input, upstreamIds: JSON.parse(ids) as string[] };
  });
}

/** A response of which some item is. */
export interface ItemsResponse {
  itemId: string;
  responseId: string;
  /** Null where its client saw all of it. */
  items: string | null;
}

/** The responses that items, or calls, are of. */
export async function findResponsesOfItems(
  database: Database,
  apiKeyId: string,
  itemIds: string[],
): Promise<ItemsResponse[]> {
  const rows = await database.execute<{ item_id: string; response_id: string }>(sql`
    select item.item_id, item.response_id
    from json_array_elements_text(${lookupIds(itemIds)}::text::json) wanted
    join ${keptResponseItems} item on item.api_key_id = ${apiKeyId} and item.item_id = wanted`);
  const ids = [...new Set(rows.map((row) => row.response_id))];
  if (ids.length === 0) return [];
  const kept = await database.execute<{ id: string; items: string }>(sql`
    select kept.id, kept.items from json_array_elements_text(${JSON.stringify(ids)}::text::json) wanted
    join ${keptResponses} kept on kept.api_key_id = ${apiKeyId} and kept.id = wanted
    where kept.has_hidden and kept.expires_at > now()`);
  const items = new Map(kept.map((row) => [row.id, row.items]));
  return rows.map(({ item_id: itemId, response_id: responseId }) => {
    return { itemId, responseId, items: items.get(responseId) ?? null };
  });
}

/** Deletes a response; what goes on from it goes on from nothing. */
export async function deleteResponse(
  database: Database,
  apiKeyId: string,
  id: string,
): Promise<void> {
  await database.execute(
    sql`delete from ${keptResponses} where api_key_id = ${apiKeyId} and id = ${id}`,
  );
}

/** Deletes some expired rows. Replicas that sweep at the same time do not wait for one another. */
export async function sweepKeptResponses(database: Database): Promise<void> {
  await database.execute(sql`
    delete from ${keptResponses} where ctid = any (array(
      select ctid from ${keptResponses} where expires_at < now()
      limit ${sql.raw(String(SWEEP_ROWS))} for update skip locked))`);
}
