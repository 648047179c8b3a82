/**
 * What was used in the last minute. A sliding window and not a bucket that refills: people read "60
 * per minute" as "never more than 60 in any minute", a bucket lets twice as many through; and
 * tokens are known only when they are used, so that one long answer would leave a bucket in debt
 * for many minutes, where the window forgets it after one.
 */
export interface RateWindow {
  /** Notes a use, which may be some seconds ago. Times are the clock's `elapsed`. */
  add(amount: number, now: number): void;
  used(now: number): number;
  /** Milliseconds until less than `limit` is used, if nothing is added. */
  waitFor(limit: number, now: number): number;
}

const SECOND_MS = 1000;
/** A second is counted until the last of its milliseconds is a minute ago. */
const SECONDS = 61;

/** Counts by whole seconds: 61 numbers, however many uses there are. */
export function createRateWindow(): RateWindow {
  const amounts = new Float64Array(SECONDS);
  let newest = 0;

  /**
   * Empties the places of seconds that have passed. A clock that was set back stands still until it
   * is there again.
   */
  const moveTo = (now: number): void => {
    const second = Math.floor(now / SECOND_MS);
    if (second - newest >= SECONDS) amounts.fill(0);
    else for (let passed = newest + 1; passed <= second; passed++) amounts[passed % SECONDS] = 0;
    newest = Math.max(newest, second);
  };
  const sum = (): number => amounts.reduce((total, amount) => total + amount, 0);
  const at = (second: number): number => amounts[second % SECONDS] ?? 0;

  return {
    add: (amount, now) => {
      moveTo(now);
      const second = Math.floor(now / SECOND_MS);
      if (newest - second < SECONDS) amounts[second % SECONDS] = at(second) + amount;
    },
    used: (now) => {
      moveTo(now);
      return sum();
    },
    waitFor: (limit, now) => {
      moveTo(now);
      let used = sum();
      if (used < limit) return 0;
      let second = newest - SECONDS;
      while (used >= limit && second < newest) used -= at(++second);
      return (second + SECONDS) * SECOND_MS - now;
    },
  };
}
