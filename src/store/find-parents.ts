import { sql } from "drizzle-orm";
import { turns } from "../../drizzle/schema.ts";
import type { Database, Transaction } from "./database.ts";

/** A turn from whose answer a request may go on. */
export interface ParentTurn {
  turnId: string;
  conversationId: string;
  /** The place of its answer in the client's history. */
  place: string;
  /**
   * Whether its conversation goes on from it already. A turn that awaits another one may yet turn
   * out to come later.
   */
  isTaken: boolean;
}

/** A place in the histories of one key. */
export interface KeyPlace {
  apiKeyId: string;
  place: string;
}

/** Turns that ended at one of these places, newest first. */
export async function findParents(
  database: Database | Transaction,
  places: KeyPlace[],
): Promise<(ParentTurn & KeyPlace)[]> {
  if (places.length === 0) return [];
  const rows = await database.execute<{
    turn_id: string;
    conversation_id: string;
    api_key_id: string;
    place: string;
    is_taken: boolean;
  }>(sql`
    select parent.id turn_id, parent.conversation_id, parent.api_key_id, parent.place,
      exists (select 1 from ${turns} child where child.parent_turn_id = parent.id and child.conversation_id = parent.conversation_id
        and child.status = 'completed' and child.awaited_place is null) is_taken
    from json_to_recordset(${JSON.stringify(places)}::text::json) wanted("apiKeyId" uuid, place text)
    join ${turns} parent on parent.api_key_id = wanted."apiKeyId" and parent.place = wanted.place
    order by parent.started_at desc, parent.id desc`);
  return rows.map((row) => ({
    turnId: row.turn_id,
    conversationId: row.conversation_id,
    apiKeyId: row.api_key_id,
    place: row.place,
    isTaken: row.is_taken,
  }));
}

/** The turn that asks for its parent. */
interface Asking {
  /** Places in its history, oldest first. */
  places: readonly { index: number; lookup: string }[];
  /** What its client was told, where it was told something. */
  isTold(parent: ParentTurn): boolean;
}

/**
 * Of the turns that a history may go on from the one that it does: at its latest place; there the
 * told one, else one that is not taken.
 */
export function latestParent<Parent extends ParentTurn>(
  { places, isTold }: Asking,
  parents: readonly Parent[],
): { parent: Parent; index: number } | null {
  for (const { index, lookup } of places.toReversed()) {
    const found = parents.filter((candidate) => candidate.place === lookup);
    const parent = found.find(isTold) ?? found.find((candidate) => !candidate.isTaken) ?? found[0];
    if (parent !== undefined) return { parent, index };
  }
  return null;
}
