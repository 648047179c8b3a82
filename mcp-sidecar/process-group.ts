import { setTimeout as sleep } from "node:timers/promises";

/** How long a server may take over each way of being asked to end, in milliseconds. */
const STOP_STEPS = { endOfInput: 500, terminate: 1_500, kill: 1_000 };

/**
 * Signals a whole process group. The SDK's own transport signals the first process only, and `npx`
 * has two more below it (modelcontextprotocol/typescript-sdk#2023).
 * @returns whether the group still had a member
 */
export function signalGroup(groupId: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-groupId, signal);
    return true;
  } catch (error) {
    // EPERM: a member has changed its user. It exists, but is out of reach.
    if (error instanceof Error && "code" in error && error.code === "EPERM") return true;
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    throw error;
  }
}

async function groupEnds(groupId: number, withinMs: number): Promise<boolean> {
  for (const deadline = Date.now() + withinMs; ; await sleep(10)) {
    if (!signalGroup(groupId, 0)) return true;
    if (Date.now() >= deadline) return false;
  }
}

/**
 * Ends a process group: waits for those who heed the end of their input, then SIGTERM, then
 * SIGKILL.
 */
export async function endGroup(groupId: number): Promise<void> {
  if (await groupEnds(groupId, STOP_STEPS.endOfInput)) return;
  signalGroup(groupId, "SIGTERM");
  if (await groupEnds(groupId, STOP_STEPS.terminate)) return;
  signalGroup(groupId, "SIGKILL");
  // Bounded: where nobody reaps orphans (a container without an init), dead members stay members
  // for ever.
  await groupEnds(groupId, STOP_STEPS.kill);
}
