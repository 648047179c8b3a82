import type { TurnRecord } from "../record/turn-record.ts";
import type { SpoolLines } from "./spool-line.ts";

/** Lines that no file takes, until the database has them. They are lost where this process ends. */
export interface HeldLines {
  /**
   * Holds a line. Where that is too much, its figures; where even these are, nothing.
   * @returns its number and text, or null
   */
  hold(line: string, record: TurnRecord | null): { number: number; line: string } | null;
  /** Resolves when the line is let go. */
  released(number: number): Promise<void>;
  release(numbers: number[]): void;
  /** All that are held, by number. */
  all(): [number, string][];
  readonly count: number;
}

/** What may be held, in characters; of figures alone, twice as much. */
const MAX_HELD = 64 * 1024 * 1024;

interface Held {
  line: string;
  released: PromiseWithResolvers<void>;
}

/** Opens an empty hold. */
export function holdLines(lines: Pick<SpoolLines, "ofFigures">): HeldLines {
  const held = new Map<number, Held>();
  let next = 0;
  let length = 0;
  return {
    hold: (line, record) => {
      const isMuch = length + line.length > MAX_HELD;
      const kept =
        isMuch && record !== null
          ? lines.ofFigures(record, "Neither a file nor the database took its content.")
          : line;
      if (length + kept.length > (isMuch ? 2 : 1) * MAX_HELD) return null;
      length += kept.length;
      held.set(++next, { line: kept, released: Promise.withResolvers() });
      return { number: next, line: kept };
    },
    released: async (number) => held.get(number)?.released.promise,
    release: (numbers) => {
      for (const number of numbers) {
        const one = held.get(number);
        if (one === undefined) continue;
        held.delete(number);
        length -= one.line.length;
        one.released.resolve();
      }
    },
    all: () => [...held].map(([number, { line }]) => [number, line]),
    get count() {
      return held.size;
    },
  };
}
