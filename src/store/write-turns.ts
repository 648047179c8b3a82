import { eq, sql } from "drizzle-orm";
import type { AnyPgColumn } from "drizzle-orm/pg-core";
import {
  conversations,
  messageBodies,
  messages,
  rounds,
  toolExecutionBodies,
  toolExecutions,
  turns,
} from "../../drizzle/schema.ts";
import { adoptTurns } from "./adopt-turns.ts";
import {
  assignConversations,
  keepAliases,
  type AssignedTurn,
  type TurnToWrite,
} from "./assign-conversations.ts";
import { byConversation, createConversations } from "./create-conversations.ts";
import { inTransaction } from "./database-error.ts";
import type { Database, Transaction } from "./database.ts";
import { keepResponse } from "./kept-responses.ts";
import { keepHiddenRounds } from "./hidden-rounds.ts";
import { insertNew, insertRows } from "./insert-rows.ts";
import { isOneRow, unfoldOnlyTurns, writtenOnlyTurns } from "./only-turn.ts";
import { addToolHours, addUsageHours } from "./usage-hours.ts";
import {
  conversationRow,
  executionRows,
  messageRows,
  roundRows,
  turnRow,
} from "./turn-table-rows.ts";
import { cappedSum } from "./whole-count.ts";

export type { TurnToWrite } from "./assign-conversations.ts";

/** Adds the figures of further turns to a conversation that was there already. */
async function addToConversation(transaction: Transaction, batch: AssignedTurn[]): Promise<void> {
  const row = conversationRow(batch);
  const add = (column: AnyPgColumn, more: number | null) =>
    more === null ? sql`${column}` : sql`coalesce(${column}, 0) + ${more}`;
  const addCount = (column: AnyPgColumn, more: number | null) => cappedSum(add(column, more));
  const either = (column: AnyPgColumn, more: boolean) => sql`${column} or ${more}`;
  const union = (column: AnyPgColumn, more: string[]) =>
    sql`array(select distinct unnest(${column} || array(select json_array_elements_text(${JSON.stringify(more)}::text::json))))`;
  const wentWrong = row.statuses.some((status) => status === "failed" || status === "refused");
  await transaction
    .update(conversations)
    .set({
      model: row.model,
      // Once it has had a turn of one, it is a conversation.
      ...(row.kind === "conversation" ? { kind: row.kind } : {}),
      status: row.status,
      statuses: union(conversations.statuses, row.statuses),
      ...(wentWrong ? { error: row.error, errorCode: row.errorCode } : {}),
      messageCount: add(conversations.messageCount, row.messageCount),
      toolExecutionCount: add(conversations.toolExecutionCount, row.toolExecutionCount),
      turnCount: add(conversations.turnCount, row.turnCount),
      toolsUsed: union(conversations.toolsUsed, row.toolsUsed),
      toolsFailed: union(conversations.toolsFailed, row.toolsFailed),
      durationMs: add(conversations.durationMs, row.durationMs),
      promptTokens: addCount(conversations.promptTokens, row.promptTokens),
      completionTokens: addCount(conversations.completionTokens, row.completionTokens),
      totalTokens: addCount(conversations.totalTokens, row.totalTokens),
      tokensEstimated: either(conversations.tokensEstimated, row.tokensEstimated),
      cachedTokens: addCount(conversations.cachedTokens, row.cachedTokens),
      reasoningTokens: addCount(conversations.reasoningTokens, row.reasoningTokens),
      cost: add(conversations.cost, row.cost),
      costIncomplete: either(conversations.costIncomplete, row.costIncomplete),
      updatedAt: row.updatedAt,
    })
    .where(eq(conversations.id, row.id));
}

async function insertTurns(transaction: Transaction, fresh: AssignedTurn[]): Promise<void> {
  const [sent, executed] = [fresh.map(messageRows), fresh.map(executionRows)];
  await insertRows(transaction, rounds, fresh.flatMap(roundRows));
  await insertRows(
    transaction,
    messages,
    sent.flatMap(({ rows }) => rows),
  );
  await insertRows(
    transaction,
    messageBodies,
    sent.flatMap(({ bodies }) => bodies),
  );
  await insertRows(
    transaction,
    toolExecutions,
    executed.flatMap(({ rows }) => rows),
  );
  await insertRows(
    transaction,
    toolExecutionBodies,
    executed.flatMap(({ bodies }) => bodies),
  );
}

/** Ids of the turns that are on record as their conversation's row. */
async function toldByRows(
  transaction: Transaction,
  assigned: AssignedTurn[],
): Promise<ReadonlySet<string>> {
  const possible = assigned.filter(isOneRow);
  return new Set(
    await writtenOnlyTurns(
      transaction,
      possible.map(({ record }) => record),
    ),
  );
}

/**
 * Writes turns, each exactly once: a turn that is there already is left alone, with everything that
 * belongs to it. All of the batch is written, or nothing.
 */
export async function writeTurns(database: Database, batch: TurnToWrite[]): Promise<void> {
  const wanted = [...new Map(batch.map((turn) => [turn.record.id, turn])).values()];
  await inTransaction(database, async (transaction) => {
    const placed = await assignConversations(transaction, wanted);
    const { assigned, created } = await createConversations(transaction, placed);
    // What is nothing but figures is on record with that row.
    const isTold = await toldByRows(transaction, assigned);
    const others = assigned.filter(({ record }) => !isTold.has(record.id));
    await unfoldOnlyTurns(
      transaction,
      others.map(({ conversationId }) => conversationId),
    );
    const inserted = await insertNew(transaction, turns, others.map(turnRow));
    const fresh = others.filter((turn) => inserted.has(turn.record.id));
    await keepAliases(transaction, fresh);
    await insertTurns(transaction, fresh);
    for (const { record } of fresh) {
      const { apiKeyId, hiddenRounds, keptResponse } = record;
      if (keptResponse !== undefined) await keepResponse(transaction, apiKeyId, keptResponse);
      if (hiddenRounds === undefined) continue;
      await keepHiddenRounds(transaction, {
        apiKeyId,
        ...hiddenRounds,
        expiresAt: new Date(hiddenRounds.expiresAt),
      });
    }
    // A conversation that this batch created has the figures of its turns already.
    for (const [id, more] of byConversation(fresh))
      if (!created.has(id)) await addToConversation(transaction, more);
    await adoptTurns(transaction, fresh);
    const isNew = (turn: AssignedTurn) =>
      isTold.has(turn.record.id) ? created.has(turn.conversationId) : inserted.has(turn.record.id);
    const counted = assigned.filter(isNew);
    await addUsageHours(transaction, counted);
    await addToolHours(transaction, counted);
  });
}
