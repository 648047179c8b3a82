/** How requests wait for one another in one process: they share its promises. */
import type { Platform, Turnstile } from "../platform.ts";

/** Makes a `once`: what comes while a piece of work is under way waits for its outcome. */
export function createOnce(): Platform["once"] {
  const flights = new Map<string, Promise<unknown>>();
  return <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const flight = flights.get(key) as Promise<T> | undefined;
    if (flight !== undefined) return flight;
    const begun = work().finally(() => flights.delete(key));
    flights.set(key, begun);
    return begun;
  };
}

/** Makes a turnstile: who waits there always leaves by itself. */
export function createTurnstile(): Turnstile {
  const waiting = new Set<() => void>();
  return {
    pass: (signal) =>
      new Promise((resolve) => {
        const leave = () => {
          waiting.delete(leave);
          signal.removeEventListener("abort", leave);
          resolve();
        };
        waiting.add(leave);
        signal.addEventListener("abort", leave);
        if (signal.aborted) leave();
      }),
    open: () => {
      for (const leave of waiting) leave();
    },
    isAbandoned: false,
  };
}
