import { eq, lt } from "drizzle-orm";
import { endedSessions } from "../../drizzle/schema.ts";
import type { Database } from "./database.ts";

/** A session that was ended before its time. */
export interface EndedSession {
  id: string;
  /** When its token is of no use by itself. */
  expiresAt: Date;
}

/**
 * Notes on all replicas that a session has ended. Those whose tokens have expired are forgotten.
 * @param now of the platform's clock
 */
export async function keepEndedSession(
  database: Database,
  session: EndedSession,
  now: Date,
): Promise<void> {
  await database.insert(endedSessions).values(session).onConflictDoNothing();
  await database.delete(endedSessions).where(lt(endedSessions.expiresAt, now));
}

/** Whether a session was ended, on whichever replica. */
export async function isSessionEnded(database: Database, id: string): Promise<boolean> {
  const found = await database
    .select({ id: endedSessions.id })
    .from(endedSessions)
    .where(eq(endedSessions.id, id));
  return found.length > 0;
}
