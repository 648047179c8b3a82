/**
 * Makes the conversations of turns. One may turn out to be another key's only now: its client heard
 * of it while the answer was on its way, and another key's turn that names it was written first.
 */
import { and, eq, inArray } from "drizzle-orm";
import { conversations } from "../../drizzle/schema.ts";
import type { AssignedTurn } from "./assign-conversations.ts";
import type { Transaction } from "./database.ts";
import { insertNew } from "./insert-rows.ts";
import { conversationRow } from "./turn-table-rows.ts";
import { ownConversation } from "./uuid.ts";

/** Turns that have their conversations, and which of those were not there before. */
interface CreatedConversations {
  assigned: AssignedTurn[];
  created: Set<string>;
}

/** How often turns are moved: once, unless somebody foresees what their own would be called. */
const MAX_MOVES = 3;

/** The turns of each conversation. */
export function byConversation(batch: AssignedTurn[]): Map<string, AssignedTurn[]> {
  const groups = new Map<string, AssignedTurn[]>();
  for (const turn of batch)
    groups.set(turn.conversationId, [...(groups.get(turn.conversationId) ?? []), turn]);
  return groups;
}

async function readOwners(transaction: Transaction, ids: string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await transaction
    .select({ id: conversations.id, apiKeyId: conversations.apiKeyId })
    .from(conversations)
    .where(inArray(conversations.id, ids));
  return new Map(rows.map(({ id, apiKeyId }) => [id, apiKeyId]));
}

/** Lets what branches off from the turns of these point at where they are now. */
async function moveBranches(transaction: Transaction, moved: AssignedTurn[]): Promise<void> {
  for (const { record, conversationId: from } of moved) {
    await transaction
      .update(conversations)
      .set({ branchOfConversationId: ownConversation(record.apiKeyId, from) })
      .where(
        and(
          eq(conversations.apiKeyId, record.apiKeyId),
          eq(conversations.branchOfConversationId, from),
        ),
      );
  }
}

/**
 * Makes those of the turns' conversations that are not there yet. Turns whose conversation is
 * another key's, whoever wrote it at the same time, get one of their own.
 */
export async function createConversations(
  transaction: Transaction,
  placed: AssignedTurn[],
): Promise<CreatedConversations> {
  const created = new Set<string>();
  let assigned = placed;
  for (let moves = 0; moves <= MAX_MOVES; moves++) {
    const wanted = [...byConversation(assigned)].filter(([id]) => !created.has(id));
    const rows = wanted.map(([, turns]) => conversationRow(turns));
    for (const id of await insertNew(transaction, conversations, rows)) created.add(id);
    const there = wanted.map(([id]) => id).filter((id) => !created.has(id));
    const owners = await readOwners(transaction, there);
    const isForeign = ({ record, conversationId }: AssignedTurn) =>
      (owners.get(conversationId) ?? record.apiKeyId) !== record.apiKeyId;
    const foreign = assigned.filter(isForeign);
    if (foreign.length === 0) return { assigned, created };
    await moveBranches(transaction, foreign);
    assigned = assigned.map((turn) =>
      isForeign(turn)
        ? { ...turn, conversationId: ownConversation(turn.record.apiKeyId, turn.conversationId) }
        : turn,
    );
  }
  throw new Error("These turns find no conversation that is their key's");
}
