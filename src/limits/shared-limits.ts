/**
 * How processes on one database share what is left of a key's limits. Each has a part of it that it
 * may use without asking, so that a request waits for the database only where the part is used up:
 * with a key's first request after a pause, and where a limit is nearly reached. What a process
 * uses it tells behind the response.
 */
import { memorySlot } from "../memory.ts";
import type { RequestScope } from "../platform.ts";
import { describeError } from "../store/describe-error.ts";
import { shareLimits, type AskedShare, type GrantedShare } from "../store/limit-shares.ts";
import { withinLimit } from "../store/within-limit.ts";
import type { KeyLimit, LimitReading, Meter, WantedUse } from "./limit-store.ts";
import { monthLedger, monthOf, type MemoryLimits } from "./memory-limits.ts";

/** A process's part of one limit. */
interface Share {
  /** What it may yet use; less than nothing where more was used. */
  free: number;
  /** All that was ever taken from it, less what was given back. */
  spent: number;
  /** What requests took since it was last asked for. */
  taken: number;
  /** What requests are waiting for just now. */
  needed: number;
  /** What was asked for when it was asked for last. */
  wanted: number;
  granted: GrantedShare;
}

/** A process's parts of a key's limits. Times are the clock's `elapsed`. */
interface KeyShares {
  /** As the last request saw them. */
  limits: KeyLimit[];
  byMeter: Map<Meter, Share>;
  askedAt: number;
  answeredAt: number;
  /** When the parts are nobody's any more. */
  until: number;
  /** Whether the database did not answer when it was asked last: then nobody waits for it. */
  isAway: boolean;
  isAsking: boolean;
  /** Whether what was taken is about to be told. */
  isToTell: boolean;
}

/** The others take what is free after 4 s: `share_limit` in `drizzle/migrations`. */
const FREE_MS = 3000;
const TOLD_EVERY_MS = 1000;
/** The others forget what is held after 35 s. */
const HELD_EVERY_MS = 9000;
/** For so long nobody is asked again of whom nothing was to be had. */
const EXHAUSTED_MS = 100;
const LIMIT_MS = 2500;
/** A database that did not answer is asked so often, behind requests, until it does. */
const PROBE_EVERY_MS = 2000;
const FORGET_MS = 600_000;
const MAX_ASKED = 8;
const POLL_MS = 5;
/** How much of what was wanted before is wanted again where less was taken. */
const STAYS = 0.75;
const NOTHING: GrantedShare = { free: 0, othersUsed: 0, recorded: 0, left: 0 };

const NO_SHARE: Share = { free: 0, spent: 0, taken: 0, needed: 0, wanted: 0, granted: NOTHING };

const holders = memorySlot(() => crypto.randomUUID());
const allShares = memorySlot(() => new Map<string, KeyShares>());

function sharesOf({ platform }: RequestScope, apiKeyId: string): KeyShares {
  const all = allShares.of(platform.memory);
  const known = all.get(apiKeyId);
  if (known !== undefined) return known;
  const now = platform.clock.elapsed();
  for (const [id, { askedAt }] of all) if (now - askedAt > FORGET_MS) all.delete(id);
  const never = -Infinity;
  const shares: KeyShares = {
    limits: [],
    byMeter: new Map(),
    askedAt: never,
    answeredAt: never,
    until: never,
    isAway: false,
    isAsking: false,
    isToTell: false,
  };
  all.set(apiKeyId, shares);
  return shares;
}

function shareOf({ byMeter }: KeyShares, meter: Meter): Share {
  const share = byMeter.get(meter) ?? { ...NO_SHARE };
  byMeter.set(meter, share);
  return share;
}

/**
 * What was given of a limit that its operator has changed says nothing of what is left of it now.
 */
function setLimits(shares: KeyShares, wanted: KeyLimit[]): void {
  const { limits } = shares;
  const isSame =
    limits.length === wanted.length &&
    wanted.every(
      ({ meter, limit }, at) => limits[at]?.meter === meter && limits[at].limit === limit,
    );
  if (isSame) return;
  shares.limits = wanted.map(({ meter, limit }) => ({ meter, limit }));
  shares.until = -Infinity;
}

/**
 * What a process asks for: as much as it took lately, and twice as much as before where that was
 * used up so soon. Half of what it does not need is anybody's.
 */
