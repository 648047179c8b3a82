const FIRST_MS = 500;
const LAST_MS = 60_000;
/** A server that ran for this long was healthy: its next failure is a first one. */
const HEALTHY_MS = 30_000;

/** When a server that fails may be started again: 0.5 s after its first failure, doubling up to 60 s. */
export class Backoff {
  failures = 0;
  #notBefore = 0;

  /** Milliseconds to wait before the next start; 0: now. */
  get waitMs(): number {
    return Math.max(0, this.#notBefore - Date.now());
  }

  failed(ranForMs: number): void {
    this.failures = ranForMs >= HEALTHY_MS ? 1 : this.failures + 1;
    this.#notBefore = Date.now() + Math.min(LAST_MS, FIRST_MS * 2 ** (this.failures - 1));
  }

  reset(): void {
    this.failures = 0;
    this.#notBefore = 0;
  }
}
