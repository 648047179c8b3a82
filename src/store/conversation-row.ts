/** A conversation as lists show it. */
import { getTableColumns } from "drizzle-orm";
import { conversations } from "../../drizzle/schema.ts";

const {
  requestId: _requestId,
  streamed: _streamed,
  httpStatus: _httpStatus,
  finishReason: _finishReason,
  timeToFirstTokenMs: _timeToFirstTokenMs,
  requestDigest: _requestDigest,
  responseDigest: _responseDigest,
  ...shown
} = getTableColumns(conversations);

/** Its columns, for `select`: without those of its only turn (see `onlyTurn` of the schema). */
export const CONVERSATION_COLUMNS = shown;

/** Figures, no bodies. */
export type ConversationRow = Pick<
  typeof conversations.$inferSelect,
  keyof typeof CONVERSATION_COLUMNS
>;
