import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DatabaseStartError, describeError, errorCode } from "./database-start-error.ts";

/** The right to use a directory, until released or until this process ends in any way. */
export interface DirectoryLock {
  release(): void;
}

/** https://www.sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5;

/**
 * Takes a directory for this process alone; creates it when it is missing. PGlite has no lock of
 * its own, and two processes on one directory lose each other's rows (measured 2026-11-21).
 *
 * The lock is the operating system's own lock on a file, taken through SQLite, the only way that
 * Node offers to it. The kernel drops it when the process dies, so there are no stale locks to
 * judge, no process ids to compare (each container has its own process 1), and no moment at which
 * two starters both believe that they cleaned up.
 * @throws DatabaseStartError when another process has the directory, or it cannot be locked
 */
export function lockDirectory(directory: string): DirectoryLock {
  const pidFile = join(directory, "postgres.pid");
  let lock: DatabaseSync | null = null;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    lock = new DatabaseSync(join(directory, "postgres.lock"), { timeout: 0 });
    lock.exec("begin exclusive");
    writeFileSync(pidFile, `${process.pid}\n`);
  } catch (error) {
    lock?.close();
    throw refusal(directory, pidFile, error);
  }
  const held = lock;
  return { release: () => held.close() };
}

function refusal(directory: string, pidFile: string, error: unknown): DatabaseStartError {
  if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) {
    return new DatabaseStartError(
      `The embedded database in ${directory} is in use by another process${readPid(pidFile)}: stop that process, ` +
        "or give this one its own directory with DATA_DIR, or let both use one PostgreSQL server with DATABASE_URL.",
      { cause: error },
    );
  }
  return new DatabaseStartError(
    `The directory ${directory} cannot hold the embedded database (${describeError(error)}): ` +
      "set DATA_DIR to a directory on a local disk that this process may write to, or use a PostgreSQL server with DATABASE_URL.",
    { cause: error },
  );
}

/** The file only informs; the lock is what counts. */
function readPid(pidFile: string): string {
  try {
    return ` (pid ${readFileSync(pidFile, "utf8").trim()})`;
  } catch (error) {
    // The other process has the lock and has not yet written its pid.
    if (errorCode(error) === "ENOENT") return "";
    throw error;
  }
}
