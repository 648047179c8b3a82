import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRateWindow } from "../../src/limits/rate-window.ts";

const START = Date.UTC(2026, 10, 5, 12, 0, 0, 250);
const SECOND = 1000;

describe("a window of one minute", () => {
  it("counts what was used, and forgets it after a minute and at most a second more", () => {
    const window = createRateWindow();
    window.add(3, START);
    window.add(4, START + 30 * SECOND);
    expect(window.used(START + 30 * SECOND)).toBe(7);
    expect(window.used(START + 60 * SECOND)).toBe(7);
    expect(window.used(START + 61 * SECOND)).toBe(4);
    expect(window.used(START + 91 * SECOND)).toBe(0);
    expect(window.used(START + 1e9)).toBe(0);
  });

  it("says how long to wait until there is room, to the millisecond", () => {
    const window = createRateWindow();
    expect(window.waitFor(1, START)).toBe(0);
    window.add(2, START);
    window.add(1, START + 10 * SECOND);
    expect(window.waitFor(4, START + 10 * SECOND)).toBe(0);
    expect(window.waitFor(3, START + 10 * SECOND)).toBe(50_750);
    expect(window.waitFor(2, START + 10 * SECOND)).toBe(50_750);
    expect(window.waitFor(1, START + 10 * SECOND)).toBe(60_750);
  });

  it("counts what was used some seconds ago for the time when it was", () => {
    const window = createRateWindow();
    window.add(1, START + 50 * SECOND);
    window.add(5, START);
    expect(window.used(START + 50 * SECOND)).toBe(6);
    expect(window.used(START + 61 * SECOND)).toBe(1);
    window.add(5, START - 60 * SECOND);
    expect(window.used(START + 61 * SECOND)).toBe(1);
  });

  it("stands still where the clock is set back", () => {
    const window = createRateWindow();
    window.add(1, START);
    expect(window.used(START - 3_600_000)).toBe(1);
    expect(window.used(START + SECOND)).toBe(1);
  });

  it("never lets more than the limit through in any minute, and never asks to wait longer than 61 s", () => {
    const steps = fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 8 }), (gaps, limit) => {
        const window = createRateWindow();
        const passed: number[] = [];
        let now = START;
        for (const gap of gaps) {
          now += gap;
          const wait = window.waitFor(limit, now);
          expect(wait).toBeLessThanOrEqual(61 * SECOND);
          expect(wait === 0).toBe(window.used(now) < limit);
          if (wait > 0 && gap % 2 === 0) continue;
          now += wait;
          expect(window.used(now)).toBeLessThan(limit);
          window.add(1, now);
          passed.push(now);
        }
        for (const time of passed)
          expect(
            passed.filter((other) => other >= time && other < time + 60 * SECOND).length,
          ).toBeLessThanOrEqual(limit);
      }),
      { numRuns: 300 },
    );
  });
});