function askedShare(
  share: Share,
  own: LimitReading,
  { isFresh, isSoon, since }: { isFresh: boolean; isSoon: boolean; since: Date | null },
): AskedShare {
  const { meter, limit, used, held } = own;
  const had = isFresh ? Math.max(0, share.free) : 0;
  const whole = meter === "requests" ? Math.floor : (amount: number) => amount;
  const grown = isSoon && share.needed > 0 ? share.wanted * 2 : whole(share.wanted * STAYS);
  share.wanted = Math.max(share.taken, share.needed, grown);
  const half = whole(had / 2);
  const kept = share.needed > 0 ? had : Math.max(half, Math.min(had, share.wanted));
  // Nobody may use meanwhile what is not kept.
  share.free = Math.min(share.free, kept);
  const needed = Math.max(0, share.needed - kept);
  const more = Math.max(0, share.wanted - kept - needed);
  return { meter, limit, used, held, kept, needed, more, since };
}

/** What this process and the others share of keys' limits. */
export interface SharedLimits {
  /**
   * Lets a request try to take what it wants, and where that fails asks for a larger part and lets
   * it try again, while there is anything to be had.
   * @param attempt gives what is lacking; never throws
   */
  admit(apiKeyId: string, wanted: WantedUse[], attempt: () => WantedUse[]): Promise<void>;
  /** Takes what a request wants, or nothing. @returns what is lacking: none where it was taken */
  take(apiKeyId: string, wanted: WantedUse[]): WantedUse[];
  /** Something was used, or held, beyond what was taken; less than nothing is given back. */
  use(apiKeyId: string, amounts: Partial<Record<Meter, number>>): void;
  /** Tells the others of what is held, where they might forget it. */
  remind(apiKeyId: string): void;
  /** What the others used of a limit by the minute, as far as that is known. */
  othersUsed(apiKeyId: string, meter: Meter): number;
}

/**
 * Opens what is shared.
 * @param scope whose database is asked
 * @param readNow what this process uses by itself
 * @param tellAfterMs how long what was taken without asking is not told, in milliseconds: others
 * take it for unused after 4 s
 */
