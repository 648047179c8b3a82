import type { Clock } from "../../src/clock.ts";

/** A clock that a test turns. */
export interface SetClock extends Clock {
  /** Lets time pass. */
  pass(ms: number): void;
  /** Sets the system's time, as an operator or NTP does: no time passes by it. */
  set(time: number | string): void;
}

/** A clock that stands still until it is told. @param start a date */
export function setClock(start: string): SetClock {
  let date = Date.parse(start);
  let passed = 1_000_000;
  return {
    now: () => date,
    elapsed: () => passed,
    pass: (ms) => {
      date += ms;
      passed += ms;
    },
    set: (time) => {
      date = new Date(time).getTime();
    },
  };
}
