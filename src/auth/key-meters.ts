/**
 * What keys have used of their limits. Each process counts its own use at once. What all replicas
 * use comes from the figures of the hours (`usage_hours`), into which every turn is counted as it
 * is written: they only grow, so what they grew by since they were last read is what was used
 * meanwhile, here and elsewhere. The larger of the two is what counts.
 */
import type { Memory, RequestScope } from "../platform.ts";
import { describeError } from "../store/describe-error.ts";
import { recordedUsage, type RecordedUsage } from "../store/key-usage.ts";
import { createRateWindow, type RateWindow } from "./rate-window.ts";

/** The last minute of something, as this process and as the database know it. */
export interface Meter {
  here: RateWindow;
  everywhere: RateWindow;
}

/** What a key spent this month, in US dollars. */
export interface Spend {
  /** On record; null while nobody knows. */
  recorded: number | null;
  /** When that was asked for, in milliseconds since 1970. */
  askedAt: number;
  /** What turns of this process cost that ended since. */
  added: number;
  /** Settles when it was asked for; null while it is not. */
  asking: Promise<void> | null;
}

/** All that is remembered of one key's use. */
export interface KeyMeters {
  requests: Meter;
  tokens: Meter;
  spend: Spend;
  /** Milliseconds since 1970. */
  touchedAt: number;
  /** Whether the figures were ever asked for. */
  isAsked: boolean;
  /** The figures when they were last read. */
  seen: (RecordedUsage & { at: number }) | null;
}

interface AllMeters {
  byKey: Map<string, KeyMeters>;
  readAt: number;
  /** From which hour on figures are added up, in milliseconds since 1970. */
  since: number;
}

const READ_EVERY_MS = 1000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** Turns count for the hour in which they began: few take longer than this. */
const HOURS_BACK = 2;
/** After this the hours to add up begin anew, so that they stay few. */
const MAX_HOURS = 8;
/** A key that was quiet for so long begins anew. */
const FORGET_MS = 10 * MINUTE_MS;

const createMeter = (): Meter => ({ here: createRateWindow(), everywhere: createRateWindow() });
const allMeters = (memory: Memory) =>
  memory.get("key-meters", (): AllMeters => ({ byKey: new Map(), readAt: 0, since: 0 }));

/** The meters of one key. */
export function metersOf(memory: Memory, keyId: string): KeyMeters {
  const { byKey } = allMeters(memory);
  const known = byKey.get(keyId);
  const meters = known ?? {
    requests: createMeter(),
    tokens: createMeter(),
    spend: { recorded: null, askedAt: 0, added: 0, asking: null },
    touchedAt: 0,
    isAsked: false,
    seen: null,
  };
  meters.touchedAt = Date.now();
  if (known === undefined) byKey.set(keyId, meters);
  return meters;
}

/** What was used in the last minute. */
export const usedOf = ({ here, everywhere }: Meter, now: number): number =>
  Math.max(here.used(now), everywhere.used(now));

/** Milliseconds until less than `limit` is used. */
export const waitOf = ({ here, everywhere }: Meter, limit: number, now: number): number =>
  Math.max(here.waitFor(limit, now), everywhere.waitFor(limit, now));

/**
 * Counts what was used between two readings, spread over the time between them: nobody knows when
 * it was.
 */
function addGrowth(
  window: RateWindow,
  amount: number,
  { from, to }: { from: number; to: number },
): void {
  if (amount <= 0) return;
  const seconds = Math.max(1, Math.round((to - from) / 1000));
  for (let second = 0; second < seconds; second++) window.add(amount / seconds, to - second * 1000);
}

function noteReading(meters: KeyMeters, usage: RecordedUsage, at: number): void {
  const before = meters.seen;
  if (before !== null && before.at >= at) return;
  meters.seen = { ...usage, at };
  // What was used before the first reading, or in a long pause, may be long ago.
  if (before === null || at - before.at > MINUTE_MS) return;
  const time = { from: before.at, to: at };
  addGrowth(meters.requests.everywhere, usage.requests - before.requests, time);
  addGrowth(meters.tokens.everywhere, usage.tokens - before.tokens, time);
}

/** Forgets quiet keys, and gives the others. */
function busyKeys({ byKey }: AllMeters, now: number): string[] {
  for (const [id, { touchedAt }] of byKey) if (now - touchedAt > FORGET_MS) byKey.delete(id);
  return [...byKey].filter(([, { touchedAt }]) => now - touchedAt <= MINUTE_MS).map(([id]) => id);
}

/**
 * Reads what all replicas have used, once a second at most, behind the response: one query for all
 * keys.
 */
export function readEverywhere({ platform, waitUntil }: RequestScope, asking: KeyMeters): void {
  const meters = allMeters(platform.memory);
  const now = Date.now();
  // A key's first reading is what its growth begins from, so it must not come after the first turn.
  if (asking.isAsked && now - meters.readAt < READ_EVERY_MS) return;
  meters.readAt = now;
  const hour = Math.floor(now / HOUR_MS) * HOUR_MS;
  if (hour - meters.since > MAX_HOURS * HOUR_MS) {
    meters.since = hour - HOURS_BACK * HOUR_MS;
    for (const key of meters.byKey.values()) key.seen = null;
  }
  const ids = busyKeys(meters, now);
  for (const id of ids) Object.assign(meters.byKey.get(id) ?? {}, { isAsked: true });
  const read = async (): Promise<void> => {
    const usage = await recordedUsage(platform.database, ids, new Date(meters.since));
    for (const id of ids) {
      const key = meters.byKey.get(id);
      if (key !== undefined) noteReading(key, usage.get(id) ?? { requests: 0, tokens: 0 }, now);
    }
  };
  waitUntil(
    read().catch((error: unknown) =>
      platform.logger.warn("The use of keys on other replicas could not be read", {
        error: describeError(error),
      }),
    ),
  );
}
