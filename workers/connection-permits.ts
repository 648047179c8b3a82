import { memorySlot, type Memory } from "../src/memory.ts";
import { pause } from "./pause.ts";

/** The right to hold one connection to the database. */
export interface Permit {
  /** When it was given, in milliseconds since 1970. */
  takenAt: number;
}

/** Connections of one isolate at a time. PostgreSQL has 100 for all, where nobody set another. */
const MAX_CONNECTIONS = 16;
/** On workerd nobody can be woken by another request: each looks for itself. */
const LOOK_EVERY_MS = 10;
/** The holder of an older one has died with its request, as workerd lets them. */
const DEAD_AFTER_MS = 60_000;

const held = memorySlot(() => new Set<Permit>());

function forgetDead(permits: Set<Permit>, now: number): void {
  for (const permit of permits) if (now - permit.takenAt > DEAD_AFTER_MS) permits.delete(permit);
}

/**
 * Waits until this isolate may open another connection.
 * @throws Error after the limit, with the code of a database that does not answer
 */
export async function takePermit(memory: Memory, limitMs: number): Promise<Permit> {
  const permits = held.of(memory);
  const deadline = Date.now() + limitMs;
  for (;;) {
    const now = Date.now();
    forgetDead(permits, now);
    if (permits.size < MAX_CONNECTIONS) {
      const permit = { takenAt: now };
      permits.add(permit);
      return permit;
    }
    if (now > deadline) {
      const message = `All ${MAX_CONNECTIONS} connections to the database are in use.`;
      throw Object.assign(new Error(message), { code: "CONNECT_TIMEOUT" });
    }
    await pause(LOOK_EVERY_MS);
  }
}

/** Gives the right to whoever waits. */
export function givePermitBack(memory: Memory, permit: Permit): void {
  held.of(memory).delete(permit);
}
