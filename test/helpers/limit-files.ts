/** A disk that takes no more, for one process: its files may not grow. */
import { spawnSync } from "node:child_process";

/**
 * Sets how large files of a running process may grow, in bytes; what would go beyond fails, cut
 * short at the limit, as on a disk that is full.
 */
export function limitFiles(pid: number | undefined, bytes: number | "unlimited"): void {
  const { status, stderr } = spawnSync("prlimit", [`--pid=${pid}`, `--fsize=${bytes}:unlimited`]);
  if (status !== 0) throw new Error(`prlimit: ${String(stderr)}`);
}
