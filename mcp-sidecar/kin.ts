/** All processes that one MCP server has led to, however they tried to get away. */
import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { membersOfCgroup } from "./cgroup.ts";
import { birthOf, readProcesses, type Birth, type Process } from "./processes.ts";
import { runAs } from "./server-users.ts";

/** The variable by which a server's processes are told; its value is random for each start. */
export const MARK = "OPENAI_PROXY_MCP_SERVER";

/** What tells the processes of a server from all others. */
export interface Kin extends Birth {
  /** `MARK=…`, in the environment of each that did not clear it. */
  mark: string;
  /** The server's own working directory. */
  directory: string;
  /** The control group that none of them can leave; null where none could be made. */
  cgroup: string | null;
  /** Whose all of them are, and none of the sidecar's; null: the sidecar's own user. */
  uid: number | null;
}

/** What is known of servers from outside. */
interface Knowledge {
  /** Whether a server's number is still its own: it lives, or we have just ended it. */
  isLed(kin: Kin): boolean;
  /** Whether no other server is the same user now. */
  isAlone(kin: Kin): boolean;
}

/** How long a server may take over each way of being asked to end, in milliseconds. */
const STOP_STEPS = { endOfInput: 500, terminate: 1_500, kill: 1_000 };
const isWindows = process.platform === "win32";

/**
 * @param target a process, or as a negative number a group
 * @returns whether there was one
 */
function signal(target: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(target, name);
    return true;
  } catch (error) {
    // EPERM: it has changed its user. It exists, but is out of reach.
    if (error instanceof Error && "code" in error && error.code === "EPERM") return true;
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    throw error;
  }
}

/**
 * Signals a whole process group. The SDK's own transport signals the first process only, and `npx`
 * has two more below it (modelcontextprotocol/typescript-sdk#2023).
 * @returns whether the group still had a member
 */
export function signalGroup(groupId: number, name: NodeJS.Signals | 0): boolean {
  return signal(isWindows ? groupId : -groupId, name);
}

const isWithin = (path: string | null, directory: string) =>
  path !== null && `${path}/`.startsWith(`${directory}/`);

/** Environments of another user are shown to that user alone. */
const LIST_MARKED = 'grep -lsz "^$0$" /proc/[0-9]*/environ';

function markedOf(uid: number, mark: string): number[] {
  const paths = runAs({ uid }, "/bin/sh", ["-c", LIST_MARKED, mark]);
  return [...paths.matchAll(/\d+/g)].map(([pid]) => Number(pid));
}

/** Who is of a server by its own marks. */
function isMarked(each: Process, kin: Kin, { isLed, isAlone }: Knowledge): boolean {
  const { pid, mark, directory, uid } = kin;
  if (isLed(kin) && (each.group === pid || each.session === pid)) return true;
  if (uid !== null) return isAlone(kin) && each.uid() === uid;
  return each.carries(mark) || isWithin(each.directory(), directory);
}

/**
 * The living processes of servers. A number that is in use as a group or a session is given to no
 * other process; so it stays the server's while the server lives, or one that we have just ended.
 */
function findKin(kin: Kin[], known: Knowledge): number[] {
  const processes = readProcesses().filter(({ pid }) => pid !== process.pid);
  const found = new Set(kin.flatMap(({ cgroup }) => cgroup ?? []).flatMap(membersOfCgroup));
  for (const { uid, mark } of kin)
    if (uid !== null) for (const pid of markedOf(uid, mark)) found.add(pid);
  for (const each of processes)
    if (kin.some((one) => isMarked(each, one, known))) found.add(each.pid);
  for (let before = -1; before < found.size;) {
    before = found.size;
    for (const { pid, parent } of processes) if (found.has(parent)) found.add(pid);
  }
  const living = new Set(processes.map(({ pid }) => pid));
  // A group also names who came after the list was made.
  return [...found].filter((pid) => living.has(pid) || birthOf(pid).startedAt !== null);
}

async function isOver(withinMs: number, look: () => boolean, everyMs: number): Promise<boolean> {
  for (const deadline = performance.now() + withinMs; ; await sleep(everyMs)) {
    if (look()) return true;
    if (performance.now() >= deadline) return false;
  }
}

/** Ends all processes of servers at once: all that an exiting process can do. */
export function killKin(kin: Kin[], known: Knowledge): number {
  for (const each of kin) if (known.isLed(each)) signalGroup(each.pid, "SIGKILL");
  const left = findKin(kin, known);
  for (const pid of left) signal(pid, "SIGKILL");
  return left.length;
}

/**
 * Ends a server with everything that it started: waits for those who heed the end of their input,
 * then SIGTERM, then SIGKILL.
 */
export async function endKin(kin: Kin, known: Knowledge): Promise<void> {
  const find = () => findKin([kin], known);
  const isEmpty = () => !known.isLed(kin) || !signalGroup(kin.pid, 0);
  await isOver(STOP_STEPS.endOfInput, isEmpty, 10);
  if (isWindows) {
    spawnSync("taskkill", ["/PID", String(kin.pid), "/T", "/F"]);
    return;
  }
  // A parent may have ended, and its child come, while the list was made: the next one has it.
  const isGone = () => find().length === 0 && find().length === 0;
  if (isGone()) return;
  for (const pid of find()) signal(pid, "SIGTERM");
  if (await isOver(STOP_STEPS.terminate, isGone, 50)) return;
  // Bounded: who has changed its user is out of reach.
  await isOver(STOP_STEPS.kill, () => killKin([kin], known) === 0 && isGone(), 20);
}
