/**
 * Work that takes long, in slices: between two of them other requests have their turn. Units and
 * not a clock say when a slice is over, because workerd's clock stands still while code runs.
 */

/** About 10 ms: a unit is one JSON value, one hash or 1 KB of text, 5 µs or less (measured). */
const UNITS_PER_SLICE = 2000;
/** Characters of text that are one unit of work. */
export const CHARACTERS_PER_UNIT = 1024;

/** What is left of a slice. */
export class Slice {
  #left = UNITS_PER_SLICE;

  /** Whether the slice is over with this work; the next one has begun then. */
  spend(units: number): boolean {
    this.#left -= units;
    if (this.#left > 0) return false;
    this.#left = UNITS_PER_SLICE;
    return true;
  }
}

/** Lets everything else that waits go first. */
export const letOthersGo = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** Runs work that yields at the end of each slice. */
export async function inSlices<Result>(work: Generator<void, Result>): Promise<Result> {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
    await letOthersGo();
  }
}