export function openSharedLimits(
  scope: RequestScope,
  readNow: MemoryLimits["readNow"],
  tellAfterMs = TOLD_EVERY_MS,
): SharedLimits {
  const { platform } = scope;
  const { clock, logger, memory, once } = platform;

  /**
   * Of money what the record may not tell: each turn is in one of them, or for a moment in both.
   */
  const read = (apiKeyId: string, limits: KeyLimit[]): LimitReading[] => {
    const ledger = monthLedger(platform, apiKeyId, monthOf(clock.now()));
    const used = ledger.unwrittenTotal();
    const readings = readNow(apiKeyId, limits);
    return readings.map((reading) => (reading.meter === "cost" ? { ...reading, used } : reading));
  };

  const isFresh = ({ until }: KeyShares) => clock.elapsed() < until;
  const lacks = (shares: KeyShares, wanted: WantedUse[]): WantedUse[] =>
    wanted.filter(({ meter, amount }) => {
      const free = isFresh(shares) ? shareOf(shares, meter).free : 0;
      return amount > 0 && amount > free;
    });
  /** Whoever is the only one under way here may use more than is left. */
  const isFirst = (apiKeyId: string, shares: KeyShares, wanted: WantedUse): boolean => {
    const { meter, limit } = wanted;
    if (meter === "requests" || !isFresh(shares)) return false;
    const { othersUsed, recorded } = shareOf(shares, meter).granted;
    const [own] = read(apiKeyId, [wanted]);
    return own?.held === 0 && recorded + othersUsed + own.used < limit;
  };
  /** What a request would have to ask for. */
  const lacking = (apiKeyId: string, shares: KeyShares, wanted: WantedUse[]): WantedUse[] =>
    lacks(shares, wanted).filter((use) => !isFirst(apiKeyId, shares, use));
  /** Whether asking is no use: the database is away, or nothing was to be had a moment ago. */
  const isHopeless = (apiKeyId: string, shares: KeyShares, wanted: WantedUse[]): boolean => {
    if (shares.isAway) return true;
    if (!isFresh(shares) || clock.elapsed() - shares.answeredAt >= EXHAUSTED_MS) return false;
    return lacking(apiKeyId, shares, wanted).some(({ meter, amount }) => {
      const { free, granted } = shareOf(shares, meter);
      return amount > Math.max(0, free) + granted.left;
    });
  };

  const exchange = async (apiKeyId: string, shares: KeyShares): Promise<void> => {
    const asAt = clock.elapsed();
    const { limits } = shares;
    const state = { isFresh: isFresh(shares), isSoon: asAt - shares.askedAt < TOLD_EVERY_MS };
    shares.askedAt = asAt;
    const spent = new Map(limits.map(({ meter }) => [meter, shareOf(shares, meter).spent]));
    const since = startOfMonth(clock.now());
    const asked = read(apiKeyId, limits).map((own) =>
      askedShare(shareOf(shares, own.meter), own, {
        ...state,
        since: own.meter === "cost" ? since : null,
      }),
    );
    const place = { holder: holders.of(memory), apiKeyId };
    const answering = shareLimits(platform.database, place, asked);
    const granted = await withinLimit(answering, LIMIT_MS);
    for (const [index, { meter }] of limits.entries()) {
      const share = shareOf(shares, meter);
      share.granted = granted[index] ?? NOTHING;
      share.free = share.granted.free - (share.spent - (spent.get(meter) ?? 0));
      share.taken = 0;
    }
    shares.until = asAt + FREE_MS;
    shares.isAway = false;
  };
  const isAsking = ({ isAsking, askedAt }: KeyShares): boolean =>
    isAsking && clock.elapsed() - askedAt < 2 * LIMIT_MS;
  const ask = async (apiKeyId: string): Promise<void> => {
    const shares = sharesOf(scope, apiKeyId);
    // Where requests may not wait for one another's promises, they look now and then.
    if (isAsking(shares)) {
      while (isAsking(shares)) await pause(POLL_MS, scope.ending);
      return;
    }
    shares.isAsking = true;
    try {
      await exchange(apiKeyId, shares);
    } catch (error) {
      shares.isAway = true;
      const fields = { key: apiKeyId, error: describeError(error) };
      logger.warn(
        "What is left of a key's limits could not be shared with other processes",
        fields,
      );
    } finally {
      shares.isAsking = false;
      shares.answeredAt = clock.elapsed();
    }
  };
  const askOnce = (apiKeyId: string) => once(`share ${apiKeyId}`, () => ask(apiKeyId));

  /** Has what was taken told behind the response: at once where not much is left of the part. */
  const tellSoon = (apiKeyId: string, shares: KeyShares): void => {
    if (shares.isAway) {
      const isDue = clock.elapsed() - shares.answeredAt >= PROBE_EVERY_MS;
      if (isDue && !isAsking(shares)) scope.waitUntil(askOnce(apiKeyId));
      return;
    }
    const isLow = [...shares.byMeter.values()].some(
      ({ free, taken, granted }) => free < taken / 2 && granted.left > 0,
    );
    const isDue = clock.elapsed() - shares.answeredAt >= EXHAUSTED_MS;
    if (isLow && isDue && !isAsking(shares)) return scope.waitUntil(askOnce(apiKeyId));
    if (shares.isToTell) return;
    shares.isToTell = true;
    const tell = async (): Promise<void> => {
      await pause(tellAfterMs, scope.ending);
      shares.isToTell = false;
      await askOnce(apiKeyId);
    };
    scope.waitUntil(tell());
  };

  return {
    admit: async (apiKeyId, wanted, attempt) => {
      const shares = sharesOf(scope, apiKeyId);
      setLimits(shares, wanted);
      const isSettled = () => attempt().length === 0 || isHopeless(apiKeyId, shares, wanted);
      if (isSettled()) return;
      // Until it is settled: whoever asks, asks for all that wait.
      for (const { meter, amount } of wanted) shareOf(shares, meter).needed += amount;
      for (let asked = 0; asked < MAX_ASKED; asked++) {
        await askOnce(apiKeyId);
        if (isSettled()) break;
      }
      for (const { meter, amount } of wanted) shareOf(shares, meter).needed -= amount;
    },
    take: (apiKeyId, wanted) => {
      const shares = sharesOf(scope, apiKeyId);
      // What the database does not tell, this process's own figures have to.
      const missing = shares.isAway ? [] : lacking(apiKeyId, shares, wanted);
      if (missing.length > 0) return missing;
      for (const { meter, amount } of wanted) {
        const share = shareOf(shares, meter);
        share.free -= amount;
        share.spent += amount;
        share.taken += amount;
      }
      tellSoon(apiKeyId, shares);
      return [];
    },
    use: (apiKeyId, amounts) => {
      const shares = sharesOf(scope, apiKeyId);
      for (const [meter, amount] of Object.entries(amounts)) {
        const share = shareOf(shares, meter as Meter);
        share.free -= amount;
        share.spent += amount;
      }
    },
    remind: (apiKeyId) => {
      const shares = sharesOf(scope, apiKeyId);
      const isDue = clock.elapsed() - shares.askedAt >= HELD_EVERY_MS;
      if (isDue && !isAsking(shares)) scope.waitUntil(askOnce(apiKeyId));
    },
    othersUsed: (apiKeyId, meter) => {
      const shares = sharesOf(scope, apiKeyId);
      return isFresh(shares) ? shareOf(shares, meter).granted.othersUsed : 0;
    },
  };
}

/** Waits; not for long where the server takes no more requests. */
function pause(ms: number, ending: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      ending.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    ending.addEventListener("abort", end, { once: true });
    if (ending.aborted) end();
  });
}

function startOfMonth(now: number): Date {
  const date = new Date(now);
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth()));
}
