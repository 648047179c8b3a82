/** The time, of which tests have one that they can turn. */
export interface Clock {
  /** Milliseconds since 1970, as the system says. It may jump: for dates only. */
  now(): number;
  /**
   * Milliseconds since some moment. It goes on evenly, whatever becomes of the system's clock: for
   * intervals, which neither grow nor shrink when that is set.
   */
  elapsed(): number;
}

/** The runtime's own. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.timeOrigin + performance.now(),
};
