import { eq, getTableColumns, sql, type SQL } from "drizzle-orm";
import type { AnyPgColumn, PgTable } from "drizzle-orm/pg-core";
import { v7 as uuidv7 } from "uuid";
import { conversations, messageBodies, messages, rounds, toolExecutionBodies, toolExecutions, turns } from "../../drizzle/schema.ts";
import { addUsage, type Usage } from "../openai/usage.ts";
import type { ReadTurn } from "../record/turn-rows.ts";
import type { TurnRecord } from "../record/turn-record.ts";
import { inTransaction } from "./database-error.ts";
import { keepHiddenRounds } from "./hidden-rounds.ts";
import type { Database, Transaction } from "./database.ts";

/** A record and what was read of it. */
export interface TurnToWrite {
  record: TurnRecord;
  read: ReadTurn;
}

/**
 * PostgreSQL's text holds neither NUL nor half a surrogate pair, both of which models and clients do send in names and
 * errors. JSON text has them escaped.
 */
const plain = <T extends string | null>(text: T): T => (text === null ? text : (text.replaceAll("\0", "").toWellFormed() as T));

const tokenColumns = ({ usage, tokensEstimated }: { usage: Usage | null; tokensEstimated: boolean }) => ({
  promptTokens: usage?.prompt_tokens ?? null,
  completionTokens: usage?.completion_tokens ?? null,
  totalTokens: usage?.total_tokens ?? null,
  tokensEstimated,
});

/**
 * Inserts rows as one JSON parameter, and gives the ids of those that were not there yet. A fifth of the CPU time of a
 * statement with a parameter for each value (measured 2026-11). Every column must have a value: defaults do not apply.
 */
async function insertRows<Table extends PgTable>(
  transaction: Transaction,
  table: Table,
  rows: Required<Table["$inferInsert"]>[],
): Promise<void> {
  if (rows.length > 0) await transaction.execute(insertStatement(table, rows));
}

function insertStatement<Table extends PgTable>(table: Table, rows: Required<Table["$inferInsert"]>[]): SQL {
  const columns = Object.entries(getTableColumns(table)).map(([field, { name }]) => ({ field, name }));
  const named = rows.map((row) => Object.fromEntries(columns.map(({ field, name }) => [name, (row as Record<string, unknown>)[field]])));
  const names = sql.join(
    columns.map(({ name }) => sql.identifier(name)),
    sql`, `,
  );
  return sql`insert into ${table} (${names}) select ${names} from json_populate_recordset(null::${table}, ${JSON.stringify(named)}::text::json) on conflict do nothing`;
}

/** Inserts rows that have an id, and gives the ids of those that were not there yet. */
async function insertNew<Table extends PgTable>(
  transaction: Transaction,
  table: Table,
  rows: Required<Table["$inferInsert"]>[],
): Promise<Set<string>> {
  if (rows.length === 0) return new Set();
  const written = await transaction.execute<{ id: string }>(sql`${insertStatement(table, rows)} returning id`);
  return new Set(written.map(({ id }) => id));
}

/** A conversation's row with the figures of its turns in this batch. The latest turn names its state. */
function conversationRow(batch: TurnToWrite[]): Required<typeof conversations.$inferInsert> {
  const [first, last] = [batch[0], batch.at(-1)];
  if (first === undefined || last === undefined) throw new Error("A conversation has at least one turn");
  const { record, read } = first;
  return {
    id: record.conversationId,
    apiKeyId: record.apiKeyId,
    apiKeyName: plain(record.apiKeyName),
    endpoint: record.endpoint,
    title: plain(read.title),
    model: plain(last.read.model),
    status: last.record.status,
    ...tokenColumns({
      usage: batch.reduce<Usage | null>((sum, turn) => addUsage(sum, turn.read.usage), null),
      tokensEstimated: batch.some((turn) => turn.read.tokensEstimated),
    }),
    messageCount: sum(batch, (turn) => turn.read.messages.length),
    toolExecutionCount: sum(batch, (turn) => turn.record.toolExecutions.length),
    durationMs: sum(batch, (turn) => turn.record.durationMs),
    createdAt: new Date(record.startedAt),
    updatedAt: new Date(last.record.startedAt + last.record.durationMs),
  };
}

const sum = (batch: TurnToWrite[], count: (turn: TurnToWrite) => number) => batch.reduce((total, turn) => total + count(turn), 0);

function turnRow({ record, read }: TurnToWrite): Required<typeof turns.$inferInsert> {
  return {
    id: record.id,
    conversationId: record.conversationId,
    model: plain(read.model),
    streamed: read.streamed,
    status: record.status,
    httpStatus: record.httpStatus,
    error: plain(record.error),
    finishReason: plain(read.finishReason),
    loopStopReason: record.loopStopReason,
    ...tokenColumns(read),
    timeToFirstTokenMs: record.timeToFirstTokenMs,
    durationMs: record.durationMs,
    toolsOffered: record.toolsOffered.map(plain),
    toolsShadowed: record.toolsShadowed.map(plain),
    startedAt: new Date(record.startedAt),
  };
}

