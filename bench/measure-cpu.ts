import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/**
 * CPU time in nanoseconds since the process began, by the kernel's scheduler (not by its 10 ms
 * ticks).
 */
export interface CpuTime {
  /** The thread that serves requests. */
  mainThread: number;
  /** All threads: workers, garbage collector, compiler. */
  process: number;
  /** And all processes that it started. */
  withChildren: number;
}

/** A thread or process may end between the listing and the reading. */
function hasEnded(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ESRCH";
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (hasEnded(error)) return null;
    throw error;
  }
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch (error) {
    if (hasEnded(error)) return [];
    throw error;
  }
}

function threadTime(pid: number, thread: string): number {
  return Number(readIfThere(`/proc/${pid}/task/${thread}/schedstat`)?.split(" ")[0] ?? 0);
}

function processTime(pid: number): number {
  return threadsOf(pid).reduce((sum, thread) => sum + threadTime(pid, thread), 0);
}

/**
 * Parents by process. The name in a `stat` line may hold anything but its last parenthesis ends it.
 */
function parents(): Map<number, number> {
  const found = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const line = readIfThere(`/proc/${name}/stat`);
    if (line !== null)
      found.set(Number(name), Number(line.slice(line.lastIndexOf(")") + 2).split(" ")[1]));
  }
  return found;
}

function descendantsOf(pid: number): number[] {
  const all = parents();
  const found = [pid];
  for (const ancestor of found)
    for (const [child, parent] of all) if (parent === ancestor) found.push(child);
  return found.slice(1);
}

/**
 * The CPU time of a process so far. Threads that have ended are not in it, so it is right for
 * differences only, and only while no busy thread ends: the proxy's threads live as long as it
 * does.
 */
export function readCpuTime(pid: number): CpuTime {
  const own = processTime(pid);
  return {
    mainThread: threadTime(pid, String(pid)),
    process: own,
    withChildren: descendantsOf(pid).reduce((sum, child) => sum + processTime(child), own),
  };
}

/** Memory in use (resident set) in MB. */
export function readMemory(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readIfThere(`/proc/${pid}/status`) ?? "")?.[1];
  return Number(kilobytes ?? 0) / 1024;
}

const LOOK_MS = 150;
/**
 * Less than this of CPU time in one look counts as rest: a tenth of a processor. Timers use some,
 * and a profiler uses more.
 */
const REST_NS = 15_000_000;
const RESTS_NEEDED = 3;
const LIMIT_MS = 60_000;

/**
 * Waits until a process has nothing left to do: records are written behind the responses, and
 * belong to their cost.
 * @throws Error when it does not come to rest within a minute
 */
export async function waitForRest(pid: number): Promise<void> {
  let before = readCpuTime(pid).withChildren;
  let rests = 0;
  for (let waited = 0; waited < LIMIT_MS; waited += LOOK_MS) {
    await pause(LOOK_MS);
    const now = readCpuTime(pid).withChildren;
    rests = now - before < REST_NS ? rests + 1 : 0;
    if (rests === RESTS_NEEDED) return;
    before = now;
  }
  throw new Error(`Process ${pid} was still busy ${LIMIT_MS / 1000} s after its last response`);
}
