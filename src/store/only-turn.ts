/**
 * A request that goes on from nothing and that nothing can go on from: a vector, a list of models, a
 * moderation, a refusal. Its conversation's row is all that is written of it (`onlyTurn` of the
 * schema): embeddings come by the thousand. Indexes included, one of 10,000 takes 714 bytes, and 1,190
 * with a text of 200 characters; as rows of a conversation, a turn, a round and a message it takes
 * 1,160 and 1,960 (PostgreSQL 18, measured 2026-11).
 */
import { inArray, sql } from "drizzle-orm";
import { conversations, messageBodies, messages, rounds, turns } from "../../drizzle/schema.ts";
import { hasConversations } from "./endpoint-group.ts";
import type { AssignedTurn } from "./assign-conversations.ts";
import type { Transaction } from "./database.ts";
import { insertRows } from "./insert-rows.ts";
import type { MessageDetail } from "./message-detail.ts";
import { isOnlyContent, messagesOfContent } from "./only-content.ts";
import { turnDetail, type TurnDetail } from "./turn-detail.ts";

type FullRow = typeof conversations.$inferSelect;
type RoundDetail = typeof rounds.$inferSelect;

/** Whether a turn that begins its conversation is told in full by that one's row. */
export function isOneRow({ record, read, ...place }: AssignedTurn): boolean {
  const isAlone =
    record.isNamed !== true &&
    // It is looked for by what its client was told.
    place.conversationId === record.conversationId &&
    place.parentTurnId === null &&
    place.branchOf === null &&
    place.awaited === null &&
    read.place === null;
  const said = [...read.sent, ...read.produced];
  const isShort = hasConversations(record.endpoint) ? said.length === 0 : isOnlyContent(said);
  const hasTools = [record.toolExecutions, record.toolsOffered, record.toolsShadowed].some(
    ({ length }) => length > 0,
  );
  const isPlain =
    record.cached !== true && record.loopStopReason === null && record.hiddenRounds === undefined;
  const isOneRound =
    read.rounds.length <= 1 && read.rounds.every(({ notes = [] }) => notes.length === 0);
  const isErrorTold = record.status !== "cancelled" || record.error === null;
  return isAlone && isShort && !hasTools && isPlain && isOneRound && isErrorTold;
}

/** What the rows of a conversation and of its only turn have in common. */
const shared = (row: FullRow) => ({
  model: row.model,
  status: row.status,
  error: row.error,
  promptTokens: row.promptTokens,
  completionTokens: row.completionTokens,
  totalTokens: row.totalTokens,
  tokensEstimated: row.tokensEstimated,
  cachedTokens: row.cachedTokens,
  reasoningTokens: row.reasoningTokens,
  cost: row.cost,
  costIncomplete: row.costIncomplete,
  durationMs: row.durationMs,
  finishReason: row.finishReason,
  timeToFirstTokenMs: row.timeToFirstTokenMs,
});

interface OnlyTurn {
  turns: TurnDetail[];
  rounds: RoundDetail[];
  messages: MessageDetail[];
}

/** The turn that a conversation's row tells; null where it has a row of its own. */
export function onlyTurnOf(row: FullRow): OnlyTurn | null {
  if (row.requestId === null) return null;
  const figures = shared(row);
  const { model: _model, ...round } = figures;
  const turn = turnDetail({
    ...figures,
    id: row.requestId,
    parentTurnId: null,
    endpoint: row.endpoint,
    streamed: row.streamed ?? false,
    cached: false,
    httpStatus: row.httpStatus ?? 0,
    errorCode: row.errorCode,
    loopStopReason: null,
    toolsOffered: [],
    toolsShadowed: [],
    requestDigest: row.requestDigest,
    responseDigest: row.responseDigest,
    startedAt: row.createdAt,
  });
  // What was refused was never asked for.
  const isAsked = row.status !== "refused";
  return {
    turns: [turn],
    rounds: isAsked ? [{ ...round, turnId: row.requestId, round: 1, notes: [] }] : [],
    messages: messagesOfContent({ ...row, requestId: row.requestId }),
  };
}

/** Ids of those requests that are on record as such a row. */
export async function writtenOnlyTurns(
  transaction: Transaction,
  records: readonly { id: string; conversationId: string }[],
): Promise<string[]> {
  if (records.length === 0) return [];
  const rows = await transaction
    .select({ requestId: conversations.requestId })
    .from(conversations)
    .where(
      inArray(
        conversations.id,
        records.map(({ conversationId }) => conversationId),
      ),
    );
  const written = new Set(rows.map(({ requestId }) => requestId));
  return records.map(({ id }) => id).filter((id) => written.has(id));
}

async function unfoldMessages(transaction: Transaction, ids: string[]): Promise<void> {
  const found = await transaction
    .select()
    .from(conversations)
    .where(inArray(conversations.id, ids));
  const unfolded = found.flatMap(({ requestId, id: conversationId, ...row }) => {
    if (requestId === null) return [];
    const shown = messagesOfContent({ ...row, requestId });
    return shown.map((message, position) => ({ ...message, conversationId, position }));
  });
  await insertRows(
    transaction,
    messages,
    unfolded.map(({ content: _content, toolCalls: _calls, extra: _extra, ...row }) => row),
  );
  await insertRows(
    transaction,
    messageBodies,
    unfolded.map(({ id, createdAt, conversationId, content, toolCalls, extra }) => ({
      messageId: id,
      createdAt,
      conversationId,
      content: JSON.stringify(content),
      toolCalls: JSON.stringify(toolCalls),
      extra: extra === null ? null : JSON.stringify(extra),
    })),
  );
}

/**
 * Gives the only turns of these conversations rows of their own, because more turns are to come: a
 * client named the conversation of such a request.
 */
export async function unfoldOnlyTurns(transaction: Transaction, ids: string[]): Promise<void> {
  if (ids.length === 0) return;
  const folded = sql`${inArray(conversations.id, ids)} and request_id is not null`;
  const figures = sql`status, error, finish_reason, prompt_tokens, completion_tokens, total_tokens,
    tokens_estimated, cached_tokens, reasoning_tokens, cost, cost_incomplete,
    time_to_first_token_ms, duration_ms`;
  const found = await transaction.execute<{ conversation_id: string }>(sql`
    insert into ${turns} (id, conversation_id, api_key_id, endpoint, model, streamed, http_status,
      error_code, request_digest, response_digest, started_at, tools_offered, tools_shadowed, ${figures})
    select request_id, id, api_key_id, endpoint, model, streamed, http_status,
      error_code, request_digest, response_digest, created_at, '{}', '{}', ${figures}
    from ${conversations} where ${folded} on conflict do nothing returning conversation_id`);
  if (found.length === 0) return;
  await unfoldMessages(
    transaction,
    found.map(({ conversation_id: id }) => id),
  );
  await transaction.execute(sql`
    insert into ${rounds} (turn_id, round, ${figures})
    select request_id, 1, ${figures} from ${conversations} where ${folded} and status <> 'refused'
    on conflict do nothing`);
  await transaction.execute(sql`
    update ${conversations} set request_id = null, streamed = null, http_status = null,
      finish_reason = null, time_to_first_token_ms = null, request_digest = null,
      response_digest = null, content = null
    where ${folded}`);
}
