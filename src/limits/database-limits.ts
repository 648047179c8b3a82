/**
 * What all replicas use of keys' limits. It comes from the figures of the hours (`usage_hours`),
 * into which every turn is counted as it is written: they only grow, so what they grew by since
 * they were last read is what was used meanwhile, here and elsewhere. By the minute the larger of
 * that and this process's own count is what counts; by the month, what is on record and what this
 * process knows beside it.
 */
import type { Clock } from "../clock.ts";
import { memorySlot } from "../memory.ts";
import type { RequestScope } from "../platform.ts";
import { describeError } from "../store/describe-error.ts";
import { recordedUsage, type RecordedUsage } from "../store/key-usage.ts";
import { isUsedUp, type KeyLimit, type LimitReading, type LimitStore } from "./limit-store.ts";
import { createRateWindow, type RateWindow } from "./rate-window.ts";
import { recordedSpend, refreshSpend } from "./recorded-spend.ts";

/** One key's use as the database knows it. Times are the clock's `elapsed`. */
interface RecordedUse {
  requests: RateWindow;
  tokens: RateWindow;
  touchedAt: number;
  /** Whether the figures were ever asked for. */
  isAsked: boolean;
  /** The figures when they were last read. */
  seen: (RecordedUsage & { at: number }) | null;
}

