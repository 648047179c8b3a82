import { eq, or, sql } from "drizzle-orm";
import { conversationAliases, conversations } from "../../drizzle/schema.ts";
import type { Database, Transaction } from "./database.ts";

/**
 * Deletes a conversation with its turns, messages and tool executions, and gives whose it was, or
 * null where there is none. Statistics keep what it cost; branches of it stay, without what they
 * went on from.
 * @param id its own, or one that a client was told for it
 */
export async function deleteConversation(
  database: Database | Transaction,
  id: string,
): Promise<{ id: string; apiKeyName: string } | null> {
  const named = sql`${conversations.id} in (select conversation_id from ${conversationAliases} where ${conversationAliases.id} = ${id})`;
  const [deleted] = await database
    .delete(conversations)
    .where(or(eq(conversations.id, id), named))
    .returning({ id: conversations.id, apiKeyName: conversations.apiKeyName });
  return deleted ?? null;
}
