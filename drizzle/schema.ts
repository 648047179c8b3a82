/**
 * The one schema, for PostgreSQL 15 or newer and for the embedded PGlite. Bodies (message content, tool arguments and
 * results) are in tables of their own, so that no list reads them. Bodies are `text` that holds JSON: a `jsonb` column
 * costs the server four times as much per row, and refuses the NUL character that models do write.
 */
import { boolean, index, integer, pgTable, primaryKey, text, timestamp, uuid } from "drizzle-orm/pg-core";

const moment = (name: string) => timestamp(name, { withTimezone: true, mode: "date", precision: 3 });
const createdAt = () => moment("created_at").notNull().defaultNow();
const updatedAt = () => moment("updated_at").notNull().defaultNow();

export const apiKeys = pgTable(
  "api_keys",
  {
    id: uuid("id").primaryKey(),
    name: text("name").notNull(),
    /** SHA-256 of the key, in hexadecimal. */
    keyHash: text("key_hash").notNull().unique(),
    keyPrefix: text("key_prefix").notNull(),
    isActive: boolean("is_active").notNull().default(true),
    expiresAt: moment("expires_at"),
    /** Sealed (AES-256-GCM). */
    openaiApiKey: text("openai_api_key"),
    openaiBaseUrl: text("openai_base_url"),
    /** Null: all models. */
    allowedModels: text("allowed_models").array(),
    /** Whether rounds that a client did not see are put back into the history when it comes back in a later turn. */
    toolMemory: boolean("tool_memory").notNull().default(true),
    /** Null: the server's `TOOL_MAX_ROUNDS`. */
    toolMaxRounds: integer("tool_max_rounds"),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [index("api_keys_newest").on(table.createdAt.desc(), table.id.desc())],
);

export const tools = pgTable(
  "tools",
  {
    id: uuid("id").primaryKey(),
    name: text("name").notNull().unique(),
    description: text("description").notNull().default(""),
    type: text("type", { enum: ["function", "mcp"] }).notNull(),
    /** JSON Schema of the arguments, as JSON text. */
    parameters: text("parameters").notNull(),
    implementation: text("implementation"),
    mcpServerCommand: text("mcp_server_command"),
    mcpServerUrl: text("mcp_server_url"),
    mcpToolName: text("mcp_tool_name"),
    /** Sealed JSON object of environment variables. */
    env: text("env"),
    timeoutMs: integer("timeout_ms"),
    isActive: boolean("is_active").notNull().default(true),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [index("tools_newest").on(table.createdAt.desc(), table.id.desc())],
);

export const apiKeyTools = pgTable(
  "api_key_tools",
  {
    apiKeyId: uuid("api_key_id")
      .notNull()
      .references(() => apiKeys.id, { onDelete: "cascade" }),
    toolId: uuid("tool_id")
      .notNull()
      .references(() => tools.id, { onDelete: "cascade" }),
  },
  (table) => [primaryKey({ columns: [table.apiKeyId, table.toolId] }), index("api_key_tools_by_tool").on(table.toolId)],
);

const status = () => text("status", { enum: ["completed", "failed", "cancelled"] }).notNull();
const tokens = () => ({
  promptTokens: integer("prompt_tokens"),
  completionTokens: integer("completion_tokens"),
  totalTokens: integer("total_tokens"),
  /** Whether some of them were counted here, by tokenizer, because upstream sent none. */
  tokensEstimated: boolean("tokens_estimated").notNull().default(false),
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
    title: text("title").notNull().default(""),
    status: status(),
    messageCount: integer("message_count").notNull().default(0),
    toolExecutionCount: integer("tool_execution_count").notNull().default(0),
    ...tokens(),
    durationMs: integer("duration_ms").notNull().default(0),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [
    index("conversations_newest").on(table.createdAt.desc(), table.id.desc()),
    index("conversations_by_key").on(table.apiKeyId, table.createdAt.desc(), table.id.desc()),
  ],
);

/** One request and its response. The row's presence is what makes writing a record twice harmless. */
export const turns = pgTable(
  "turns",
  {
    id: uuid("id").primaryKey(),
    conversationId: uuid("conversation_id")
      .notNull()
      .references(() => conversations.id, { onDelete: "cascade" }),
    model: text("model"),
    streamed: boolean("streamed").notNull(),
    status: status(),
    httpStatus: integer("http_status").notNull(),
    error: text("error"),
    finishReason: text("finish_reason"),
    loopStopReason: text("loop_stop_reason"),
    ...tokens(),
    timeToFirstTokenMs: integer("time_to_first_token_ms"),
    durationMs: integer("duration_ms").notNull(),
    toolsOffered: text("tools_offered").array().notNull(),
    toolsShadowed: text("tools_shadowed").array().notNull(),
    startedAt: moment("started_at").notNull(),
  },
  (table) => [index("turns_by_conversation").on(table.conversationId)],
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
    timeToFirstTokenMs: integer("time_to_first_token_ms"),
    durationMs: integer("duration_ms").notNull(),
    finishReason: text("finish_reason"),
    error: text("error"),
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
  (table) => [index("messages_by_conversation").on(table.conversationId), index("messages_by_turn").on(table.turnId)],
);

export const messageBodies = pgTable("message_bodies", {
  messageId: uuid("message_id")
    .primaryKey()
    .references(() => messages.id, { onDelete: "cascade" }),
  /** JSON text: a string, an array of content parts, or null. */
  content: text("content").notNull(),
  /** JSON text: an array, or null. */
  toolCalls: text("tool_calls").notNull(),
});

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

export const toolExecutionBodies = pgTable("tool_execution_bodies", {
  toolExecutionId: uuid("tool_execution_id")
    .primaryKey()
    .references(() => toolExecutions.id, { onDelete: "cascade" }),
  /** As the model wrote them. */
  arguments: text("arguments").notNull(),
  result: text("result"),
  error: text("error"),
  /** Lines of `console.*`, as a JSON array. */
  logs: text("logs").notNull().default("[]"),
});

/**
 * What a client did not see of a turn, until it comes back: kept before its response ends. `lookup` is a hash of the
 * history that the client can see, up to and including the answer in whose place the messages go.
 */
export const hiddenRounds = pgTable(
  "hidden_rounds",
  {
    apiKeyId: uuid("api_key_id")
      .notNull()
      .references(() => apiKeys.id, { onDelete: "cascade" }),
    lookup: text("lookup").notNull(),
    /** JSON text of an array of messages, in the order in which the model must see them. */
    messages: text("messages").notNull(),
    expiresAt: moment("expires_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.apiKeyId, table.lookup] }), index("hidden_rounds_by_expiry").on(table.expiresAt)],
);