interface RecordedUses {
  byKey: Map<string, RecordedUse>;
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

const recordedUses = memorySlot((): RecordedUses => ({
  byKey: new Map(),
  readAt: -Infinity,
  since: 0,
}));

function useOf({ byKey }: RecordedUses, apiKeyId: string, now: number): RecordedUse {
  const use = byKey.get(apiKeyId) ?? {
    requests: createRateWindow(),
    tokens: createRateWindow(),
    touchedAt: now,
    isAsked: false,
    seen: null,
  };
  use.touchedAt = now;
  byKey.set(apiKeyId, use);
  return use;
}

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

function noteReading(use: RecordedUse, usage: RecordedUsage, at: number): void {
  const before = use.seen;
  if (before !== null && before.at >= at) return;
  use.seen = { ...usage, at };
  // What was used before the first reading, or in a long pause, may be long ago.
  if (before === null || at - before.at > MINUTE_MS) return;
  const time = { from: before.at, to: at };
  addGrowth(use.requests, usage.requests - before.requests, time);
  addGrowth(use.tokens, usage.tokens - before.tokens, time);
}

/** Forgets quiet keys, and gives the others. */
function busyKeys({ byKey }: RecordedUses, now: number): string[] {
  for (const [id, { touchedAt }] of byKey) if (now - touchedAt > FORGET_MS) byKey.delete(id);
  return [...byKey].filter(([, { touchedAt }]) => now - touchedAt <= MINUTE_MS).map(([id]) => id);
}

/** Moves the first hour on, now and then, or back to where the clock was set. */
function moveSince(uses: RecordedUses, clock: Clock): void {
  const hour = Math.floor(clock.now() / HOUR_MS) * HOUR_MS;
  const hours = (hour - uses.since) / HOUR_MS;
  if (hours >= 0 && hours <= MAX_HOURS) return;
  uses.since = hour - HOURS_BACK * HOUR_MS;
  for (const use of uses.byKey.values()) use.seen = null;
}

/**
 * Reads what all replicas have used, once a second at most, behind the response: one query for all
 * keys.
 */
function readNowAndThen(
  { platform, waitUntil }: RequestScope,
  uses: RecordedUses,
  asking: RecordedUse,
): void {
  const now = platform.clock.elapsed();
  // A key's first reading is what its growth begins from, so it must not come after the first turn.
  if (asking.isAsked && now - uses.readAt < READ_EVERY_MS) return;
  uses.readAt = now;
  moveSince(uses, platform.clock);
  const ids = busyKeys(uses, now);
  for (const id of ids) Object.assign(uses.byKey.get(id) ?? {}, { isAsked: true });
  const read = async (): Promise<void> => {
    const usage = await recordedUsage(platform.database, ids, new Date(uses.since));
    for (const id of ids) {
      const use = uses.byKey.get(id);
      if (use !== undefined) noteReading(use, usage.get(id) ?? { requests: 0, tokens: 0 }, now);
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

/** A reading of what this process used, with what is on record. */
function together(own: LimitReading, recorded: LimitReading): LimitReading {
  if (own.meter === "cost") {
    const { limit } = recorded;
    // Sums of fractions drift: what was refused must not look as if it were not.
    const used = Math.max(own.used + recorded.used, isUsedUp(own) ? limit : 0);
    return { ...own, limit, used, waitMs: used >= limit ? own.emptyMs : 0 };
  }
  return {
    ...own,
    used: Math.max(own.used, recorded.used),
    waitMs: Math.max(own.waitMs, recorded.waitMs),
    emptyMs: Math.max(own.emptyMs, recorded.emptyMs),
  };
}

/**
 * Counts in `own`, and with it what is on record.
 * @param own what this process uses, of which the record may not know yet
 */
export function openDatabaseLimits(scope: RequestScope, own: LimitStore): LimitStore {
  const { clock, memory } = scope.platform;
  const uses = recordedUses.of(memory);

  /** Waits where it has to. What is on record is read after it, at the same moment as the rest. */
  const prepare = async (apiKeyId: string, limits: KeyLimit[]): Promise<void> => {
    if (limits.some(({ meter }) => meter === "cost")) await refreshSpend(scope, apiKeyId);
  };
  const readingsOf = (apiKeyId: string, limits: KeyLimit[]): LimitReading[] => {
    const now = clock.elapsed();
    const use = useOf(uses, apiKeyId, now);
    if (limits.some(({ meter }) => meter !== "cost")) readNowAndThen(scope, uses, use);
    return limits.map(({ meter, limit }) => {
      if (meter === "cost")
        return {
          meter,
          limit,
          used: recordedSpend(scope, apiKeyId),
          held: 0,
          waitMs: 0,
          emptyMs: 0,
        };
      const window = use[meter];
      return {
        meter,
        limit,
        used: window.used(now),
        held: 0,
        waitMs: window.waitFor(limit, now),
        emptyMs: window.waitFor(Number.MIN_VALUE, now),
      };
    });
  };
  /** What is left of a limit of money for what this process knows; other limits as they are. */
  const leftOf = <T extends KeyLimit>(limits: T[], readings: LimitReading[]): T[] =>
    limits.map((limit, index) =>
      limit.meter === "cost"
        ? { ...limit, limit: limit.limit - (readings[index]?.used ?? 0) }
        : limit,
    );
  const withOwn = (ownReadings: LimitReading[], readings: LimitReading[]): LimitReading[] =>
    readings.map((reading, index) => together(ownReadings[index] ?? reading, reading));

  return {
    take: async (apiKeyId, wanted, turnId) => {
      await prepare(apiKeyId, wanted);
      const readings = readingsOf(apiKeyId, wanted);
      // No await from here on, but what is returned: see the memory's.
      if (readings.some(isUsedUp))
        return { taken: false, readings: withOwn(await own.read(apiKeyId, wanted), readings) };
      const taking = await own.take(apiKeyId, leftOf(wanted, readings), turnId);
      return { taken: taking.taken, readings: withOwn(taking.readings, readings) };
    },
    hold: (apiKeyId, turnId, amounts) => own.hold(apiKeyId, turnId, amounts),
    release: (apiKeyId, turnId) => own.release(apiKeyId, turnId),
    add: (apiKeyId, use, turn) => own.add(apiKeyId, use, turn),
    read: async (apiKeyId, limits) => {
      await prepare(apiKeyId, limits);
      const readings = readingsOf(apiKeyId, limits);
      return withOwn(await own.read(apiKeyId, leftOf(limits, readings)), readings);
    },
  };
}
