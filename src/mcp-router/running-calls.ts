import { memorySlot } from "../memory.ts";
import type { Platform, Turnstile } from "../platform.ts";

/** A call that runs, as a later request that cancels it finds it. */
interface RunningCall {
  isCancelled: boolean;
  /** Where it waits for that. */
  gate: Turnstile;
}

interface Sessions {
  /** By session, then by the id that the client gave the call. */
  running: Map<string, Map<string, RunningCall>>;
  /** Names of sessions that their clients have ended, oldest first. */
  ended: Set<string>;
}

const MAX_ENDED_SESSIONS = 10_000;

const sessions = memorySlot((): Sessions => ({ running: new Map(), ended: new Set() }));

async function watch(call: RunningCall, closed: AbortSignal, abort: () => void): Promise<void> {
  while (!closed.aborted && !call.isCancelled) await call.gate.pass(closed);
  if (call.isCancelled) abort();
}

/**
 * Listens for a cancellation that comes as a request of its own, as that of the older era does. It
 * is found within this process; a session is a name alone, so that any replica can serve any
 * request.
 * @param session of the client, its key included: ids of calls are unique in it only
 */
export function openRunningCall(
  platform: Platform,
  session: string,
  id: string,
): { cancelled: AbortSignal; close(): void } {
  const { running } = sessions.of(platform.memory);
  const calls = running.get(session) ?? new Map<string, RunningCall>();
  running.set(session, calls);
  const controller = new AbortController();
  const abort = () => controller.abort(new Error("The client has cancelled the call"));
  const call: RunningCall = { isCancelled: false, gate: platform.turnstile() };
  calls.set(id, call);
  const closed = new AbortController();
  void watch(call, closed.signal, abort);
  return {
    cancelled: controller.signal,
    close: () => {
      closed.abort();
      if (calls.get(id) === call) calls.delete(id);
      if (calls.size === 0) running.delete(session);
    },
  };
}

function cancel(call: RunningCall): void {
  call.isCancelled = true;
  call.gate.open();
}

/** Cancels a call, where it runs here. */
export function cancelRunningCall(memory: Platform["memory"], session: string, id: string): void {
  const call = sessions.of(memory).running.get(session)?.get(id);
  if (call !== undefined) cancel(call);
}

/** Ends a session: its calls are cancelled, and its name is not accepted any more. */
export function endSession(memory: Platform["memory"], session: string): void {
  const { running, ended } = sessions.of(memory);
  for (const call of running.get(session)?.values() ?? []) cancel(call);
  ended.add(session);
  for (const oldest of ended) {
    if (ended.size <= MAX_ENDED_SESSIONS) break;
    ended.delete(oldest);
  }
}

/** Whether its client has ended a session. */
export const hasEnded = (memory: Platform["memory"], session: string): boolean =>
  sessions.of(memory).ended.has(session);
