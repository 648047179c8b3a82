/**
 * What this process writes (the embedded database, the spool, locks and sockets) is its user's
 * alone, whatever the system's usual mask is: files get 0600, directories 0700.
 */

/** All but the owner's rights. */
const OWNER_ONLY = 0o077;

/** From now on. @returns the mask that this process was started with */
export const keepFilesPrivate = (): number => process.umask(OWNER_ONLY);

/** Starts a process that writes files for others, under a mask of its own. */
export function underMask<Started>(mask: number, start: () => Started): Started {
  const own = process.umask();
  if (own === mask) return start();
  process.umask(mask);
  try {
    return start();
  } finally {
    process.umask(own);
  }
}
