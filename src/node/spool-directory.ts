/**
 * Whose spool directory is whose. Each process has one of its own, `spool/<name>/`, and holds a
 * lock of the kernel's on `spool/<name>.lock` for as long as it lives. Whoever gets the lock of a
 * directory knows that its process is gone, and takes its segments over.
 */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { isLockedElsewhere, lockFile, type FileLock } from "./lock-file.ts";

/** A directory that this process alone writes into. */
export interface SpoolDirectory {
  path: string;
  /** Gives it up for whoever comes next, and removes it where nothing is left in it. */
  close(): void;
}

const LOCK = ".lock";
const SEGMENT = ".ndjson";

/** The lock of a directory, or null where its process lives. */
function tryLock(directory: string): FileLock | null {
  try {
    return lockFile(`${directory}${LOCK}`);
  } catch (error) {
    if (isLockedElsewhere(error)) return null;
    throw error;
  }
}

/**
 * Removes the file of a lock, and gives the lock up. The file goes first: who gets the lock next
 * finds that it is one of nothing. Windows removes no file that is open.
 */
function removeLock(directory: string, lock: FileLock): void {
  const remove = () => rmSync(`${directory}${LOCK}`, { force: true });
  if (process.platform !== "win32") remove();
  lock.release();
  if (process.platform === "win32") remove();
}

/**
 * Makes a directory for this process. The lock comes first, so that a directory never has none.
 * @throws Error where the disk takes neither
 */
export function openSpoolDirectory(root: string): SpoolDirectory {
  mkdirSync(root, { recursive: true, mode: 0o700 });
  // It says what is wrong in the system's words; SQLite would not.
  accessSync(root, constants.W_OK);
  for (;;) {
    const path = join(root, crypto.randomUUID());
    const lock = tryLock(path);
    if (lock === null) continue;
    // Somebody may have swept the file away before it was locked: then the lock is of nothing.
    if (!existsSync(`${path}${LOCK}`)) {
      lock.release();
      continue;
    }
    try {
      mkdirSync(path, { mode: 0o700 });
    } catch (error) {
      removeLock(path, lock);
      throw error;
    }
    return {
      path,
      close: () => {
        removeWhereEmpty(path);
        if (existsSync(path)) lock.release();
        else removeLock(path, lock);
      },
    };
  }
}

function removeWhereEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Something is left in it, or it is gone: either is for the next process to see.
  }
}

const segmentsIn = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(SEGMENT))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted((one, other) => (basename(one) < basename(other) ? -1 : 1));

/** Takes over what is in one directory, unless its process lives. */
function adoptFrom(directory: string, take: (segment: string) => void): void {
  const lock = tryLock(directory);
  if (lock === null) return;
  try {
    for (const segment of existsSync(directory) ? segmentsIn(directory) : []) take(segment);
    rmSync(directory, { recursive: true, force: true });
    removeLock(directory, lock);
  } finally {
    lock.release();
  }
}

/** What became of the directories of processes that are gone. */
interface Adoption {
  /** Segments, under the names that they have now. */
  adopted: string[];
  /** What could not be taken over, and why. */
  failures: unknown[];
}

/**
 * Takes over the segments of processes that are gone.
 * @param own this process's directory
 * @param nextPath where the next segment goes: a name that grows with no crash
 */
export function adoptSegments(own: string, nextPath: () => string): Adoption {
  const found: Adoption = { adopted: [], failures: [] };
  const take = (segment: string) => {
    const path = nextPath();
    renameSync(segment, path);
    found.adopted.push(path);
  };
  const root = dirname(own);
  const names = new Set(readdirSync(root).map((name) => basename(name, LOCK)));
  for (const name of names) {
    if (name === basename(own)) continue;
    try {
      adoptFrom(join(root, name), take);
    } catch (error) {
      found.failures.push(error);
    }
  }
  return found;
}
