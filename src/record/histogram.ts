/**
 * Counts of durations. Below 10 ms every millisecond has a bucket of its own, above it each is a
 * tenth wider than the one before: a percentile is at most 5 % off. The bounds are in stored rows:
 * to change them is to make those wrong.
 */

/** Longest duration that is told apart from longer ones: an hour, in milliseconds. */
const MAX_MS = 3_600_000;
/** The longest duration of the bucket that begins with this one. */
const longestFrom = (lowest: number) => Math.floor(lowest * 1.1);

/** The least duration of each bucket, in whole milliseconds. */
const LOWEST = lowestOfBuckets();

function lowestOfBuckets(): number[] {
  const bounds: number[] = [];
  for (let lowest = 0; lowest <= MAX_MS; lowest = longestFrom(lowest) + 1) bounds.push(lowest);
  return bounds;
}

/** How many buckets there are: the longest that a histogram can be. */
export const BUCKETS = LOWEST.length;

/** The bucket of a duration. */
function histogramBucket(ms: number): number {
  const whole = Math.round(ms);
  let [low, high] = [0, BUCKETS - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((LOWEST[middle] ?? 0) <= whole) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Counts a duration. A histogram ends with its last bucket that is not empty. */
export function addDuration(histogram: number[], ms: number): void {
  const bucket = histogramBucket(ms);
  while (histogram.length <= bucket) histogram.push(0);
  histogram[bucket] = (histogram[bucket] ?? 0) + 1;
}

/** Adds what another histogram counted; null is nothing. */
export function addHistogram(histogram: number[], more: readonly (number | null)[]): void {
  for (const [bucket, count] of more.entries())
    histogram[bucket] = (histogram[bucket] ?? 0) + (count ?? 0);
}

/** What stands for a bucket: as far, in proportion, from its least duration as from its longest. */
function durationOf(bucket: number): number {
  const lowest = LOWEST[bucket] ?? 0;
  const longest = longestFrom(lowest);
  return lowest === longest
    ? lowest
    : Number(((2 * lowest * longest) / (lowest + longest)).toPrecision(4));
}

/** The bucket of the nth shortest duration. */
function bucketOfNth(histogram: readonly number[], nth: number): number {
  let left = nth;
  return histogram.findIndex((count) => (left -= count) <= 0);
}

/**
 * Durations in milliseconds that these parts of all counted ones do not exceed; null where none was
 * counted.
 * @param parts by name, for example `{ p95: 0.95 }`
 */
export function percentiles<Name extends string>(
  histogram: readonly number[],
  parts: Record<Name, number>,
): Record<Name, number> | null {
  const total = histogram.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  const found = Object.entries<number>(parts).map(([name, part]) => {
    const nth = Math.max(1, Math.ceil(total * part));
    return [name, durationOf(bucketOfNth(histogram, nth))];
  });
  return Object.fromEntries(found) as Record<Name, number>;
}
