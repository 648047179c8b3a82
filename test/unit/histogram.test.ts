import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addDuration, addHistogram, BUCKETS, percentiles } from "../../src/record/histogram.ts";

const HOUR_MS = 3_600_000;
const durations = fc.array(fc.integer({ min: 0, max: HOUR_MS }), { minLength: 1, maxLength: 300 });
const parts = { p0: 0, p50: 0.5, p95: 0.95, p100: 1 };

function histogramOf(values: number[]): number[] {
  const histogram: number[] = [];
  for (const value of values) addDuration(histogram, value);
  return histogram;
}

/** The nth shortest, where n is this part of all, counted up. */
const exact = (values: number[], part: number) =>
  values.toSorted((a, b) => a - b)[Math.max(1, Math.ceil(values.length * part)) - 1] ?? Number.NaN;

const bucketOf = (ms: number) => histogramOf([ms]).length - 1;

describe("a histogram of durations", () => {
  it("gives percentiles that are at most 5 % off, from a millisecond to an hour", () => {
    fc.assert(
      fc.property(durations, (values) => {
        const found = percentiles(histogramOf(values), parts);
        for (const [name, part] of Object.entries(parts)) {
          const expected = exact(values, part);
          const given = found?.[name as keyof typeof parts] ?? Number.NaN;
          expect(Math.abs(given - expected)).toBeLessThanOrEqual(expected * 0.05);
        }
      }),
    );
  });

  it("is exact below 10 ms", () => {
    for (let ms = 0; ms < 10; ms++)
      expect(percentiles(histogramOf([ms]), { p50: 0.5 })).toEqual({ p50: ms });
  });

  it("added to another is the histogram of all durations", () => {
    fc.assert(
      fc.property(durations, durations, (some, more) => {
        const sum = histogramOf(some);
        addHistogram(sum, histogramOf(more));
        expect(sum).toEqual(histogramOf([...some, ...more]));
      }),
    );
  });

  it("stays short: it ends with its last duration, and has a limit", () => {
    expect(histogramOf([])).toEqual([]);
    expect(histogramOf([3])).toEqual([0, 0, 0, 1]);
    expect(histogramOf([30_000]).length).toBeLessThan(100);
    expect(histogramOf([HOUR_MS, 1e12]).length).toBe(BUCKETS);
    expect(BUCKETS).toBeLessThanOrEqual(150);
  });

  it("takes durations that clocks make up", () => {
    expect([-5, 0.4, 2.6, Number.MAX_SAFE_INTEGER].map(bucketOf)).toEqual([0, 0, 3, BUCKETS - 1]);
  });

  it("has no percentiles while it is empty, nulls of the database included", () => {
    const empty: number[] = [];
    addHistogram(empty, [null, 0, null]);
    expect(percentiles(empty, { p50: 0.5 })).toBeNull();
  });

  it("keeps its bounds, which are in stored rows", () => {
    expect([1, 10, 11, 12, 100, 1000, 10_000, 60_000, HOUR_MS].map(bucketOf)).toEqual([
      1, 10, 10, 11, 29, 53, 77, 96, 139,
    ]);
  });
});
