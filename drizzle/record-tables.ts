/** What happened. */
import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  uuid,
} from "drizzle-orm/pg-core";
import {
  costs,
  createdAt,
  digests,
  moment,
  names,
  status,
  tokens,
  updatedAt,
  type STATUSES,
} from "./columns.ts";

/**
 * The only turn of a conversation, where that is a request of its own: a busy embeddings key costs
 * one row a request. Such a turn has no row in {@link turns}; elsewhere these are null.
 */
const onlyTurn = () => ({
  requestId: uuid("request_id"),
  streamed: boolean("streamed"),
  httpStatus: integer("http_status"),
  finishReason: text("finish_reason"),
  timeToFirstTokenMs: integer("time_to_first_token_ms"),
  ...digests(),
  /** What was sent and answered, as JSON text. Read by no list. */
  content: text("content"),
});

/** Key id and name are kept as they were: a deleted key leaves its history behind. */
export const conversations = pgTable(
  "conversations",
  {
    id: uuid("id").primaryKey(),
    apiKeyId: uuid("api_key_id").notNull(),
    apiKeyName: text("api_key_name").notNull(),
    model: text("model"),
    endpoint: text("endpoint").notNull(),
    /** `request`: of an endpoint that has no conversations, and one of its own. */
    kind: text("kind", { enum: ["conversation", "request"] })
      .notNull()
      .default("conversation"),
    title: text("title").notNull().default(""),
    /** Of its latest turn. */
    status: status(),
    /** Of all its turns. */
    statuses: names<(typeof STATUSES)[number]>("statuses"),
    /** Of its latest turn that failed or was refused. */
    error: text("error"),
    errorCode: text("error_code"),
    messageCount: integer("message_count").notNull().default(0),
    toolExecutionCount: integer("tool_execution_count").notNull().default(0),
    turnCount: integer("turn_count").notNull().default(1),
    /** Names of the tools that ran, and of those that failed at least once. */
    toolsUsed: names("tools_used"),
    toolsFailed: names("tools_failed"),
    ...tokens(),
    ...costs(),
    durationMs: bigint("duration_ms", { mode: "number" }).notNull().default(0),
    /**
     * The turn from whose answer it goes on, where it is a branch of another conversation. No
     * foreign key: that may be deleted.
     */
    branchOfTurnId: uuid("branch_of_turn_id"),
    branchOfConversationId: uuid("branch_of_conversation_id"),
    ...onlyTurn(),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => {
    // Rows come in this order, so that an index grows at its end and its pages are full: 40 % less
    // than in the list's own order. Read from its end, it has that: see `newestFirst`.
    const newest = () => [table.createdAt.asc().nullsFirst(), table.id.asc().nullsFirst()] as const;
    const isConversation = sql`kind = 'conversation'`;
    return [
      index("conversations_newest").on(...newest()),
      index("conversations_by_key").on(table.apiKeyId, ...newest()),
      index("conversations_by_model").on(table.model, ...newest()),
      // Without the requests of a busy key between them.
      index("conversations_of_kind")
        .on(...newest())
        .where(isConversation),
      index("conversations_of_key")
        .on(table.apiKeyId, ...newest())
        .where(isConversation),
      // What went wrong is rare: an index of that alone is small, and has the list's order.
      index("conversations_failed")
        .on(...newest())
        .where(sql`statuses @> '{failed}'`),
      index("conversations_cancelled")
        .on(...newest())
        .where(sql`statuses @> '{cancelled}'`),
      index("conversations_refused")
        .on(...newest())
        .where(sql`statuses @> '{refused}'`),
      index("conversations_tool_failed")
        .on(...newest())
        .where(sql`tools_failed <> '{}'`),
      index("conversations_by_tool")
        .using("gin", table.toolsUsed)
        .where(sql`tools_used <> '{}'`),
      index("conversations_by_duration").on(table.durationMs),
      index("conversations_by_update").on(table.updatedAt),
      index("conversations_by_branch")
        .on(table.branchOfConversationId)
        .where(sql`branch_of_conversation_id is not null`),
    ];
  },
);

/**
 * One request and its response. The row's presence is what makes writing a record twice harmless.
 */
export const turns = pgTable(
  "turns",
  {
    id: uuid("id").primaryKey(),
    conversationId: uuid("conversation_id")
      .notNull()
      .references(() => conversations.id, { onDelete: "cascade" }),
    /** The turn whose answer the client's history ended in, before what is new in this one. */
    parentTurnId: uuid("parent_turn_id"),
    /**
     * The place of its answer in the client's history: what a request that goes on from it is
     * recognised by.
     */
    place: text("place"),
    /**
     * The last place in the history that the client sent, where no turn on record ends at it: one
     * may yet come, from another replica. Then so many of this turn's messages are that turn's.
     */
    awaitedPlace: text("awaited_place"),
    awaitedMessages: integer("awaited_messages").notNull().default(0),
    apiKeyId: uuid("api_key_id"),
    endpoint: text("endpoint").notNull().default("/v1/chat/completions"),
    model: text("model"),
    streamed: boolean("streamed").notNull(),
    /** Whether an earlier answer was given again: upstream was not asked. */
    cached: boolean("cached").notNull().default(false),
    status: status(),
    httpStatus: integer("http_status").notNull(),
    error: text("error"),
    /** As OpenAI spells it. */
    errorCode: text("error_code"),
    finishReason: text("finish_reason"),
    loopStopReason: text("loop_stop_reason"),
    ...tokens(),
    ...costs(),
    timeToFirstTokenMs: integer("time_to_first_token_ms"),
    durationMs: integer("duration_ms").notNull(),
    toolsOffered: text("tools_offered").array().notNull(),
    toolsShadowed: text("tools_shadowed").array().notNull(),
    ...digests(),
    startedAt: moment("started_at").notNull(),
  },
  (table) => [
    index("turns_by_conversation").on(table.conversationId),
    index("turns_by_place").on(table.apiKeyId, table.place),
    index("turns_by_parent")
      .on(table.parentTurnId)
      .where(sql`parent_turn_id is not null`),
    index("turns_awaiting")
      .on(table.apiKeyId, table.awaitedPlace)
      .where(sql`awaited_place is not null`),
  ],
);

/** One upstream call. */
export const rounds = pgTable(
  "rounds",
  {
    turnId: uuid("turn_id")
      .notNull()
      .references(() => turns.id, { onDelete: "cascade" }),
    round: integer("round").notNull(),
    status: status(),
    ...tokens(),
    ...costs(),
    timeToFirstTokenMs: integer("time_to_first_token_ms"),
    durationMs: integer("duration_ms").notNull(),
    finishReason: text("finish_reason"),
    error: text("error"),
    /** What the proxy did so that upstream took it, a sentence each. */
    notes: names("notes"),
  },
  (table) => [primaryKey({ columns: [table.turnId, table.round] })],
);

export const messages = pgTable(
  "messages",
  {
    id: uuid("id").primaryKey(),
    conversationId: uuid("conversation_id")
      .notNull()
      .references(() => conversations.id, { onDelete: "cascade" }),
    turnId: uuid("turn_id")
      .notNull()
      .references(() => turns.id, { onDelete: "cascade" }),
    /** Order within the turn, from 0. */
    position: integer("position").notNull(),
    role: text("role").notNull(),
    toolCallId: text("tool_call_id"),
    /** Whether the client never saw it. */
    hidden: boolean("hidden").notNull().default(false),
    /** The round that produced it; null for what the client sent. */
    round: integer("round"),
    createdAt: createdAt(),
  },
  (table) => [
    index("messages_by_conversation").on(table.conversationId),
    index("messages_by_turn").on(table.turnId),
  ],
);

/**
 * Partitioned by month (UTC) of `createdAt`, so that old content goes by dropping a table. See
 * migration 0002.
 */
export const messageBodies = pgTable(
  "message_bodies",
  {
    messageId: uuid("message_id")
      .notNull()
      .references(() => messages.id, { onDelete: "cascade" }),
    /** The message's own. */
    createdAt: moment("created_at").notNull(),
    conversationId: uuid("conversation_id").notNull(),
    /** JSON text: a string, an array of content parts, or null. */
    content: text("content").notNull(),
    /** JSON text: an array, or null. */
    toolCalls: text("tool_calls").notNull(),
    /** JSON text of an object: reasoning, refusal, name and what else the message had; or null. */
    extra: text("extra"),
  },
  (table) => [primaryKey({ columns: [table.messageId, table.createdAt] })],
);

export const toolExecutions = pgTable(
  "tool_executions",
  {
    id: uuid("id").primaryKey(),
    conversationId: uuid("conversation_id")
      .notNull()
      .references(() => conversations.id, { onDelete: "cascade" }),
    turnId: uuid("turn_id")
      .notNull()
      .references(() => turns.id, { onDelete: "cascade" }),
    /** No foreign key: the record outlives the tool. */
    toolId: uuid("tool_id").notNull(),
    toolName: text("tool_name").notNull(),
    type: text("type", { enum: ["function", "mcp"] }).notNull(),
    toolCallId: text("tool_call_id").notNull(),
    round: integer("round").notNull(),
    failed: boolean("failed").notNull(),
    startedAt: moment("started_at").notNull(),
    durationMs: integer("duration_ms").notNull(),
  },
  (table) => [
    index("tool_executions_by_conversation").on(table.conversationId),
    index("tool_executions_by_turn").on(table.turnId),
    index("tool_executions_by_tool").on(table.toolId, table.startedAt.desc()),
  ],
);

/** Partitioned like {@link messageBodies}, by the start of the execution. */
export const toolExecutionBodies = pgTable(
  "tool_execution_bodies",
  {
    toolExecutionId: uuid("tool_execution_id")
      .notNull()
      .references(() => toolExecutions.id, { onDelete: "cascade" }),
    /** The execution's `startedAt`. */
    createdAt: moment("created_at").notNull(),
    /** As the model wrote them. */
    arguments: text("arguments").notNull(),
    result: text("result"),
    error: text("error"),
    /** Lines of `console.*`, as a JSON array. */
    logs: text("logs").notNull().default("[]"),
  },
  (table) => [primaryKey({ columns: [table.toolExecutionId, table.createdAt] })],
);

/** Ids that clients were told for a conversation that turned out to go on from another one. */
export const conversationAliases = pgTable(
  "conversation_aliases",
  {
    id: uuid("id").primaryKey(),
    conversationId: uuid("conversation_id")
      .notNull()
      .references(() => conversations.id, { onDelete: "cascade" }),
  },
  (table) => [index("conversation_aliases_by_conversation").on(table.conversationId)],
);
