/** Columns that several tables have. */
import { sql } from "drizzle-orm";
import { bigint, boolean, doublePrecision, integer, text, timestamp } from "drizzle-orm/pg-core";

/** A time, to the millisecond. */
export const moment = (name: string) =>
  timestamp(name, { withTimezone: true, mode: "date", precision: 3 });
/** When a row was made. */
export const createdAt = () => moment("created_at").notNull().defaultNow();
/** When a row was last changed. */
export const updatedAt = () => moment("updated_at").notNull().defaultNow();

/** How something ended. */
export const status = () =>
  text("status", { enum: ["completed", "failed", "cancelled", "refused"] }).notNull();
/** Tokens, as upstream counted them or as they were counted here. */
export const tokens = () => ({
  promptTokens: integer("prompt_tokens"),
  completionTokens: integer("completion_tokens"),
  totalTokens: integer("total_tokens"),
  /** Whether some of them were counted here, by tokenizer, because upstream sent none. */
  tokensEstimated: boolean("tokens_estimated").notNull().default(false),
});

/** What tokens cost. */
export const costs = () => ({
  /** Part of the prompt tokens, and of the completion tokens. */
  cachedTokens: integer("cached_tokens"),
  reasoningTokens: integer("reasoning_tokens"),
  /** US dollars; null where the price is not known. */
  cost: doublePrecision("cost"),
  /** Whether `cost` leaves something out whose price is not known. */
  costIncomplete: boolean("cost_incomplete").notNull().default(false),
});

/** A sum that only grows. */
export const count = (name: string) => bigint(name, { mode: "number" }).notNull().default(0);
/** Counts of durations by `addDuration` (src/record/histogram.ts). */
export const histogram = (name: string) =>
  integer(name)
    .array()
    .notNull()
    .default(sql`'{}'`);
