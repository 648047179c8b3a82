/** Sessions that were ended before their time: here, and on every replica. */
import { forgetOldest, memorySlot } from "../memory.ts";
import type { Platform } from "../platform.ts";
import { isDatabaseUnavailable } from "../store/database-error.ts";
import { describeError } from "../store/describe-error.ts";
import { isSessionEnded, keepEndedSession, type EndedSession } from "../store/ended-sessions.ts";
import { DatabaseLate, withinLimit } from "../store/within-limit.ts";

type Parts = Pick<Platform, "clock" | "database" | "logger" | "memory">;

/** What is known of a session that this process ended. */
interface EndedHere extends EndedSession {
  /** Whether the other replicas can know. */
  isWritten: boolean;
}

/** How long a request waits to learn whether its session was ended, in milliseconds. */
const LOOKUP_LIMIT_MS = 2500;
/** The oldest goes first. */
const MAX_KEPT = 1000;

const endedHere = memorySlot(() => new Map<string, EndedHere>());

/** An operator must get in without the database, too: to see that it is away. */
const isAway = (error: unknown) => error instanceof DatabaseLate || isDatabaseUnavailable(error);

/** Writes down what could not be written when it was said. */
async function writeEnded({ clock, database, memory }: Parts): Promise<void> {
  const waiting = [...endedHere.of(memory).values()].filter(({ isWritten }) => !isWritten);
  for (const ended of waiting) {
    const { id, expiresAt } = ended;
    await keepEndedSession(database, { id, expiresAt }, new Date(clock.now()));
    ended.isWritten = true;
  }
}

/**
 * Ends a session: in this process at once, and on all replicas as soon as the database has it. With
 * the database away that is when it is asked again.
 */
export async function endSession(parts: Parts, session: EndedSession): Promise<void> {
  const ended = endedHere.of(parts.memory);
  ended.set(session.id, { ...session, isWritten: false });
  forgetOldest(ended, MAX_KEPT);
  try {
    await withinLimit(writeEnded(parts), LOOKUP_LIMIT_MS);
  } catch (error) {
    if (!isAway(error)) throw error;
    parts.logger.warn("A session has ended here, and other replicas cannot be told yet", {
      error: describeError(error),
    });
  }
}

async function lookUp(parts: Parts, id: string): Promise<boolean> {
  const isEnded = await isSessionEnded(parts.database, id);
  await writeEnded(parts);
  return isEnded;
}

/** Whether a session was ended; with the database away: whether it was ended here. */
export async function hasSessionEnded(parts: Parts, id: string): Promise<boolean> {
  if (endedHere.of(parts.memory).has(id)) return true;
  try {
    return await withinLimit(lookUp(parts, id), LOOKUP_LIMIT_MS);
  } catch (error) {
    if (!isAway(error)) throw error;
    parts.logger.warn("Whether a session was ended elsewhere cannot be told", {
      error: describeError(error),
    });
    return false;
  }
}
