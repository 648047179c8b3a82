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

/** How a turn can end. */
export const STATUSES = ["completed", "failed", "cancelled", "refused"] as const;
/** How something ended. */
export const status = () => text("status", { enum: STATUSES }).notNull();
/** What a foreign count is kept as: up to 2^53-1, which JavaScript still counts exactly. */
const bigCount = (name: string) => bigint(name, { mode: "number" });
/** Tokens, as upstream counted them or as they were counted here. */
export const tokens = () => ({
  promptTokens: bigCount("prompt_tokens"),
  completionTokens: bigCount("completion_tokens"),
  totalTokens: bigCount("total_tokens"),
  /** Whether some of them were counted here, by tokenizer, because upstream sent none. */
  tokensEstimated: boolean("tokens_estimated").notNull().default(false),
});

/** What tokens cost. */
export const costs = () => ({
  /** Part of the prompt tokens, and of the completion tokens. */
  cachedTokens: bigCount("cached_tokens"),
  reasoningTokens: bigCount("reasoning_tokens"),
  /** US dollars; null where the price is not known. */
  cost: doublePrecision("cost"),
  /** Whether `cost` leaves something out whose price is not known. */
  costIncomplete: boolean("cost_incomplete").notNull().default(false),
});

/** A sum that only grows. */
export const count = (name: string) => bigCount(name).notNull().default(0);
/** Texts, of which there may be none. */
export const names = <Name extends string = string>(name: string) =>
  text(name)
    .array()
    .notNull()
    .default(sql`'{}'`)
    .$type<Name[]>();
/** Bodies of which no text is kept: JSON texts of `{sha256, bytes, contentType}`. */
export const digests = () => ({
  requestDigest: text("request_digest"),
  responseDigest: text("response_digest"),
});
/** Counts of durations by `addDuration` (src/record/histogram.ts). */
export const histogram = (name: string) =>
  integer(name)
    .array()
    .notNull()
    .default(sql`'{}'`);
