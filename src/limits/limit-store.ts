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
  /** What turns under way may yet use of it. */
  held: number;
}

/** What a request wants of a limit. */
export interface WantedUse extends KeyLimit {
  /**
   * Requests are used at once. Of another limit that is what the request may use, which is held for
   * its turn until that is over; 0 where it is only looked at.
   */
  amount: number;
}

/** What may yet be used by a turn under way. */
export type HeldAmounts = Partial<Record<Exclude<Meter, "requests">, number>>;

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
   * Takes all amounts, or none where one of the limits is used up, or does not suffice beside what
   * is held: in one step, so that of many requests at the same time no more than the limit pass.
   * Whoever is the only one under way passes where anything is left: nobody knows that it will use
   * more.
   * @param turnId for which it is held
   */
  take(
    apiKeyId: string,
    wanted: WantedUse[],
    turnId: string,
  ): Promise<{ taken: boolean; readings: LimitReading[] }>;
  /**
   * Holds these amounts from now on, where the turn holds any. What is not told again within
   * {@link HELD_MS} is held no longer: its turn has died.
   * @returns what it held before, or null
   */
  hold(apiKeyId: string, turnId: string, amounts: HeldAmounts): Promise<HeldAmounts | null>;
  /** The turn is over. @returns what it held, or null */
  release(apiKeyId: string, turnId: string): Promise<HeldAmounts | null>;
  /** Counts what was used, whether or not it goes beyond a limit. */
  add(apiKeyId: string, use: { meter: Meter; amount: number }, turn: UsingTurn): Promise<void>;
  /** Looks, and takes nothing. */
  read(apiKeyId: string, limits: KeyLimit[]): Promise<LimitReading[]>;
}

/** How long an amount is held of which nobody hears any more, in milliseconds. */
export const HELD_MS = 30_000;

/** Whether a limit is used up. */
export const isUsedUp = ({ used, limit }: Pick<LimitReading, "used" | "limit">): boolean =>
  used >= limit;

/** Whether what is held leaves less of a limit than a request wants beside it. */
export const isTooMuchBeside = (
  { held, used }: Pick<LimitReading, "held" | "used">,
  { amount, limit }: Pick<WantedUse, "amount" | "limit">,
): boolean => amount > 0 && held > 0 && used + held + amount > limit;
