/** What this process uses of its keys' limits: counted at once, and by nobody else. */
import type { Clock } from "../clock.ts";
import { memorySlot, type Memory } from "../memory.ts";
import { createHeldUse, type HeldUse } from "./held-use.ts";
import {
  isTooMuchBeside,
  isUsedUp,
  type HeldAmounts,
  type KeyLimit,
  type LimitReading,
  type LimitStore,
  type Meter,
  type WantedUse,
} from "./limit-store.ts";
import { createMonthLedger, type MonthLedger } from "./month-ledger.ts";
import { createRateWindow, type RateWindow } from "./rate-window.ts";

/** All that is remembered of one key's use. */
interface KeyUse {
  requests: RateWindow;
  tokens: RateWindow;
  /** By month. The clock may be set back over the turn of one, so the last is kept. */
  months: Map<string, MonthLedger>;
  held: HeldUse;
  /** By the clock's `elapsed`. */
  touchedAt: number;
}

interface Uses {
  byKey: Map<string, KeyUse>;
  /** Of turns whose cost is counted here and whose record is not known to be written. */
  ledgers: Map<string, MonthLedger>;
  /** The turns that were written last: the cost of one may be known a moment later. */
  written: Set<string>;
  /** When quiet keys were last forgotten, by the clock's `elapsed`. */
  sweptAt: number;
}

/** A key that was quiet for so long begins anew, unless some of what it cost is here alone. */
const FORGET_MS = 600_000;
const SWEEP_EVERY_MS = 60_000;
const MAX_WRITTEN = 1000;
const MAX_MONTHS = 2;

const keyUses = memorySlot((): Uses => ({
  byKey: new Map(),
  ledgers: new Map(),
  written: new Set(),
  sweptAt: -Infinity,
}));

/** The calendar month (UTC) of a time in milliseconds since 1970, as `2026-11`. */
export const monthOf = (time: number): string => new Date(time).toISOString().slice(0, 7);

/** Milliseconds until the month is over. */
function untilMonthEnd(now: number): number {
  const date = new Date(now);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1) - now;
}

const hasUnwritten = ({ months }: KeyUse) =>
  [...months.values()].some((ledger) => ledger.unwritten().length > 0);

function sweep(uses: Uses, now: number): void {
  if (now - uses.sweptAt < SWEEP_EVERY_MS) return;
  uses.sweptAt = now;
  for (const [id, use] of uses.byKey)
    if (now - use.touchedAt > FORGET_MS && !hasUnwritten(use)) uses.byKey.delete(id);
}

function useOf(memory: Memory, apiKeyId: string, now: number): KeyUse {
  const uses = keyUses.of(memory);
  const use = uses.byKey.get(apiKeyId) ?? {
    requests: createRateWindow(),
    tokens: createRateWindow(),
    months: new Map<string, MonthLedger>(),
    held: createHeldUse(),
    touchedAt: now,
  };
  use.touchedAt = now;
  if (!uses.byKey.has(apiKeyId)) {
    sweep(uses, now);
    uses.byKey.set(apiKeyId, use);
  }
  return use;
}

function ledgerIn(uses: Uses, { months }: KeyUse, month: string): MonthLedger {
  const ledger = months.get(month) ?? createMonthLedger();
  months.set(month, ledger);
  const old = [...months.keys()].toSorted().slice(0, -MAX_MONTHS);
  for (const over of old) {
    const ended = months.get(over);
    months.delete(over);
    for (const [turnId, other] of uses.ledgers) if (other === ended) uses.ledgers.delete(turnId);
  }
  return ledger;
}

/** What a key cost in a month that no reading of the database tells of yet. */
export function monthLedger(
  { memory, clock }: { memory: Memory; clock: Clock },
  apiKeyId: string,
  month: string,
): MonthLedger {
  return ledgerIn(keyUses.of(memory), useOf(memory, apiKeyId, clock.elapsed()), month);
}

/**
 * Tells that turns are in the database. Called by the keeper of records: until then what a turn
 * cost counts here, and only a reading that begins later may count it instead.
 */
