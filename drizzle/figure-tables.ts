/** What statistics and budgets are made of. */
import { doublePrecision, index, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { count, histogram, moment } from "./columns.ts";

/**
 * What statistics are made of: one row for each hour (UTC), key, model and endpoint, written with
 * the turns.
 */
export const usageHours = pgTable(
  "usage_hours",
  {
    hour: moment("hour").notNull(),
    apiKeyId: uuid("api_key_id").notNull(),
    apiKeyName: text("api_key_name").notNull(),
    /** Empty where the request named none. */
    model: text("model").notNull(),
    /** The path without ids: see `src/store/endpoint-group.ts`. */
    endpoint: text("endpoint").notNull(),
    requests: count("requests"),
    failed: count("failed"),
    cancelled: count("cancelled"),
    /** By the proxy itself, before upstream was asked; not among those that failed. */
    refused: count("refused"),
    promptTokens: count("prompt_tokens"),
    completionTokens: count("completion_tokens"),
    cachedTokens: count("cached_tokens"),
    reasoningTokens: count("reasoning_tokens"),
    cost: doublePrecision("cost").notNull().default(0),
    /** Requests with tokens whose price is not known. */
    unpriced: count("unpriced"),
    durations: histogram("durations"),
    timesToFirstToken: histogram("times_to_first_token"),
  },
  (table) => [
    primaryKey({ columns: [table.hour, table.apiKeyId, table.model, table.endpoint] }),
    index("usage_hours_by_key").on(table.apiKeyId, table.hour),
  ],
);

/** Tool executions of one hour (UTC), by tool and key. */
export const toolHours = pgTable(
  "tool_hours",
  {
    hour: moment("hour").notNull(),
    toolName: text("tool_name").notNull(),
    apiKeyId: uuid("api_key_id").notNull(),
    executions: count("executions"),
    failed: count("failed"),
    durations: histogram("durations"),
  },
  (table) => [primaryKey({ columns: [table.hour, table.toolName, table.apiKeyId] })],
);

/**
 * Which part of a key's limit a process may use without asking the others: see
 * `src/store/limit-shares.ts`.
 */
export const limitShares = pgTable(
  "limit_shares",
  {
    apiKeyId: uuid("api_key_id").notNull(),
    meter: text("meter").notNull(),
    /** The process, or the isolate. */
    holder: uuid("holder").notNull(),
    /** Used, of which the record does not tell yet; of a limit by the minute, in the last one. */
    used: doublePrecision("used").notNull(),
    /** What turns under way may yet use. */
    held: doublePrecision("held").notNull(),
    /** What more it may use. */
    free: doublePrecision("free").notNull(),
    /** When the holder said so. */
    at: moment("at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.apiKeyId, table.meter, table.holder] })],
);
