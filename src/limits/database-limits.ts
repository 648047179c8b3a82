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
import {
  isUsedUp,
  type HeldAmounts,
  type KeyLimit,
  type LimitReading,
  type LimitStore,
  type Meter,
  type WantedUse,
} from "./limit-store.ts";
import type { MemoryLimits } from "./memory-limits.ts";
import { createRateWindow, type RateWindow } from "./rate-window.ts";
import { recordedSpend, refreshSpend } from "./recorded-spend.ts";
import type { SharedLimits } from "./shared-limits.ts";

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

/** A reading of what is on record, and elsewhere. */
interface FarReading extends LimitReading {
  /** What others used that no own figure has. */
  others: number;
}

/** What became of a request, and what it lacked of this process's part. */
interface Attempt {
  taking: ReturnType<LimitStore["take"]>;
  lacking: WantedUse[];
}

/** A reading of what this process used, with what is on record. */
function together(own: LimitReading, far: FarReading): LimitReading {
  const { limit, others } = far;
  if (own.meter === "cost") {
    // Sums of fractions drift: what was refused must not look as if it were not.
    const used = Math.max(own.used + others, isUsedUp(own) ? limit : 0);
    return { ...own, limit, used, waitMs: used >= limit ? own.emptyMs : 0 };
  }
  return {
    ...own,
    limit,
    used: Math.max(own.used + others, far.used),
    waitMs: Math.max(own.waitMs, far.waitMs),
    emptyMs: Math.max(own.emptyMs, far.emptyMs),
  };
}

/** As if all that is left of some limits were held: it is, by others, or by those under way. */
const withoutRest = (readings: LimitReading[], lacking: WantedUse[]): LimitReading[] =>
  readings.map((reading) => {
    const { held, limit, meter, used } = reading;
    const isLacking = lacking.some((use) => use.meter === meter);
    return isLacking ? { ...reading, held: Math.max(held, limit - used) } : reading;
  });

/**
 * Counts in `own`, and with it what is on record.
 * @param own what this process uses, of which the record may not know yet
 * @param shared what it may use of what is left; null where nobody else uses it
 */
export function openDatabaseLimits(
  scope: RequestScope,
  own: MemoryLimits,
  shared: SharedLimits | null,
): LimitStore {
  const { clock, memory } = scope.platform;
  const uses = recordedUses.of(memory);

  /** Waits where it has to. What is on record is read after it, at the same moment as the rest. */
  const prepare = async (apiKeyId: string, limits: KeyLimit[]): Promise<void> => {
    if (limits.some(({ meter }) => meter === "cost")) await refreshSpend(scope, apiKeyId);
  };
  const readingsOf = (apiKeyId: string, limits: KeyLimit[]): FarReading[] => {
    const now = clock.elapsed();
    const use = useOf(uses, apiKeyId, now);
    if (limits.some(({ meter }) => meter !== "cost")) readNowAndThen(scope, uses, use);
    return limits.map(({ meter, limit }) => {
      const nothing = { meter, limit, held: 0, waitMs: 0, emptyMs: 0 };
      if (meter === "cost") {
        const spent = recordedSpend(scope, apiKeyId);
        return { ...nothing, used: spent, others: spent };
      }
      const window = use[meter];
      return {
        ...nothing,
        used: window.used(now),
        others: shared?.othersUsed(apiKeyId, meter) ?? 0,
        waitMs: window.waitFor(limit, now),
        emptyMs: window.waitFor(Number.MIN_VALUE, now),
      };
    });
  };
  /** What is left of limits for what this process knows. */
  const leftOf = <T extends KeyLimit>(limits: T[], readings: FarReading[]): T[] =>
    limits.map((limit, index) => ({
      ...limit,
      limit: limit.limit - (readings[index]?.others ?? 0),
    }));
  const withOwn = (ownReadings: LimitReading[], readings: FarReading[]): LimitReading[] =>
    readings.map((reading, index) => together(ownReadings[index] ?? reading, reading));

  // No await in it, but of what is returned: see the memory's.
  const tryToTake = (apiKeyId: string, wanted: WantedUse[], turnId: string): Attempt => {
    const readings = readingsOf(apiKeyId, wanted);
    const left = leftOf(wanted, readings);
    const refused = withOwn(own.readNow(apiKeyId, left), readings);
    if (readings.some(isUsedUp))
      return { taking: Promise.resolve({ taken: false, readings: refused }), lacking: [] };
    const lacking = shared?.take(apiKeyId, wanted) ?? [];
    const rest = withoutRest(refused, lacking);
    if (lacking.length > 0)
      return { taking: Promise.resolve({ taken: false, readings: rest }), lacking };
    const taking = own.take(apiKeyId, left, turnId).then(({ taken, readings: ownReadings }) => {
      if (!taken) shared?.use(apiKeyId, amountsOf(wanted, -1));
      return { taken, readings: withOwn(ownReadings, readings) };
    });
    return { taking, lacking };
  };

  return {
    take: async (apiKeyId, wanted, turnId) => {
      await prepare(apiKeyId, wanted);
      if (shared === null) return tryToTake(apiKeyId, wanted, turnId).taking;
      const attempts: Attempt[] = [];
      await shared.admit(apiKeyId, wanted, () => {
        const attempt = tryToTake(apiKeyId, wanted, turnId);
        attempts.push(attempt);
        return attempt.lacking;
      });
      return attempts.at(-1)?.taking ?? tryToTake(apiKeyId, wanted, turnId).taking;
    },
    hold: async (apiKeyId, turnId, amounts) => {
      const before = await own.hold(apiKeyId, turnId, amounts);
      if (before !== null) shared?.use(apiKeyId, growthOf(before, amounts));
      shared?.remind(apiKeyId);
      return before;
    },
    release: async (apiKeyId, turnId) => {
      const before = await own.release(apiKeyId, turnId);
      if (before !== null) shared?.use(apiKeyId, growthOf(before, {}));
      return before;
    },
    add: async (apiKeyId, use, turn) => {
      shared?.use(apiKeyId, { [use.meter]: use.amount });
      await own.add(apiKeyId, use, turn);
    },
    read: async (apiKeyId, limits) => {
      await prepare(apiKeyId, limits);
      const readings = readingsOf(apiKeyId, limits);
      return withOwn(await own.read(apiKeyId, leftOf(limits, readings)), readings);
    },
  };
}

const amountsOf = (wanted: WantedUse[], sign: 1 | -1): Partial<Record<Meter, number>> =>
  Object.fromEntries(wanted.map(({ meter, amount }) => [meter, sign * amount]));

/** By how much what is held grew. */
const growthOf = (before: HeldAmounts, now: HeldAmounts): HeldAmounts => ({
  tokens: (now.tokens ?? 0) - (before.tokens ?? 0),
  cost: (now.cost ?? 0) - (before.cost ?? 0),
});
