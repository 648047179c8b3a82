/** Who may use what, and what operators did about it. */
import { sql } from "drizzle-orm";
import {
  boolean,
  doublePrecision,
  foreignKey,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  uuid,
} from "drizzle-orm/pg-core";
import { createdAt, moment, updatedAt } from "./columns.ts";

export const apiKeys = pgTable(
  "api_keys",
  {
    id: uuid("id").primaryKey(),
    name: text("name").notNull(),
    /** SHA-256 of the key, in hexadecimal. */
    keyHash: text("key_hash").notNull().unique(),
    keyPrefix: text("key_prefix").notNull(),
    /** Its last 4 characters; empty for keys that were made before they were kept. */
    keySuffix: text("key_suffix").notNull().default(""),
    /** The key that a rotation replaced, as SHA-256, and until when it is still accepted. */
    previousKeyHash: text("previous_key_hash").unique(),
    previousExpiresAt: moment("previous_expires_at"),
    isActive: boolean("is_active").notNull().default(true),
    expiresAt: moment("expires_at"),
    /** Sealed (AES-256-GCM). */
    openaiApiKey: text("openai_api_key"),
    openaiBaseUrl: text("openai_base_url"),
    /** In which dialect upstream is asked. Null: the server's `UPSTREAM_DIALECT`. */
    upstreamDialect: text("upstream_dialect", { enum: ["auto", "chat", "responses"] }),
    /** Null: all models. */
    allowedModels: text("allowed_models").array(),
    /**
     * Whether rounds that a client did not see are put back into the history when it comes back in
     * a later turn.
     */
    toolMemory: boolean("tool_memory").notNull().default(true),
    /** Null: the server's `TOOL_MAX_ROUNDS`. */
    toolMaxRounds: integer("tool_max_rounds"),
    /** `metadata`: the record has no content of messages, arguments and results. */
    logContent: text("log_content", { enum: ["full", "metadata"] })
      .notNull()
      .default("full"),
    /** Null: no limit. */
    requestsPerMinute: integer("requests_per_minute"),
    tokensPerMinute: integer("tokens_per_minute"),
    /** US dollars in a calendar month (UTC); null: no limit. */
    monthlyBudget: doublePrecision("monthly_budget"),
    /**
     * How long `/mcp` may give an answer again, in seconds. Null: the server's
     * `ANSWER_CACHE_SECONDS`; 0: never.
     */
    answerCacheSeconds: integer("answer_cache_seconds"),
    /** Whether requests are served whose price is not known, and which a budget cannot count. */
    unpriced: text("unpriced", { enum: ["allow", "refuse"] })
      .notNull()
      .default("allow"),
    lastUsedAt: moment("last_used_at"),
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
    /** Sealed JSON object of the headers that a server at a URL is sent. */
    mcpHeaders: text("mcp_headers"),
    /**
     * `key`: each API key has a process of its own, so that none sees what another's left there.
     */
    mcpIsolation: text("mcp_isolation", { enum: ["key", "shared"] })
      .notNull()
      .default("key"),
    timeoutMs: integer("timeout_ms"),
    /** Calls that may run at the same time; null: no limit of its own. */
    maxConcurrency: integer("max_concurrency"),
    /**
     * What the operator approved of the server's tool, as JSON text `{description, inputSchema}`;
     * null: `description` and `parameters`.
     */
    mcpApproved: text("mcp_approved"),
    /**
     * What the server offers instead, likewise, while that waits for approval; JSON `null`: it has
     * no such tool any more.
     */
    mcpChanged: text("mcp_changed"),
    /** Whether the tool stays on as approved while a change waits, or is off. */
    onMcpChange: text("on_mcp_change", { enum: ["keep", "disable"] })
      .notNull()
      .default("keep"),
    mcpChangedAt: moment("mcp_changed_at"),
    mcpCheckedAt: moment("mcp_checked_at"),
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
  (table) => [
    primaryKey({ columns: [table.apiKeyId, table.toolId] }),
    index("api_key_tools_by_tool").on(table.toolId),
  ],
);

/** Answers of `/mcp` that may be given again, until they expire. */
export const cachedAnswers = pgTable(
  "cached_answers",
  {
    apiKeyId: uuid("api_key_id")
      .notNull()
      .references(() => apiKeys.id, { onDelete: "cascade" }),
    /** SHA-256 of what was asked, in hexadecimal. */
    requestHash: text("request_hash").notNull(),
    /** Sealed JSON of the result. */
    answer: text("answer").notNull(),
    expiresAt: moment("expires_at").notNull(),
    createdAt: createdAt(),
  },
  (table) => [
    primaryKey({ columns: [table.apiKeyId, table.requestHash] }),
    index("cached_answers_by_expiry").on(table.expiresAt),
  ],
);

/**
 * What a client did not see of a turn, until it comes back: kept before its response ends. `lookup`
 * is a hash of the history that the client can see, up to and including the answer in whose place
 * the messages go.
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
  (table) => [
    primaryKey({ columns: [table.apiKeyId, table.lookup] }),
    index("hidden_rounds_by_expiry").on(table.expiresAt),
  ],
);

/** Admin sessions that were ended before their time, until their tokens expire. */
export const endedSessions = pgTable("ended_sessions", {
  /** The `jti` of the token. */
  id: uuid("id").primaryKey(),
  expiresAt: moment("expires_at").notNull(),
});

/**
 * Responses as clients of keys with tools know them: each stands for the rounds that upstream
 * knows. Kept before the response ends, because its client may come back with its id at once.
 */
export const keptResponses = pgTable(
  "kept_responses",
  {
    apiKeyId: uuid("api_key_id")
      .notNull()
      .references(() => apiKeys.id, { onDelete: "cascade" }),
    /** `resp_…`: ours. */
    id: text("id").notNull(),
    /** The response that this one goes on from, where its client named it so. */
    previousId: text("previous_id"),
    /** Whether clients can ask for it: they said that it is to be stored, or did not say. */
    isStored: boolean("is_stored").notNull(),
    /** Whether something of it is hidden from its client. */
    hasHidden: boolean("has_hidden").notNull(),
    /** JSON text of an array: the ids of its rounds, as upstream knows them. */
    upstreamIds: text("upstream_ids").notNull(),
    /**
     * JSON text of arrays: what was new in its request, and what was said in it, as the model knows
     * both. Where no content may be kept there is no input, and a reference for what its client
     * saw.
     */
    input: text("input").notNull(),
    /** The input as its client sent it, where that is another; null: the same. */
    sent: text("sent"),
    items: text("items").notNull(),
    /** JSON text of the response that its client was given; `{}` where no content may be kept. */
    body: text("body").notNull(),
    expiresAt: moment("expires_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.apiKeyId, table.id] }),
    index("kept_responses_by_expiry").on(table.expiresAt),
  ],
);

/** The response that an item, or a call of it, is of: clients come back with items alone, too. */
export const keptResponseItems = pgTable(
  "kept_response_items",
  {
    apiKeyId: uuid("api_key_id").notNull(),
    /** The id of an item, or of a call. */
    itemId: text("item_id").notNull(),
    responseId: text("response_id").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.apiKeyId, table.itemId] }),
    foreignKey({
      name: "kept_response_items_of_response",
      columns: [table.apiKeyId, table.responseId],
      foreignColumns: [keptResponses.apiKeyId, keptResponses.id],
    }).onDelete("cascade"),
    index("kept_response_items_by_response").on(table.apiKeyId, table.responseId),
  ],
);

