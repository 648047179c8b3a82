/**
 * Replicas write what they answered in any order: a turn may be on record before the one that it
 * goes on from. When that one comes, the turns that await it are put behind it, and what they
 * repeat of it is removed.
 */
import { inArray, sql } from "drizzle-orm";
import {
  conversationAliases,
  conversations,
  messageBodies,
  messages,
  toolExecutions,
  turns,
} from "../../drizzle/schema.ts";
import type { AssignedTurn } from "./assign-conversations.ts";
import type { Transaction } from "./database.ts";
import { cappedSum } from "./whole-count.ts";

/** A turn on record, and the turn that it turns out to go on from. */
interface Adoption {
  turn_id: string;
  conversation_id: string;
  awaited_messages: number;
  parent_turn_id: string;
  parent_conversation_id: string;
  /** Whether its conversation begins with it. */
  is_first: boolean;
  /** Whether the parent's conversation goes on from the parent already, with another turn. */
  is_taken: boolean;
}

/**
 * Lets no other writer decide what ends or goes on at these places until the transaction ends: a
 * turn and the one that it goes on from, written at the same time, would both miss the other. Other
 * conversations are not held up.
 */
export async function lockPlaces(transaction: Transaction, places: string[]): Promise<void> {
  const names = [...new Set(places)].toSorted();
  if (names.length === 0) return;
  await transaction.execute(sql`
    select pg_advisory_xact_lock(hashtextextended('place ' || name, 0))
    from json_array_elements_text(${JSON.stringify(names)}::text::json) with ordinality place(name, number) order by number`);
}

/**
 * Waits for those who are writing into these conversations. What is read after it has what they
 * wrote.
 */
async function lockConversations(transaction: Transaction, ids: string[]): Promise<void> {
  await transaction
    .select({ id: conversations.id })
    .from(conversations)
    .where(inArray(conversations.id, ids))
    .orderBy(conversations.id)
    .for("update");
}

async function findAdoptions(
  transaction: Transaction,
  written: AssignedTurn[],
): Promise<Adoption[]> {
  const parents = written.flatMap(({ record, read }) =>
    read.place === null ? [] : [{ id: record.id, place: read.place, apiKeyId: record.apiKeyId }],
  );
  if (parents.length === 0) return [];
  return transaction.execute<Adoption & Record<string, unknown>>(sql`
    select orphan.id turn_id, orphan.conversation_id, orphan.awaited_messages, parent.id parent_turn_id,
      parent.conversation_id parent_conversation_id, orphan.parent_turn_id is null is_first,
      exists (select 1 from ${turns} child where child.parent_turn_id = parent.id and child.id <> orphan.id
        and child.conversation_id = parent.conversation_id and child.status = 'completed' and child.awaited_place is null) is_taken
    from json_to_recordset(${JSON.stringify(parents)}::text::json) wanted(id uuid, place text, "apiKeyId" uuid)
    join ${turns} parent on parent.id = wanted.id
    join ${turns} orphan on orphan.api_key_id = wanted."apiKeyId" and orphan.awaited_place = wanted.place and orphan.id <> parent.id
    order by orphan.started_at, orphan.id`);
}

/** Moves everything of one conversation into another, whose id it becomes an alias of. */
async function mergeConversation(
  transaction: Transaction,
  from: string,
  into: string,
): Promise<void> {
  await lockConversations(transaction, [from, into]);
  for (const table of [turns, messages, messageBodies, toolExecutions, conversationAliases]) {
    await transaction.execute(
      sql`update ${table} set conversation_id = ${into} where conversation_id = ${from}`,
    );
  }
  await transaction.execute(
    sql`update ${conversations} set branch_of_conversation_id = ${into} where branch_of_conversation_id = ${from}`,
  );
  await transaction.execute(sql`delete from ${conversations} where id = ${from}`);
  await transaction.execute(
    sql`insert into ${conversationAliases} (id, conversation_id) values (${from}, ${into}) on conflict do nothing`,
  );
}

const total = (column: string) => cappedSum(sql`sum(${sql.identifier(column)})`);

/** Makes a conversation's figures those of its turns. */
async function recount(transaction: Transaction, id: string): Promise<void> {
  await lockConversations(transaction, [id]);
  await transaction.execute(sql`
    update ${conversations} set
      message_count = (select count(*) from ${messages} where conversation_id = ${id}),
      tool_execution_count = (select count(*) from ${toolExecutions} where conversation_id = ${id}),
      tools_used = array(select distinct tool_name from ${toolExecutions} where conversation_id = ${id}),
      tools_failed = array(select distinct tool_name from ${toolExecutions} where conversation_id = ${id} and failed),
      turn_count = figures.turn_count, prompt_tokens = figures.prompt_tokens, completion_tokens = figures.completion_tokens,
      total_tokens = figures.total_tokens, tokens_estimated = figures.tokens_estimated, cached_tokens = figures.cached_tokens,
      reasoning_tokens = figures.reasoning_tokens, cost = figures.cost, cost_incomplete = figures.cost_incomplete,
      duration_ms = figures.duration_ms, created_at = figures.created_at, updated_at = figures.updated_at,
      status = figures.status, statuses = figures.statuses, model = figures.model,
      error = (figures.wrong).error, error_code = (figures.wrong).error_code
    from (select count(*) turn_count, ${total("prompt_tokens")} prompt_tokens, ${total("completion_tokens")} completion_tokens,
        ${total("total_tokens")} total_tokens, bool_or(tokens_estimated) tokens_estimated, ${total("cached_tokens")} cached_tokens,
        ${total("reasoning_tokens")} reasoning_tokens, sum(cost) cost, bool_or(cost_incomplete) cost_incomplete, sum(duration_ms) duration_ms,
        min(started_at) created_at, max(started_at + duration_ms * interval '1 ms') updated_at,
        (array_agg(status order by started_at desc, id desc))[1] status, (array_agg(model order by started_at desc, id desc))[1] model,
        array_agg(distinct status) statuses,
        (array_agg(${turns} order by started_at desc, id desc) filter (where status in ('failed', 'refused')))[1] wrong
      from ${turns} where conversation_id = ${id}) figures
    where ${conversations.id} = ${id}`);
}

async function adopt(transaction: Transaction, adoption: Adoption): Promise<void> {
  const {
    turn_id: turnId,
    conversation_id: own,
    parent_turn_id: parentId,
    parent_conversation_id: into,
  } = adoption;
  await transaction.execute(
    sql`delete from ${messages} where turn_id = ${turnId} and round is null and position < ${adoption.awaited_messages}`,
  );
  await transaction.execute(
    sql`update ${turns} set parent_turn_id = ${parentId}, awaited_place = null, awaited_messages = 0 where id = ${turnId}`,
  );
  if (own !== into && adoption.is_first && !adoption.is_taken)
    await mergeConversation(transaction, own, into);
  else if (own !== into) {
    await transaction.execute(
      sql`update ${conversations} set branch_of_turn_id = ${parentId}, branch_of_conversation_id = ${into} where id = ${own} and ${adoption.is_first}`,
    );
    await recount(transaction, own);
  }
  await recount(transaction, into);
}

/** Puts the turns that awaited these behind them. */
export async function adoptTurns(transaction: Transaction, written: AssignedTurn[]): Promise<void> {
  // One after the other: a conversation that was merged has another id afterwards.
  for (;;) {
    const [next] = await findAdoptions(transaction, written);
    if (next === undefined) return;
    await adopt(transaction, next);
  }
}
