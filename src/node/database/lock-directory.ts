import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isLockedElsewhere, lockFile, type FileLock } from "../lock-file.ts";
import { DatabaseStartError, describeError, errorCode } from "./database-start-error.ts";

/**
 * Takes a directory for this process alone; creates it when it is missing. PGlite has no lock of
 * its own, and two processes on one directory lose each other's rows (measured 2026-11-21).
 * @throws DatabaseStartError when another process has the directory, or it cannot be locked
 */
export function lockDirectory(directory: string): FileLock {
  const pidFile = join(directory, "postgres.pid");
  let lock: FileLock | null = null;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    lock = lockFile(join(directory, "postgres.lock"));
    writeFileSync(pidFile, `${process.pid}\n`);
    return lock;
  } catch (error) {
    lock?.release();
    throw refusal(directory, pidFile, error);
  }
}

function refusal(directory: string, pidFile: string, error: unknown): DatabaseStartError {
  if (isLockedElsewhere(error)) {
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
