/**
 * Where the limits of API keys are counted. Each place is a file that makes a {@link LimitStore}:
 * `memory-limits.ts` counts what this process uses, `database-limits.ts` adds to that what all
 * replicas have on record. A store that replicas share (a Redis script over the `wanted` of one
 * key, a Durable Object for each key) is one more, chosen in `openLimitStore`.
 */

/** What is counted: requests and tokens, of the last minute; US dollars, of a month (UTC). */
export type Meter = "requests" | "tokens" | "cost";

/** A limit of a key. It is used up when that much is used. */
export interface KeyLimit {
  meter: Meter;
  limit: number;
}

/** How much of a limit is used. */
export interface LimitReading extends KeyLimit {
  used: number;
  /** Milliseconds until less than the limit is used, if nothing is added. 0: it is not used up. */
  waitMs: number;
  /** Milliseconds until nothing is used, if nothing is added. */
  emptyMs: number;
}

/** The turn that uses something: its cost counts once, here or as its record has it. */
export interface UsingTurn {
  id: string;
  /** Where its record is looked for. */
  conversationId: string;
  /** Milliseconds since 1970: the month that it counts in. */
  startedAt: number;
}

/** Counts what keys use. No method throws: a store that cannot be asked counts here meanwhile. */
export interface LimitStore {
  /**
   * Takes all amounts, or none where one of the limits is used up: in one step, so that of many
   * requests at the same time no more than the limit pass.
   * @param wanted with amounts of 0 where only the limit is looked at
   */
  take(
    apiKeyId: string,
    wanted: (KeyLimit & { amount: number })[],
  ): Promise<{ taken: boolean; readings: LimitReading[] }>;
  /** Counts what was used, whether or not it goes beyond a limit. */
  add(apiKeyId: string, use: { meter: Meter; amount: number }, turn: UsingTurn): Promise<void>;
  /** Looks, and takes nothing. */
  read(apiKeyId: string, limits: KeyLimit[]): Promise<LimitReading[]>;
}

/** Whether a limit is used up. */
export const isUsedUp = ({ used, limit }: Pick<LimitReading, "used" | "limit">): boolean =>
  used >= limit;
