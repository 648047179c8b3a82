import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { endGroup, signalGroup } from "./process-group.ts";
import type { Log } from "./log.ts";

/** A process, told from a later one of the same number by when it started. */
interface Birth {
  pid: number;
  /** Clock ticks since boot, as `/proc` gives them; null where there is no `/proc`. */
  startedAt: string | null;
}

interface Page {
  sidecar: Birth;
  groups: Birth[];
}

/**
 * When a process started, in clock ticks since boot, or null when it is gone (or the system has no
 * `/proc`).
 */
function startOf(pid: number): string | null {
  try {
    // The second field is the program's name in brackets, which may itself hold spaces and
    // brackets. Field 22 is the start.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return fields[19] ?? null;
  } catch (error) {
    if (
      error instanceof Error &&
      "code" in error &&
      (error.code === "ENOENT" || error.code === "ESRCH")
    )
      return null;
    throw error;
  }
}

/**
 * The process groups of this sidecar, in memory and in a file, so that none outlives it: what is
 * left when the process exits is killed, and what a killed sidecar (SIGKILL, out of memory) left is
 * ended by the next one.
 */
export class ProcessLedger {
  readonly #groups = new Map<number, Birth>();
  readonly #directory: string;
  readonly #file: string;
  readonly #log: Log;

  constructor(directory: string, log: Log) {
    this.#directory = directory;
    this.#log = log;
    this.#file = join(directory, `${process.pid}-${startOf(process.pid) ?? "0"}.json`);
    // Another user must not be able to plant a page that names other processes.
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (process.getuid !== undefined && statSync(directory).uid !== process.getuid()) {
      throw new Error(
        `The directory ${directory} belongs to another user: set MCP_SIDECAR_STATE_DIR to one of your own.`,
      );
    }
  }

  /** Records a process that leads its own group. */
  add(pid: number): void {
    this.#groups.set(pid, { pid, startedAt: startOf(pid) });
    this.#write();
  }

  remove(pid: number): void {
    this.#groups.delete(pid);
    this.#write();
  }

  /** The last resort of an exiting process: only synchronous calls still work then. */
  killAll(): void {
    for (const pid of this.#groups.keys()) signalGroup(pid, "SIGKILL");
    rmSync(this.#file, { force: true });
  }

  /**
   * Ends the groups of sidecars that no longer run. A number whose process started at another time
   * is someone else's.
   */
  async reap(): Promise<void> {
    for (const name of readdirSync(this.#directory)) {
      const file = join(this.#directory, name);
      const page = name.endsWith(".json") ? readPage(file, this.#log) : null;
      if (page === null || isAlive(page.sidecar)) continue;
      const left = page.groups.filter(isAlive);
      if (left.length > 0)
        this.#log.warn(
          { groups: left.map(({ pid }) => pid) },
          "Ending MCP servers that a killed sidecar left behind",
        );
      await Promise.all(left.map(({ pid }) => endGroup(pid)));
      rmSync(file, { force: true });
    }
  }

  #write(): void {
    const page: Page = {
      sidecar: { pid: process.pid, startedAt: startOf(process.pid) },
      groups: [...this.#groups.values()],
    };
    try {
      writeFileSync(this.#file, JSON.stringify(page), { mode: 0o600 });
    } catch (error) {
      // A full disk must not stop MCP servers from running; what is in memory still ends them on a
      // normal exit.
      this.#log.error({ error: String(error) }, "The process ledger cannot be written");
    }
  }
}

function isAlive({ pid, startedAt }: Birth): boolean {
  return startedAt !== null && startOf(pid) === startedAt;
}

function readPage(file: string, log: Log): Page | null {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Page;
  } catch (error) {
    // Another sidecar may have removed it, or a full disk may have cut it: neither may keep this
    // one from starting.
    log.warn({ error: String(error) }, "A page of the process ledger cannot be read");
    return null;
  }
}
