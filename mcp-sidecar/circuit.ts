const FIRST_WAIT_MS = 500;
const LAST_WAIT_MS = 60_000;
/** A server that ran for this long was healthy: its next failure is a first one. */
const HEALTHY_MS = 30_000;
/** This many failures within the window open the circuit. */
const OPENING_FAILURES = 5;
const WINDOW_MS = 300_000;
/**
 * Waits are shortened by up to this share, so that servers which failed together do not come back
 * together.
 */
const JITTER = 0.2;

/**
 * When a server that fails may be started again. Closed: 0.5 s after its first failure, doubling.
 * Open, after 5 failures in 5 minutes: not for a minute. Half-open, when that is over: one try
 * decides. Never kept beyond the process: a state that is persisted is a server that nobody starts
 * again (metamcp#264).
 */
export class Circuit {
  readonly #now: () => number;
  #failures: number[] = [];
  #notBefore = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Failures that count. */
  get failures(): number {
    return this.#failures.length;
  }

  /** Milliseconds to wait before the next start; 0: now. */
  get waitMs(): number {
    return Math.max(0, this.#notBefore - this.#now());
  }

  /** When it may be started again, in milliseconds since 1970; null where it may now. */
  get retryAt(): number | null {
    return this.waitMs === 0 ? null : Date.now() + this.waitMs;
  }

  /** Whether so much has failed that the next start is one try, which nobody else may hang on. */
  get isOpen(): boolean {
    return this.#failures.length >= OPENING_FAILURES;
  }

  /** Counts a failure of a process that had run for `ranForMs`. */
  failed(ranForMs: number): void {
    const now = this.#now();
    const counting =
      ranForMs >= HEALTHY_MS ? [] : this.#failures.filter((time) => now - time < WINDOW_MS);
    // More than open is not possible, so that nothing grows.
    this.#failures = [...counting, now].slice(-OPENING_FAILURES);
    const wait = this.isOpen ? LAST_WAIT_MS : FIRST_WAIT_MS * 2 ** (this.#failures.length - 1);
    this.#notBefore = now + wait * (1 - JITTER * Math.random());
  }

  reset(): void {
    this.#failures = [];
    this.#notBefore = 0;
  }
}
