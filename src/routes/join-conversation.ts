import type { AuthenticatedKey } from "../auth/authenticate.ts";
import { readChatRequest, type ChatRequest } from "../openai/chat-request.ts";
import { hashHistory, type HistoryPlace } from "../openai/history-hash.ts";
import { readKeptJson } from "../openai/json.ts";
import type { RequestScope } from "../platform.ts";
import { conversationIndexOf, type EndedTurn } from "../record/conversation-index.ts";
import type { OpenTurn } from "../record/open-turn.ts";
import { describeError } from "../store/describe-error.ts";
import { findParents, latestParent } from "../store/find-parents.ts";
import { withinLimit } from "../store/within-limit.ts";

interface JoinParts {
  scope: RequestScope;
  key: AuthenticatedKey;
  turn: OpenTurn;
}

/**
 * While upstream works, the database may be asked this long which conversation goes on. In
 * milliseconds.
 */
const DATABASE_LIMIT_MS = 300;
/**
 * Larger requests are not read for this before their answer begins: they join their conversation
 * when they are written.
 */
const MAX_READ_LENGTH = 4_000_000;

/** Places in the history at which an earlier turn may have ended. */
async function placesIn(text: string): Promise<HistoryPlace[]> {
  // A history has answers in it; all else begins a conversation.
  if (text.length > MAX_READ_LENGTH || !text.includes('"assistant"')) return [];
  const request: ChatRequest | null = readChatRequest(text, (await readKeptJson(text)) ?? null);
  return request === null ? [] : (await hashHistory(request.endUser, request.messages)).places;
}

async function findParent(
  { scope, key }: JoinParts,
  places: HistoryPlace[],
): Promise<EndedTurn | null> {
  const { platform } = scope;
  const index = conversationIndexOf(platform.memory);
  const known = await index.find(key.id, places);
  if (known !== null) return known;
  const asked = index.unasked(key.id, places);
  if (asked.length === 0) return null;
  const wanted = asked.map(({ lookup }) => ({ apiKeyId: key.id, place: lookup }));
  const parents = await withinLimit(findParents(platform.database, wanted), DATABASE_LIMIT_MS);
  const there = new Set(parents.map(({ place }) => place));
  index.noteAbsent(
    key.id,
    asked.filter(({ lookup }) => !there.has(lookup)),
  );
  const found = latestParent({ places, isTold: () => false }, parents)?.parent;
  return found === undefined
    ? null
    : { ...found, takenBy: found.isTaken ? "another request" : null };
}

/**
 * Finds the conversation that a request goes on from, so that its answer can name it. Done while
 * upstream works. What is not found in time is found when the turn is written; what the client was
 * told then is an alias.
 * @param known places in the request's history, where they were needed before
 */
export async function joinConversation(
  parts: JoinParts,
  requestText: string | null,
  known: HistoryPlace[] | null,
): Promise<void> {
  const { scope, turn } = parts;
  const { record } = turn;
  if (record.isNamed === true) return;
  try {
    const places = known ?? (await placesIn(requestText ?? ""));
    const parent = places.length === 0 ? null : await findParent(parts, places);
    if (parent === null) return;
    record.parentTurnId = parent.turnId;
    if (parent.takenBy === null) {
      record.conversationId = parent.conversationId;
      conversationIndexOf(scope.platform.memory).take(parent, record.id);
    } else record.isBranch = true;
  } catch (error) {
    scope.platform.logger.debug("A conversation could not be joined yet", {
      turn: record.id,
      error: describeError(error),
    });
  }
}