export function noteTurnsWritten(memory: Memory, turnIds: string[]): void {
  const { ledgers, written } = keyUses.of(memory);
  for (const id of turnIds) {
    ledgers.get(id)?.noteWritten(id);
    ledgers.delete(id);
    written.add(id);
  }
  for (const oldest of written) {
    if (written.size <= MAX_WRITTEN) break;
    written.delete(oldest);
  }
}

/** What a request wants to be held, or null where that is nothing. */
function heldOf(wanted: WantedUse[]): HeldAmounts | null {
  const amounts: HeldAmounts = {};
  for (const { meter, amount } of wanted)
    if (meter !== "requests" && amount > 0) amounts[meter] = amount;
  return Object.keys(amounts).length === 0 ? null : amounts;
}

/** What this process counts, which can be read at any moment. */
export interface MemoryLimits extends LimitStore {
  readNow(apiKeyId: string, limits: KeyLimit[]): LimitReading[];
}

/** Counts in this process alone. */
export function openMemoryLimits({
  memory,
  clock,
}: {
  memory: Memory;
  clock: Clock;
}): MemoryLimits {
  const uses = keyUses.of(memory);

  const readingOf = (use: KeyUse, { meter, limit }: KeyLimit): LimitReading => {
    const held = use.held.total(meter, clock.elapsed());
    if (meter === "cost") {
      const now = clock.now();
      const used = use.months.get(monthOf(now))?.total() ?? 0;
      const leftMs = untilMonthEnd(now);
      return { meter, limit, used, held, waitMs: used >= limit ? leftMs : 0, emptyMs: leftMs };
    }
    const [window, now] = [use[meter], clock.elapsed()];
    return {
      meter,
      limit,
      used: window.used(now),
      held,
      waitMs: window.waitFor(limit, now),
      emptyMs: window.waitFor(Number.MIN_VALUE, now),
    };
  };
  const read = (apiKeyId: string, limits: KeyLimit[]): LimitReading[] => {
    const use = useOf(memory, apiKeyId, clock.elapsed());
    return limits.map((limit) => readingOf(use, limit));
  };
  const addByMinute = (apiKeyId: string, meter: Exclude<Meter, "cost">, amount: number): void => {
    const now = clock.elapsed();
    useOf(memory, apiKeyId, now)[meter].add(amount, now);
  };

  return {
    // No await in it: of many requests at the same time, no more than the limit pass.
    take: async (apiKeyId, wanted, turnId) => {
      const readings = read(apiKeyId, wanted);
      const isRefused = readings.some((reading, index) => {
        const use = wanted[index];
        return isUsedUp(reading) || (use !== undefined && isTooMuchBeside(reading, use));
      });
      if (isRefused) return { taken: false, readings };
      for (const { meter, amount } of wanted)
        if (meter === "requests") addByMinute(apiKeyId, meter, amount);
      const amounts = heldOf(wanted);
      const now = clock.elapsed();
      if (amounts !== null) useOf(memory, apiKeyId, now).held.hold(turnId, amounts, now);
      return { taken: true, readings };
    },
    hold: async (apiKeyId, turnId, amounts) => {
      const now = clock.elapsed();
      const { held } = useOf(memory, apiKeyId, now);
      const before = held.of(turnId) ?? null;
      if (before !== null) held.hold(turnId, amounts, now);
      return before;
    },
    release: async (apiKeyId, turnId) => {
      const { held } = useOf(memory, apiKeyId, clock.elapsed());
      const before = held.of(turnId) ?? null;
      held.release(turnId);
      return before;
    },
    add: async (apiKeyId, { meter, amount }, turn) => {
      if (meter !== "cost") return addByMinute(apiKeyId, meter, amount);
      const ledger = monthLedger({ memory, clock }, apiKeyId, monthOf(turn.startedAt));
      if (uses.written.has(turn.id)) return ledger.addWritten(amount);
      uses.ledgers.set(turn.id, ledger);
      ledger.add(turn, amount);
    },
    read: async (apiKeyId, limits) => read(apiKeyId, limits),
    readNow: read,
  };
}
