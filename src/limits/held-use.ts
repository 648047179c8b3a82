import { HELD_MS, type HeldAmounts, type Meter } from "./limit-store.ts";

/** What turns of one key that are under way may yet use. Times are the clock's `elapsed`. */
export interface HeldUse {
  total(meter: Meter, now: number): number;
  /** Holds these amounts for a turn, in place of what was held for it. */
  hold(turnId: string, amounts: HeldAmounts, now: number): void;
  /** What is held for a turn. */
  of(turnId: string): HeldAmounts | undefined;
  release(turnId: string): void;
}

interface Held {
  amounts: HeldAmounts;
  until: number;
}

/** Opens what is held of a key's limits: nothing yet. */
export function createHeldUse(): HeldUse {
  /** Those that were told of last come last. */
  const turns = new Map<string, Held>();
  const totals = { tokens: 0, cost: 0 };

  const change = ({ tokens = 0, cost = 0 }: HeldAmounts, sign: 1 | -1): void => {
    totals.tokens += sign * tokens;
    totals.cost += sign * cost;
  };
  const release = (turnId: string): void => {
    const held = turns.get(turnId);
    if (held === undefined) return;
    turns.delete(turnId);
    change(held.amounts, -1);
    // Sums of fractions drift; of nothing, the sum is nothing.
    if (turns.size === 0) Object.assign(totals, { tokens: 0, cost: 0 });
  };
  const forgetDead = (now: number): void => {
    for (const [turnId, { until }] of turns) {
      if (until > now) return;
      release(turnId);
    }
  };

  return {
    total: (meter, now) => {
      forgetDead(now);
      return meter === "requests" ? 0 : Math.max(0, totals[meter]);
    },
    hold: (turnId, amounts, now) => {
      release(turnId);
      turns.set(turnId, { amounts, until: now + HELD_MS });
      change(amounts, 1);
    },
    of: (turnId) => turns.get(turnId)?.amounts,
    release,
  };
}
