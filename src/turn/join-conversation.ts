import type { Dialect, History } from "../dialects/dialect.ts";
import type { HistoryPlace } from "../openai/history-hash.ts";
import { readKeptJson } from "../openai/json.ts";
import type { RequestScope } from "../platform.ts";
import { conversationIndex, type EndedTurn } from "../record/conversation-index.ts";
import { describeError } from "../store/describe-error.ts";
import { findParents, latestParent } from "../store/find-parents.ts";
import { withinLimit } from "../store/within-limit.ts";
import type { Turn } from "./turn.ts";

/** A turn that may go on from another. */
export interface Joining {
  scope: RequestScope;
  key: { id: string };
  turn: Turn;
}

/** While upstream works, the database may be asked this long which conversation goes on. In ms. */
const DATABASE_LIMIT_MS = 300;
/**
 * Larger requests are not read for this before their answer begins: they join their conversation
 * when they are written.
 */
const MAX_READ_LENGTH = 4_000_000;

/** The history of a request, or null where there is none that an earlier turn may have ended in. */
export async function historyIn(dialect: Dialect, text: string | null): Promise<History | null> {
  // A history has answers in it; all else begins a conversation.
  if (text === null || text.length > MAX_READ_LENGTH || !text.includes('"assistant"')) return null;
  const request = dialect.readRequest(text, (await readKeptJson(text)) ?? null);
  return request === null ? null : await request.hash();
}

async function findParent(
  { scope, key }: Joining,
  places: HistoryPlace[],
): Promise<EndedTurn | null> {
  const { platform } = scope;
  const index = conversationIndex.of(platform.memory);
  const known = await index.find(key.id, places);
  if (known !== null) return known;
  const asked = index.unasked(key.id, places);
  if (asked.length === 0) return null;
  const wanted = asked.map(({ lookup }) => ({ apiKeyId: key.id, place: lookup }));
  const parents = await withinLimit(findParents(platform.database, wanted), DATABASE_LIMIT_MS);
  const there = new Set(parents.map(({ place }) => place));
  const absent = asked.filter(({ lookup }) => !there.has(lookup));
  index.noteAbsent(key.id, absent);
  const found = latestParent({ places, isTold: () => false }, parents)?.parent;
  if (found === undefined) return null;
  return { ...found, takenBy: found.isTaken ? "another request" : null };
}

/**
 * Finds the conversation that a request goes on from, so that its answer can name it. Done while
 * upstream works. What is not found in time is found when the turn is written; what the client was
 * told then is an alias.
 */
export async function joinConversation(
  joining: Joining,
  findHistory: () => Promise<History | null> | History | null,
): Promise<void> {
  const { scope, turn } = joining;
  if (turn.record.isNamed === true) return;
  try {
    const history = await findHistory();
    if (history === null) return;
    conversationIndex.of(scope.platform.memory).remember(turn.id, history.lookupAfter);
    const { places } = history;
    const parent = places.length === 0 ? null : await findParent(joining, places);
    if (parent === null) return;
    const { turnId: parentTurnId } = parent;
    const isFree = parent.takenBy === null;
    turn.joined({ parentTurnId, conversationId: isFree ? parent.conversationId : null });
    if (isFree) conversationIndex.of(scope.platform.memory).take(parent, turn.id);
  } catch (error) {
    const fields = { turn: turn.id, error: describeError(error) };
    scope.platform.logger.debug("A conversation could not be joined yet", fields);
  }
}
