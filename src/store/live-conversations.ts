import { asc, desc, gte } from "drizzle-orm";
import { conversations } from "../../drizzle/schema.ts";
import { forgetOldest } from "../memory.ts";
import { CONVERSATION_COLUMNS, type ConversationRow } from "./conversation-row.ts";
import type { Database } from "./database.ts";

/**
 * Whoever wants to hear of new and changed conversations. Rows come oldest change first, each
 * version once.
 */
type ConversationListener = (rows: ConversationRow[]) => void;

/** News of conversations, for as many listeners as there are. */
export interface LiveConversations {
  /**
   * Begins with what changes from when the promise is fulfilled; ends when the function is called
   * that it is fulfilled with.
   */
  listen(listener: ConversationListener): Promise<() => void>;
}

const POLL_MS = 1000;
/**
 * A row's time is that of its turn's end, and it is written somewhat later: so long it may take to
 * be noticed.
 */
const LATE_MS = 15_000;
/** Rows of one look. More than that in {@link LATE_MS} are shown with gaps. */
const MAX_ROWS = 1000;

/**
 * Conversations that changed since a moment: the latest of them, in the order in which they
 * changed.
 */
export async function changedConversations(
  database: Database,
  since: Date,
): Promise<ConversationRow[]> {
  const rows = await database
    .select(CONVERSATION_COLUMNS)
    .from(conversations)
    .where(gte(conversations.updatedAt, since))
    .orderBy(desc(conversations.updatedAt), asc(conversations.id))
    .limit(MAX_ROWS);
  return rows.toReversed();
}

/** Remembers which versions of rows were seen, for as long as they can turn up again. */
class SeenRows {
  readonly #versions = new Map<string, string>();

  /** The rows that were not seen as they are now. */
  fresh(rows: ConversationRow[]): ConversationRow[] {
    const versionOf = ({ updatedAt, turnCount }: ConversationRow) =>
      `${updatedAt.getTime()}/${turnCount}`;
    const fresh = rows.filter((row) => this.#versions.get(row.id) !== versionOf(row));
    for (const row of rows) {
      // At the end of the map, where the oldest are first.
      this.#versions.delete(row.id);
      this.#versions.set(row.id, versionOf(row));
    }
    forgetOldest(this.#versions, 2 * MAX_ROWS);
    return fresh;
  }
}

/**
 * Looks once a second while there are listeners, and not at all while there are none.
 * @param onError told why a look failed, the first time in a row
 */
export function createLiveConversations(
  database: Database,
  onError: (error: unknown) => void,
): LiveConversations {
  const listeners = new Set<ConversationListener>();
  const state = { failing: false, seen: new SeenRows() };
  /** The running loop's first look, or null while there is no loop. */
  let begun: Promise<void> | null = null;

  const look = async (): Promise<ConversationRow[]> => {
    try {
      const fresh = state.seen.fresh(
        await changedConversations(database, new Date(Date.now() - LATE_MS)),
      );
      state.failing = false;
      return fresh;
    } catch (error) {
      if (!state.failing) onError(error);
      state.failing = true;
      return [];
    }
  };
  const follow = async (): Promise<void> => {
    while (listeners.size > 0) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      if (listeners.size === 0) break;
      const fresh = await look();
      if (fresh.length > 0) for (const listener of listeners) listener(fresh);
    }
    begun = null;
  };
  const begin = async (): Promise<void> => {
    state.seen = new SeenRows();
    await look();
    void follow();
  };
  return {
    listen: async (listener) => {
      listeners.add(listener);
      await (begun ??= begin());
      return () => listeners.delete(listener);
    },
  };
}
