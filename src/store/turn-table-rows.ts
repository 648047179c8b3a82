/** A turn as rows of its tables. */
import { v7 as uuidv7 } from "uuid";
import type {
  conversations,
  messageBodies,
  messages,
  rounds,
  toolExecutionBodies,
  toolExecutions,
  turns,
} from "../../drizzle/schema.ts";
import { addUsage, type Usage } from "../openai/usage.ts";
import type { PricedRound } from "../record/price-rounds.ts";
import { hasConversations } from "./endpoint-group.ts";
import type { TurnRecord } from "../record/turn-record.ts";
import type { StoredMessage } from "../record/turn-rows.ts";
import type { AssignedTurn } from "./assign-conversations.ts";
import { plain } from "./insert-rows.ts";
import { onlyContent } from "./only-content.ts";
import { isOneRow } from "./only-turn.ts";
import { finiteCost, wholeCount } from "./whole-count.ts";

/** An index takes no longer keys than 2,700 bytes, and clients name their models as they like. */
const MAX_MODEL_LENGTH = 200;
const modelOf = ({ read }: AssignedTurn) => plain(read.model?.slice(0, MAX_MODEL_LENGTH) ?? null);

interface Counted {
  usage: Usage | null;
  tokensEstimated: boolean;
}

/** What is no count as it came is one that was made here. */
function tokenColumns({ usage, tokensEstimated }: Counted) {
  const sent = [usage?.prompt_tokens, usage?.completion_tokens, usage?.total_tokens];
  const counts = sent.map((count) => wholeCount(count ?? null));
  const [promptTokens = null, completionTokens = null, totalTokens = null] = counts;
  const isChanged = counts.some((count, index) => count !== (sent[index] ?? null));
  return {
    promptTokens,
    completionTokens,
    totalTokens,
    tokensEstimated: tokensEstimated || isChanged,
  };
}

type Costs = Pick<PricedRound, "cachedTokens" | "reasoningTokens" | "cost" | "costIncomplete">;

const added = (sum: number | null, more: number | null) =>
  sum === null ? more : sum + (more ?? 0);

/** The sum of what is known; marked where something is not. */
function costColumns(parts: Costs[]): Costs {
  const none: Costs = {
    cachedTokens: null,
    reasoningTokens: null,
    cost: null,
    costIncomplete: false,
  };
  const sum = parts.reduce(
    (sum, part) => ({
      cachedTokens: added(sum.cachedTokens, part.cachedTokens),
      reasoningTokens: added(sum.reasoningTokens, part.reasoningTokens),
      cost: added(sum.cost, part.cost),
      costIncomplete: sum.costIncomplete || part.costIncomplete,
    }),
    none,
  );
  return {
    cachedTokens: wholeCount(sum.cachedTokens),
    reasoningTokens: wholeCount(sum.reasoningTokens),
    cost: finiteCost(sum.cost),
    costIncomplete: sum.costIncomplete,
  };
}

const sum = (batch: AssignedTurn[], count: (turn: AssignedTurn) => number) =>
  batch.reduce((total, turn) => total + count(turn), 0);

/** What is new of a turn's messages. */
const newMessages = ({ read, knownMessages }: AssignedTurn): StoredMessage[] => [
  ...read.sent.slice(knownMessages),
  ...read.produced,
];

const digestText = (digest: TurnRecord["requestDigest"]) =>
  digest === undefined ? null : plain(JSON.stringify(digest));

/** Names, each once. */
const distinct = <Name extends string>(names: Name[]): Name[] => [...new Set(names)];

/** A code is a word of upstream's; what is longer is none. */
const MAX_CODE_LENGTH = 200;
const codeOf = ({ errorCode }: Pick<TurnRecord, "errorCode">) =>
  // Records that wait in a spool of before have none.
  plain((errorCode ?? null)?.slice(0, MAX_CODE_LENGTH) ?? null);

const digests = ({ requestDigest, responseDigest }: TurnRecord) => ({
  requestDigest: digestText(requestDigest),
  responseDigest: digestText(responseDigest),
});

/** See `onlyTurn` of the schema. */
const NO_ONLY_TURN = {
  requestId: null,
  streamed: null,
  httpStatus: null,
  finishReason: null,
  timeToFirstTokenMs: null,
  requestDigest: null,
  responseDigest: null,
  content: null,
};

function onlyTurnColumns([turn, ...others]: AssignedTurn[]) {
  if (turn === undefined || others.length > 0 || !isOneRow(turn)) return NO_ONLY_TURN;
  const { record, read } = turn;
  return {
    requestId: record.id,
    streamed: read.streamed,
    httpStatus: record.httpStatus,
    finishReason: plain(read.finishReason),
    timeToFirstTokenMs: record.timeToFirstTokenMs,
    ...digests(record),
    content: onlyContent(newMessages(turn)),
  };
}

/**
 * A conversation's row with the figures of its turns in this batch. The latest turn names its
 * state, the latest that went wrong its error.
 */
