import { and, asc, eq, sql, type SQL } from "drizzle-orm";
import {
  conversationAliases,
  conversations,
  messageBodies,
  messages,
  rounds,
  toolExecutionBodies,
  toolExecutions,
  turns,
} from "../../drizzle/schema.ts";
import { isObject, parseJson, type JsonObject } from "../openai/json.ts";
import { shownConversation, type ConversationRow } from "./conversation-row.ts";
import type { MessageDetail } from "./message-detail.ts";
import { onlyTurnOf } from "./only-turn.ts";
import { turnDetail, type TurnDetail } from "./turn-detail.ts";
import { newestConversations, searchConversations } from "./search-conversations.ts";
import { conversationCondition, type ConversationFilter } from "./conversation-filter.ts";
import type { Database, Transaction } from "./database.ts";
import { inTransaction } from "./database-error.ts";
import { afterCursor, cursorTime, toPage, type Page, type PageRequest } from "./page.ts";

interface ToolExecutionDetail extends Omit<
  typeof toolExecutions.$inferSelect,
  "conversationId" | "failed"
> {
  /** The object that the model sent, or its text where that is none. */
  arguments: JsonObject | string;
  /** The text that the model was given, or null where the call failed. */
  result: string | null;
  error: string | null;
  /** Lines of `console.*`. */
  logs: unknown;
}

/** Turns with all that belongs to them, in the order in which it happened. */
interface TurnsDetail {
  turns: TurnDetail[];
  messages: MessageDetail[];
  toolExecutions: ToolExecutionDetail[];
  rounds: (typeof rounds.$inferSelect)[];
}

/** A conversation that goes on from a turn of another one. */
type Branch = Pick<ConversationRow, "id" | "title" | "branchOfTurnId" | "createdAt">;

/** Everything on record about a conversation. */
export interface ConversationDetail extends ConversationRow, TurnsDetail {
  branches: Branch[];
  /** What a branch goes on from. */
  inherited: TurnsDetail;
}

/**
 * Conversations, newest first; no body is read.
 * @throws ApiError 400 for a cursor that is none
 */
export async function listConversations(
  database: Database,
  page: PageRequest,
  filter: ConversationFilter,
): Promise<Page<ConversationRow>> {
  const wanted = and(conversationCondition(filter), afterCursor(conversations, page));
  const rows =
    filter.q === undefined || filter.q.trim() === ""
      ? await newestConversations(database, wanted, page.limit + 1)
      : await searchConversations(database, {
          text: filter.q,
          from: filter.from ?? null,
          before: cursorTime(page) ?? filter.to ?? null,
          wanted,
          limit: page.limit + 1,
        });
  return toPage(rows, page);
}

const turnOrder = [asc(turns.startedAt), asc(turns.id)];

async function messagesOf(transaction: Transaction, ofTurns: SQL): Promise<MessageDetail[]> {
  const rows = await transaction
    .select({
      message: messages,
      content: messageBodies.content,
      toolCalls: messageBodies.toolCalls,
      extra: messageBodies.extra,
    })
    .from(messages)
    .innerJoin(turns, eq(turns.id, messages.turnId))
    .leftJoin(
      messageBodies,
      and(
        eq(messageBodies.messageId, messages.id),
        eq(messageBodies.createdAt, messages.createdAt),
      ),
    )
    .where(ofTurns)
    .orderBy(...turnOrder, asc(messages.position));
  return rows.map(({ message, content, toolCalls, extra }) => {
    const { conversationId: _conversation, position: _position, ...rest } = message;
    return {
      ...rest,
      content: parseJson(content ?? "null"),
      toolCalls: parseJson(toolCalls ?? "null"),
      extra: parseJson(extra ?? "null"),
    };
  });
}

function readArguments(text: string): JsonObject | string {
  const value = parseJson(text);
  return isObject(value) ? value : text;
}

