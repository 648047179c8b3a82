/**
 * The limit is waited for in parts, of which each counts the same however late its timer came: while
 * the event loop is busy, no answer can be read.
 */
const PARTS = 10;

/** The database has not answered in time. */
export class DatabaseLate extends Error {
  constructor(limitMs: number) {
    super(`The database did not answer within ${limitMs} ms`);
    this.name = "DatabaseLate";
  }
}

/**
 * Waits no longer for the database than a request can bear. An answer that came in time is given,
 * though the event loop was too busy to read it.
 * @param limitMs milliseconds
 */
export function withinLimit<T>(promise: Promise<T>, limitMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout>;
    const fail = () => reject(new DatabaseLate(limitMs));
    const wait = (parts: number): void => {
      // What has arrived meanwhile is read between two turns of timers.
      timer = parts === 0 ? setTimeout(fail, 1) : setTimeout(wait, limitMs / PARTS, parts - 1);
    };
    wait(PARTS);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