/**
 * Responses that the proxy makes in the background. One that is not made yet belongs to the process
 * that holds its lease; another goes on with it when that is over.
 */
export const backgroundResponses = pgTable(
  "background_responses",
  {
    apiKeyId: uuid("api_key_id")
      .notNull()
      .references(() => apiKeys.id, { onDelete: "cascade" }),
    /** `resp_…`: ours. */
    id: text("id").notNull(),
    status: text("status", {
      enum: ["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"],
    }).notNull(),
    /** Its turn, which began with its request. */
    turnId: uuid("turn_id").notNull(),
    startedAt: moment("started_at").notNull(),
    /** The response that it goes on from, where its client named it so. */
    previousId: text("previous_id"),
    /** Sealed JSON of its HTTP request; empty when it is made. */
    request: text("request").notNull(),
    /** JSON text of an array: its input, as its client sent it. */
    sent: text("sent").notNull(),
    /** JSON text of the response: as it began, later as it ended. */
    body: text("body").notNull(),
    /** When it is made: JSON text of the numbers that its events had. */
    numbers: text("numbers"),
    /** JSON text of an array: the ids of its rounds, as upstream knows them. */
    upstreamIds: text("upstream_ids").notNull().default("[]"),
    /** The process that makes it; null: none does. */
    owner: uuid("owner"),
    /** Until when the owner need not say that it lives. */
    leaseUntil: moment("lease_until").notNull(),
    /** How often it was begun since a round of it was last kept. */
    attempts: integer("attempts").notNull().default(0),
    isCancelled: boolean("is_cancelled").notNull().default(false),
    expiresAt: moment("expires_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.apiKeyId, table.id] }),
    index("background_responses_by_expiry").on(table.expiresAt),
    index("background_responses_unfinished")
      .on(table.leaseUntil)
      .where(sql`status in ('queued', 'in_progress')`),
  ],
);

/** The finished rounds of a response that is being made: nothing of them is done twice. */
export const backgroundRounds = pgTable(
  "background_rounds",
  {
    apiKeyId: uuid("api_key_id").notNull(),
    responseId: text("response_id").notNull(),
    /** From 1. */
    round: integer("round").notNull(),
    /** JSON text of all that the next round must know of it. */
    state: text("state").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.apiKeyId, table.responseId, table.round] }),
    foreignKey({
      name: "background_rounds_of_response",
      columns: [table.apiKeyId, table.responseId],
      foreignColumns: [backgroundResponses.apiKeyId, backgroundResponses.id],
    }).onDelete("cascade"),
  ],
);

/** What operators changed. Never edited, never deleted by the proxy. */
export const auditLog = pgTable(
  "audit_log",
  {
    id: uuid("id").primaryKey(),
    /** Who: today there is one operator, `admin`. */
    actor: text("actor").notNull(),
    /** For example `api_key.create`. */
    action: text("action").notNull(),
    targetId: text("target_id"),
    targetName: text("target_name"),
    /** JSON text of what was changed, without secrets. */
    changes: text("changes").notNull().default("{}"),
    /** The address from which it was done. */
    clientAddress: text("client_address").notNull().default(""),
    createdAt: createdAt(),
  },
  (table) => [index("audit_log_newest").on(table.createdAt.desc(), table.id.desc())],
);
