import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

/** What an unfinished database is called, beside the real one's name. */
const UNFINISHED = "postgres.unfinished";

/** The directory of the embedded database itself, in the data directory. */
export function databaseDirectory(dataDir: string): string {
  return join(dataDir, "postgres");
}

/**
 * Sees to it that there is a database to open. A new one is made under another name and renamed
 * when it is whole, because PGlite ends a first start by unpacking an archive into place. Killed
 * while it unpacked one given as `loadDataDir`, 6 of 8 directories never opened; killed during its
 * own initdb, 8 of 8 did (measured 2026-11-21), but it unpacks through the same function. The
 * caller holds the lock of the data directory.
 * @param initialise makes a database in the directory it is given, and has closed it when it
 * resolves
 * @returns whether the database is new
 */
export async function initialiseDirectory(
  directory: string,
  initialise: (directory: string) => Promise<void>,
): Promise<boolean> {
  const unfinished = join(dirname(directory), UNFINISHED);
  rmSync(unfinished, { recursive: true, force: true });
  if (existsSync(join(directory, "PG_VERSION"))) return false;
  mkdirSync(unfinished, { mode: 0o700 });
  await initialise(unfinished);
  renameSync(unfinished, directory);
  return true;
}