function messageRows({ record, read }: TurnToWrite): {
  rows: Required<typeof messages.$inferInsert>[];
  bodies: Required<typeof messageBodies.$inferInsert>[];
} {
  const stored = read.messages.map((message) => ({ id: uuidv7(), message }));
  return {
    rows: stored.map(({ id, message }, position) => ({
      id,
      conversationId: record.conversationId,
      turnId: record.id,
      position,
      role: plain(message.role),
      toolCallId: plain(message.toolCallId),
      hidden: message.hidden,
      round: message.round,
      createdAt: new Date(message.round === null ? record.startedAt : record.startedAt + record.durationMs),
    })),
    bodies: stored.map(({ id, message }) => ({ messageId: id, content: message.content, toolCalls: message.toolCalls })),
  };
}

function executionRows({ record }: TurnToWrite): {
  rows: Required<typeof toolExecutions.$inferInsert>[];
  bodies: Required<typeof toolExecutionBodies.$inferInsert>[];
} {
  return {
    rows: record.toolExecutions.map((execution) => ({
      id: execution.id,
      conversationId: record.conversationId,
      turnId: record.id,
      toolId: execution.toolId,
      toolName: plain(execution.toolName),
      type: execution.type,
      toolCallId: plain(execution.toolCallId),
      round: execution.round,
      failed: execution.error !== null,
      startedAt: new Date(execution.startedAt),
      durationMs: execution.durationMs,
    })),
    bodies: record.toolExecutions.map((execution) => ({
      toolExecutionId: execution.id,
      arguments: plain(execution.arguments),
      result: plain(execution.result),
      error: plain(execution.error),
      logs: JSON.stringify(execution.logs),
    })),
  };
}

function roundRows({ record, read }: TurnToWrite): Required<typeof rounds.$inferInsert>[] {
  return read.rounds.map((round) => ({
    turnId: record.id,
    round: round.round,
    status: round.status,
    ...tokenColumns(round),
    timeToFirstTokenMs: round.timeToFirstTokenMs,
    durationMs: round.durationMs,
    finishReason: plain(round.finishReason),
    error: plain(round.error),
  }));
}

/** Adds the figures of further turns to a conversation that was there already. */
async function addToConversation(transaction: Transaction, batch: TurnToWrite[]): Promise<void> {
  const {
    id,
    apiKeyId: _id,
    apiKeyName: _name,
    endpoint: _endpoint,
    title: _title,
    createdAt: _createdAt,
    ...row
  } = conversationRow(batch);
  const add = (column: AnyPgColumn, more: number | null | undefined) =>
    more === null || more === undefined ? sql`${column}` : sql`coalesce(${column}, 0) + ${more}`;
  const figures = {
    messageCount: add(conversations.messageCount, row.messageCount),
    toolExecutionCount: add(conversations.toolExecutionCount, row.toolExecutionCount),
    durationMs: add(conversations.durationMs, row.durationMs),
    promptTokens: add(conversations.promptTokens, row.promptTokens),
    completionTokens: add(conversations.completionTokens, row.completionTokens),
    totalTokens: add(conversations.totalTokens, row.totalTokens),
    tokensEstimated: sql`${conversations.tokensEstimated} or ${row.tokensEstimated}`,
  };
  await transaction
    .update(conversations)
    .set({ ...row, ...figures })
    .where(eq(conversations.id, id));
}

function byConversation(batch: TurnToWrite[]): Map<string, TurnToWrite[]> {
  const groups = new Map<string, TurnToWrite[]>();
  for (const turn of batch) groups.set(turn.record.conversationId, [...(groups.get(turn.record.conversationId) ?? []), turn]);
  return groups;
}

/**
 * Writes turns, each exactly once: a turn that is there already is left alone, with everything that belongs to it.
 * All of the batch is written, or nothing.
 */
export async function writeTurns(database: Database, batch: TurnToWrite[]): Promise<void> {
  const wanted = [...new Map(batch.map((turn) => [turn.record.id, turn])).values()];
  await inTransaction(database, async (transaction) => {
    const created = await insertNew(transaction, conversations, [...byConversation(wanted).values()].map(conversationRow));
    const inserted = await insertNew(transaction, turns, wanted.map(turnRow));
    const fresh = wanted.filter((turn) => inserted.has(turn.record.id));
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
    for (const { record } of fresh) {
      const { apiKeyId, hiddenRounds } = record;
      if (hiddenRounds === undefined) continue;
      await keepHiddenRounds(transaction, { apiKeyId, ...hiddenRounds, expiresAt: new Date(hiddenRounds.expiresAt) });
    }
    // A conversation that this batch created has the figures of its turns already.
    for (const [id, more] of byConversation(fresh)) if (!created.has(id)) await addToConversation(transaction, more);
  });
}
