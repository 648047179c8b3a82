import { and, asc, eq } from "drizzle-orm";
import { conversations, messageBodies, messages, rounds, toolExecutionBodies, toolExecutions, turns } from "../../drizzle/schema.ts";
import { isObject, parseJson, type JsonObject } from "../openai/json.ts";
import type { Database, Transaction } from "./database.ts";
import { inTransaction } from "./database-error.ts";
import { afterCursor, newestFirst, toPage, type Page, type PageRequest } from "./page.ts";

/** A conversation as lists show it: figures, no bodies. */
export type ConversationRow = typeof conversations.$inferSelect;

type TurnRow = Omit<typeof turns.$inferSelect, "conversationId">;

interface MessageDetail extends Omit<typeof messages.$inferSelect, "conversationId" | "position"> {
  /** A text, an array of content parts, or null. */
  content: unknown;
  /** As the model sent them, or null. */
  toolCalls: unknown;
}

interface ToolExecutionDetail extends Omit<typeof toolExecutions.$inferSelect, "conversationId" | "failed"> {
  /** The object that the model sent, or its text where that is none. */
  arguments: JsonObject | string;
  /** The text that the model was given, or null where the call failed. */
  result: string | null;
  error: string | null;
  /** Lines of `console.*`. */
  logs: unknown;
}

/** Everything on record about a conversation, in the order in which it happened. */
export interface ConversationDetail extends ConversationRow {
  turns: TurnRow[];
  messages: MessageDetail[];
  toolExecutions: ToolExecutionDetail[];
  rounds: (typeof rounds.$inferSelect)[];
}

/** Which conversations are wanted: all of one key, or all. */
interface ConversationFilter {
  apiKeyId?: string | undefined;
}

/**
 * Conversations, newest first; no body is read.
 * @throws ApiError 400 for a cursor that is none
 */
export async function listConversations(database: Database, page: PageRequest, filter: ConversationFilter): Promise<Page<ConversationRow>> {
  const ofKey = filter.apiKeyId === undefined ? undefined : eq(conversations.apiKeyId, filter.apiKeyId);
  const query = database
    .select()
    .from(conversations)
    .where(and(ofKey, afterCursor(conversations, page)));
  return toPage(await query.orderBy(...newestFirst(conversations)).limit(page.limit + 1), page);
}

const turnOrder = [asc(turns.startedAt), asc(turns.id)];

async function messagesOf(transaction: Transaction, conversationId: string): Promise<MessageDetail[]> {
  const rows = await transaction
    .select({ message: messages, content: messageBodies.content, toolCalls: messageBodies.toolCalls })
    .from(messages)
    .innerJoin(turns, eq(turns.id, messages.turnId))
    .leftJoin(messageBodies, eq(messageBodies.messageId, messages.id))
    .where(eq(messages.conversationId, conversationId))
    .orderBy(...turnOrder, asc(messages.position));
  return rows.map(({ message, content, toolCalls }) => {
    const { conversationId: _conversation, position: _position, ...rest } = message;
    return { ...rest, content: parseJson(content ?? "null"), toolCalls: parseJson(toolCalls ?? "null") };
  });
}

function readArguments(text: string): JsonObject | string {
  const value = parseJson(text);
  return isObject(value) ? value : text;
}

async function toolExecutionsOf(transaction: Transaction, conversationId: string): Promise<ToolExecutionDetail[]> {
  const rows = await transaction
    .select({ execution: toolExecutions, body: toolExecutionBodies })
    .from(toolExecutions)
    .innerJoin(turns, eq(turns.id, toolExecutions.turnId))
    .leftJoin(toolExecutionBodies, eq(toolExecutionBodies.toolExecutionId, toolExecutions.id))
    .where(eq(toolExecutions.conversationId, conversationId))
    .orderBy(...turnOrder, asc(toolExecutions.round), asc(toolExecutions.startedAt), asc(toolExecutions.id));
  return rows.map(({ execution, body }) => {
    const { conversationId: _conversation, failed: _failed, ...rest } = execution;
    const { result, error } = body ?? { result: null, error: null };
    return { ...rest, arguments: readArguments(body?.arguments ?? "{}"), result, error, logs: parseJson(body?.logs ?? "[]") };
  });
}

async function roundsOf(transaction: Transaction, conversationId: string): Promise<ConversationDetail["rounds"]> {
  const rows = await transaction
    .select({ round: rounds })
    .from(rounds)
    .innerJoin(turns, eq(turns.id, rounds.turnId))
    .where(eq(turns.conversationId, conversationId))
    .orderBy(...turnOrder, asc(rounds.round));
  return rows.map(({ round }) => round);
}

/** A conversation with all that belongs to it, as of one moment, or null. */
export async function findConversation(database: Database, id: string): Promise<ConversationDetail | null> {
  return inTransaction(
    database,
    async (transaction) => {
      const [conversation] = await transaction.select().from(conversations).where(eq(conversations.id, id));
      if (conversation === undefined) return null;
      const turnRows = await transaction
        .select()
        .from(turns)
        .where(eq(turns.conversationId, id))
        .orderBy(...turnOrder);
      return {
        ...conversation,
        turns: turnRows.map(({ conversationId: _conversation, ...turn }) => turn),
        messages: await messagesOf(transaction, id),
        toolExecutions: await toolExecutionsOf(transaction, id),
        rounds: await roundsOf(transaction, id),
      };
    },
    // A turn that is written meanwhile is in it whole or not at all.
    { isolationLevel: "repeatable read", accessMode: "read only" },
  );
}
