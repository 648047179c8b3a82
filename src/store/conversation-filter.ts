import { and, arrayContains, eq, gte, lt, type SQL } from "drizzle-orm";
import { conversations } from "../../drizzle/schema.ts";
import type { ConversationRow } from "./conversation-row.ts";

/** Which conversations are wanted; what is not given does not narrow. */
export interface ConversationFilter {
  apiKeyId?: string | undefined;
  model?: string | undefined;
  status?: "completed" | "failed" | "cancelled" | undefined;
  /** Name of a tool that ran in it. */
  tool?: string | undefined;
  /** Where it began, as `/v1/chat/completions`. */
  endpoint?: string | undefined;
  /** When it began: from this moment on. */
  from?: Date | undefined;
  /** When it began: before this moment. */
  to?: Date | undefined;
  minDurationMs?: number | undefined;
  /**
   * Words that occur in one message of it, the last of them as the start of a word; or a part of
   * its title. See `searchConversations`.
   */
  q?: string | undefined;
}

/** PostgreSQL's text holds neither NUL nor half a surrogate pair. */
export const storable = (text: string): string => text.replaceAll("\0", "").toWellFormed();

/** The filter as SQL, without its text, or undefined where it lets all through. */
export function conversationCondition(filter: ConversationFilter): SQL | undefined {
  const { apiKeyId, model, status, tool, endpoint, from, to, minDurationMs } = filter;
  return and(
    apiKeyId === undefined ? undefined : eq(conversations.apiKeyId, apiKeyId),
    model === undefined ? undefined : eq(conversations.model, storable(model)),
    status === undefined ? undefined : eq(conversations.status, status),
    tool === undefined ? undefined : arrayContains(conversations.toolsUsed, [storable(tool)]),
    endpoint === undefined ? undefined : eq(conversations.endpoint, storable(endpoint)),
    from === undefined ? undefined : gte(conversations.createdAt, from),
    to === undefined ? undefined : lt(conversations.createdAt, to),
    minDurationMs === undefined ? undefined : gte(conversations.durationMs, minDurationMs),
  );
}

/**
 * Whether a row is one of those that {@link conversationCondition} finds. For filters without times
 * and text.
 */
export function isWanted(row: ConversationRow, filter: ConversationFilter): boolean {
  const { apiKeyId, model, status, tool, endpoint, minDurationMs } = filter;
  return (
    (apiKeyId === undefined || row.apiKeyId === apiKeyId) &&
    (model === undefined || row.model === model) &&
    (status === undefined || row.status === status) &&
    (tool === undefined || row.toolsUsed.includes(tool)) &&
    (endpoint === undefined || row.endpoint === endpoint) &&
    (minDurationMs === undefined || row.durationMs >= minDurationMs)
  );
}
