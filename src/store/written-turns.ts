import { and, inArray } from "drizzle-orm";
import { conversations, turns } from "../../drizzle/schema.ts";
import type { Database } from "./database.ts";

/** A turn, and the conversation that its record names. */
interface SoughtTurn {
  id: string;
  conversationId: string;
}

/** Ids of those turns that are on record, in a row of their own or their conversation's. */
export async function writtenTurns(database: Database, sought: SoughtTurn[]): Promise<string[]> {
  const ids = sought.map(({ id }) => id);
  const places = sought.map(({ conversationId }) => conversationId);
  const own = database.select({ id: turns.id }).from(turns).where(inArray(turns.id, ids));
  const told = database
    .select({ id: conversations.requestId })
    .from(conversations)
    .where(and(inArray(conversations.id, places), inArray(conversations.requestId, ids)));
  const rows = [...(await own), ...(await told)];
  return rows.flatMap(({ id }) => (id === null ? [] : [id]));
}
