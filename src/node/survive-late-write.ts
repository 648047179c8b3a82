import type { Logger } from "../platform.ts";

/**
 * Whether an error is the driver's own slip: when a connection is lost in the midst of a
 * transaction, postgres.js 3.4.9 still writes the rollback, from a callback in which nobody can
 * catch it, to a socket that is gone. The transaction has failed already, as it should, and the
 * pool goes on with another connection (seen 2026-11 with a cut wire).
 */
function isLateWrite(error: unknown): boolean {
  return error instanceof TypeError && /nextWrite\b.*[\\/]postgres[\\/]/.test(error.stack ?? "");
}

/** Keeps the process alive through that one error. Any other ends it, as without this. */
export function surviveLateWrites(logger: Logger): void {
  process.on("uncaughtException", (error) => {
    if (isLateWrite(error))
      return logger.warn("The database connection was lost in the midst of a transaction");
    console.error(error);
    process.exit(1);
  });
}