async function toolExecutionsOf(
  transaction: Transaction,
  ofTurns: SQL,
): Promise<ToolExecutionDetail[]> {
  const ofExecution = and(
    eq(toolExecutionBodies.toolExecutionId, toolExecutions.id),
    eq(toolExecutionBodies.createdAt, toolExecutions.startedAt),
  );
  const rows = await transaction
    .select({ execution: toolExecutions, body: toolExecutionBodies })
    .from(toolExecutions)
    .innerJoin(turns, eq(turns.id, toolExecutions.turnId))
    .leftJoin(toolExecutionBodies, ofExecution)
    .where(ofTurns)
    .orderBy(
      ...turnOrder,
      asc(toolExecutions.round),
      asc(toolExecutions.startedAt),
      asc(toolExecutions.id),
    );
  return rows.map(({ execution, body }) => {
    const { conversationId: _conversation, failed: _failed, ...rest } = execution;
    const { result, error } = body ?? { result: null, error: null };
    return {
      ...rest,
      arguments: readArguments(body?.arguments ?? "{}"),
      result,
      error,
      logs: parseJson(body?.logs ?? "[]"),
    };
  });
}

async function roundsOf(transaction: Transaction, ofTurns: SQL): Promise<TurnsDetail["rounds"]> {
  const rows = await transaction
    .select({ round: rounds })
    .from(rounds)
    .innerJoin(turns, eq(turns.id, rounds.turnId))
    .where(ofTurns)
    .orderBy(...turnOrder, asc(rounds.round));
  return rows.map(({ round }) => round);
}

function plainTurn(row: typeof turns.$inferSelect): TurnDetail {
  const {
    conversationId: _conversation,
    place: _place,
    awaitedPlace: _awaited,
    awaitedMessages: _messages,
    apiKeyId: _key,
    ...turn
  } = row;
  return turnDetail(turn);
}

async function turnsOf(transaction: Transaction, ofTurns: SQL): Promise<TurnsDetail> {
  const rows = await transaction
    .select()
    .from(turns)
    .where(ofTurns)
    .orderBy(...turnOrder);
  return {
    turns: rows.map(plainTurn),
    messages: await messagesOf(transaction, ofTurns),
    toolExecutions: await toolExecutionsOf(transaction, ofTurns),
    rounds: await roundsOf(transaction, ofTurns),
  };
}

const NOTHING: TurnsDetail = { turns: [], messages: [], toolExecutions: [], rounds: [] };

/**
 * The turns that a branch goes on from: its first turn's parent, that one's parent, and so on, in
 * whichever conversations.
 */
async function inheritedBy(
  transaction: Transaction,
  { branchOfTurnId }: ConversationRow,
): Promise<TurnsDetail> {
  if (branchOfTurnId === null) return NOTHING;
  const ancestors = sql`${turns.id} in (
    with recursive ancestor as (
      select id, parent_turn_id from turns where id = ${branchOfTurnId}
      union select parent.id, parent.parent_turn_id from turns parent join ancestor on ancestor.parent_turn_id = parent.id)
    select id from ancestor)`;
  return turnsOf(transaction, ancestors);
}

async function branchesOf(transaction: Transaction, id: string): Promise<Branch[]> {
  const { title, branchOfTurnId, createdAt } = conversations;
  return transaction
    .select({ id: conversations.id, title, branchOfTurnId, createdAt })
    .from(conversations)
    .where(eq(conversations.branchOfConversationId, id))
    .orderBy(asc(createdAt), asc(conversations.id));
}

async function findRow(
  transaction: Transaction,
  id: string,
): Promise<typeof conversations.$inferSelect | undefined> {
  const [row] = await transaction.select().from(conversations).where(eq(conversations.id, id));
  if (row !== undefined) return row;
  const [alias] = await transaction
    .select({ conversation: conversations })
    .from(conversationAliases)
    .innerJoin(conversations, eq(conversations.id, conversationAliases.conversationId))
    .where(eq(conversationAliases.id, id));
  return alias?.conversation;
}

/**
 * A conversation with all that belongs to it, as of one moment, or null.
 * @param id its own, or one that a client was told for it
 */
export async function findConversation(
  database: Database,
  id: string,
): Promise<ConversationDetail | null> {
  return inTransaction(
    database,
    async (transaction) => {
      const row = await findRow(transaction, id);
      if (row === undefined) return null;
      return {
        ...shownConversation(row),
        ...(await turnsOf(transaction, sql`${turns.conversationId} = ${row.id}`)),
        ...onlyTurnOf(row),
        branches: await branchesOf(transaction, row.id),
        inherited: await inheritedBy(transaction, row),
      };
    },
    // A turn that is written meanwhile is in it whole or not at all.
    { isolationLevel: "repeatable read", accessMode: "read only" },
  );
}
