import { DatabaseSync } from "node:sqlite";

/** A file that this process alone has, until released or until this process ends in any way. */
export interface FileLock {
  /** Again, it has no effect. */
  release(): void;
}

/** https://www.sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5;

/**
 * Locks a file, which is made where it is missing. It is the operating system's own lock, taken
 * through SQLite, the only way that Node offers to it. The kernel drops it when the process dies,
 * so there are no stale locks to judge, no process ids to compare (each container has its own
 * process 1), and no moment at which two starters both believe that they cleaned up.
 * @throws Error where another process has it, see {@link isLockedElsewhere}, or nobody can
 */
export function lockFile(path: string): FileLock {
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    // No file beside it, which a process that is killed would leave behind.
    lock.exec("pragma journal_mode = memory; begin exclusive");
  } catch (error) {
    lock.close();
    throw error;
  }
  return {
    release: () => {
      if (lock.isOpen) lock.close();
    },
  };
}

/** Whether a lock was refused because somebody else has it. */
export const isLockedElsewhere = (error: unknown): boolean =>
  error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY;