export function conversationRow(batch: AssignedTurn[]) {
  const [first, last] = [batch[0], batch.at(-1)];
  if (first === undefined || last === undefined)
    throw new Error("A conversation has at least one turn");
  const { record, read } = first;
  const records = batch.map((turn) => turn.record);
  const executions = records.flatMap(({ toolExecutions }) => toolExecutions);
  const failed = executions.filter(({ error }) => error !== null);
  const wrong = records.findLast(({ status }) => status === "failed" || status === "refused");
  return {
    id: first.conversationId,
    apiKeyId: record.apiKeyId,
    apiKeyName: plain(record.apiKeyName),
    endpoint: plain(record.endpoint),
    kind: records.some(({ endpoint }) => hasConversations(endpoint)) ? "conversation" : "request",
    title: plain(read.title),
    model: modelOf(last),
    status: last.record.status,
    statuses: distinct(records.map(({ status }) => status)),
    error: plain(wrong?.error ?? null),
    errorCode: wrong === undefined ? null : codeOf(wrong),
    ...tokenColumns({
      usage: batch.reduce<Usage | null>((total, turn) => addUsage(total, turn.read.usage), null),
      tokensEstimated: batch.some((turn) => turn.read.tokensEstimated),
    }),
    ...costColumns(batch.flatMap((turn) => turn.read.rounds)),
    messageCount: sum(batch, (turn) => newMessages(turn).length),
    toolExecutionCount: executions.length,
    turnCount: batch.length,
    toolsUsed: distinct(executions.map(({ toolName }) => plain(toolName))),
    toolsFailed: distinct(failed.map(({ toolName }) => plain(toolName))),
    durationMs: sum(batch, (turn) => turn.record.durationMs),
    branchOfTurnId: first.branchOf?.turnId ?? null,
    branchOfConversationId: first.branchOf?.conversationId ?? null,
    ...onlyTurnColumns(batch),
    createdAt: new Date(record.startedAt),
    updatedAt: new Date(last.record.startedAt + last.record.durationMs),
  } satisfies Required<typeof conversations.$inferInsert>;
}

/** @param turn that has its place */
export function turnRow(turn: AssignedTurn): Required<typeof turns.$inferInsert> {
  const { record, read, conversationId, parentTurnId, awaited } = turn;
  return {
    id: record.id,
    conversationId,
    parentTurnId,
    place: read.place,
    awaitedPlace: awaited?.place ?? null,
    awaitedMessages: awaited?.messages ?? 0,
    apiKeyId: record.apiKeyId,
    endpoint: plain(record.endpoint),
    model: modelOf(turn),
    streamed: read.streamed,
    cached: record.cached === true,
    status: record.status,
    httpStatus: record.httpStatus,
    error: plain(record.error),
    errorCode: codeOf(record),
    finishReason: plain(read.finishReason),
    loopStopReason: record.loopStopReason,
    ...tokenColumns(read),
    ...costColumns(read.rounds),
    timeToFirstTokenMs: record.timeToFirstTokenMs,
    durationMs: record.durationMs,
    toolsOffered: record.toolsOffered.map(plain),
    toolsShadowed: record.toolsShadowed.map(plain),
    ...digests(record),
    startedAt: new Date(record.startedAt),
  };
}

/** What the client sent came with the request, and what was answered was there at its end. */
const writtenAt = ({ startedAt, durationMs }: AssignedTurn["record"], { round }: StoredMessage) =>
  new Date(round === null ? startedAt : startedAt + durationMs);

/** The messages that are new. */
export function messageRows(turn: AssignedTurn): {
  rows: Required<typeof messages.$inferInsert>[];
  bodies: Required<typeof messageBodies.$inferInsert>[];
} {
  const { record, conversationId } = turn;
  const stored = newMessages(turn).map((message) => ({
    id: uuidv7(),
    message,
    createdAt: writtenAt(record, message),
  }));
  return {
    rows: stored.map(({ id, message, createdAt }, position) => ({
      id,
      conversationId,
      turnId: record.id,
      position,
      role: plain(message.role),
      toolCallId: plain(message.toolCallId),
      hidden: message.hidden,
      round: message.round,
      createdAt,
    })),
    bodies: stored.map(({ id, message: { content, toolCalls, extra }, createdAt }) => ({
      messageId: id,
      createdAt,
      conversationId,
      content,
      toolCalls,
      extra,
    })),
  };
}

/** Without content where the key's record has none. */
export function executionRows({ record, conversationId }: AssignedTurn): {
  rows: Required<typeof toolExecutions.$inferInsert>[];
  bodies: Required<typeof toolExecutionBodies.$inferInsert>[];
} {
  const hasContent = record.logContent !== "metadata";
  return {
    rows: record.toolExecutions.map((execution) => ({
      id: execution.id,
      conversationId,
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
      createdAt: new Date(execution.startedAt),
      arguments: hasContent ? plain(execution.arguments) : "{}",
      result: hasContent ? plain(execution.result) : null,
      error: hasContent || execution.error === null ? plain(execution.error) : "failed",
      logs: hasContent ? JSON.stringify(execution.logs) : "[]",
    })),
  };
}

/** One row for each upstream call. */
export function roundRows({ record, read }: AssignedTurn): Required<typeof rounds.$inferInsert>[] {
  return read.rounds.map((round) => ({
    turnId: record.id,
    round: round.round,
    status: round.status,
    ...tokenColumns(round),
    ...costColumns([round]),
    timeToFirstTokenMs: round.timeToFirstTokenMs,
    durationMs: round.durationMs,
    finishReason: plain(round.finishReason),
    error: plain(round.error),
    notes: (round.notes ?? []).map(plain),
  }));
}
