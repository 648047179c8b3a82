/** A conversation as lists show it. */
import { getTableColumns } from "drizzle-orm";
import { conversations } from "../../drizzle/schema.ts";

/** Without what its only turn has of its own (see `onlyTurn` of the schema). */
function withoutOnlyTurn<Row extends Record<keyof typeof conversations.$inferSelect, unknown>>(
  row: Row,
) {
  const {
    requestId: _requestId,
    streamed: _streamed,
    httpStatus: _httpStatus,
    finishReason: _finishReason,
    timeToFirstTokenMs: _timeToFirstTokenMs,
    requestDigest: _requestDigest,
    responseDigest: _responseDigest,
    content: _content,
    ...shown
  } = row;
  return shown;
}

/** Its columns, for `select`. */
export const CONVERSATION_COLUMNS = withoutOnlyTurn(getTableColumns(conversations));

/** Figures, no bodies. */
export type ConversationRow = Pick<
  typeof conversations.$inferSelect,
  keyof typeof CONVERSATION_COLUMNS
>;

/** A whole row as lists show it. */
export const shownConversation = (row: typeof conversations.$inferSelect): ConversationRow =>
  withoutOnlyTurn(row);
