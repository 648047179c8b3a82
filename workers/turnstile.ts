import type { Turnstile } from "../src/platform.ts";

/**
 * On workerd a request may not resolve another's promise: each looks for itself whether it is its
 * turn. In milliseconds.
 */
const LOOK_EVERY_MS = 20;
/** Who has not looked for this long has died with its request, as workerd lets them. */
const DEAD_AFTER_MS = 2000;

/** Makes a turnstile. */
export function createTurnstile(): Turnstile {
  let lookedAt = performance.now();
  return {
    pass: (signal) =>
      new Promise((resolve) => {
        const leave = () => {
          clearTimeout(timer);
          signal.removeEventListener("abort", leave);
          lookedAt = performance.now();
          resolve();
        };
        const timer = setTimeout(leave, LOOK_EVERY_MS);
        signal.addEventListener("abort", leave);
        if (signal.aborted) leave();
      }),
    open: () => {},
    get isAbandoned() {
      return performance.now() - lookedAt > DEAD_AFTER_MS;
    },
  };
}
