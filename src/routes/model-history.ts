import type { AuthenticatedKey } from "../auth/authenticate.ts";
import { keptMedia, restoredMedia, showsMedia, wordsOnly } from "../loop/hidden-media.ts";
import { openMediaSupport, type MediaSupport } from "../loop/media-support.ts";
import { hiddenOf, spliceHidden } from "../loop/splice-hidden.ts";
import type { LoopEnd } from "../loop/run-tool-loop.ts";
import { memorySlot } from "../memory.ts";
import type { ChatRequest } from "../openai/chat-request.ts";
import { hashHistory, type History, type HistoryPlace } from "../openai/history-hash.ts";
import type { JsonObject } from "../openai/json.ts";
import type { RequestScope } from "../platform.ts";
import type { OpenTurn } from "../record/open-turn.ts";
import { describeError } from "../store/describe-error.ts";
import { findHiddenRounds, keepHiddenRounds, sweepHiddenRounds } from "../store/hidden-rounds.ts";
import { withinLimit } from "../store/within-limit.ts";

/** A request's history as the model must see it. */
export interface ModelHistory {
  /** The request's body: the client's own, or that with hidden messages put back. */
  body: string;
  /** Places in the history that the client sent, where they were needed. */
  places: HistoryPlace[] | null;
  /** The same without what tools of earlier turns showed; null where they showed nothing. */
  bodyWithoutMedia: (() => string) | null;
  /** Whether the model is shown images and sounds of tools. */
  media: MediaSupport;
  /**
   * JSON texts (arrays of messages) of what was put back, without images and sounds: for the
   * record.
   */
  restored: string[];
  /** Keeps what the client will not see of this turn. @param answer as the client sees it */
  keep(end: LoopEnd, answer: JsonObject): Promise<void>;
}

interface HistoryParts {
  scope: RequestScope;
  key: AuthenticatedKey;
  chat: ChatRequest;
  turn: OpenTurn;
  /** How long the request has waited for the database already, in milliseconds. */
  waitedMs: number;
}

/**
 * What a request or an answer can wait for the database; after that it goes on without. In
 * milliseconds.
 */
const DATABASE_LIMIT_MS = 2500;
/** What a request waits at least, where its key took long. In milliseconds. */
const SHORT_LIMIT_MS = 500;
const SWEEP_EVERY_MS = 60_000;
const HOUR_MS = 3_600_000;

/** Null where the messages are nested too deeply for a hash: then nothing is put back. */
async function hashOf({ scope, chat }: HistoryParts): Promise<History | null> {
  try {
    return await hashHistory(chat.endUser, chat.messages);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    scope.platform.logger.warn("A history could not be hashed", { error: describeError(error) });
    return null;
  }
}

/**
 * Hidden messages by the index of the answer in whose place they go. With the database away there
 * are none.
 */
async function findHidden(
  { scope, key, turn, waitedMs }: HistoryParts,
  history: History,
): Promise<Map<number, string>> {
  // Without memory only the turn that is going on has hidden rounds: its client was given calls and
  // is back.
  const places = history.places.filter(({ index }) => key.toolMemory || index > history.turnStart);
  if (places.length === 0) return new Map();
  try {
    const lookups = places.map(({ lookup }) => lookup);
    const limitMs = Math.max(SHORT_LIMIT_MS, DATABASE_LIMIT_MS - waitedMs);
    const found = await withinLimit(
      findHiddenRounds(scope.platform.database, key.id, lookups),
      limitMs,
    );
    return new Map(
      places.flatMap(({ index, lookup }) =>
        found.has(lookup) ? [[index, found.get(lookup) ?? "[]"]] : [],
      ),
    );
  } catch (error) {
    scope.platform.logger.warn("Hidden rounds could not be looked up", {
      turn: turn.id,
      error: describeError(error),
    });
    return new Map();
  }
}

const lastSweep = memorySlot(() => ({ at: 0 }));

/** Once in a while, and after the response, some expired rows go. */
function sweepNowAndThen({ platform, waitUntil }: RequestScope): void {
  const sweep = lastSweep.of(platform.memory);
  if (Date.now() - sweep.at < SWEEP_EVERY_MS) return;
  sweep.at = Date.now();
  waitUntil(
    sweepHiddenRounds(platform.database).catch((error: unknown) =>
      platform.logger.warn("Expired hidden rounds could not be deleted", {
        error: describeError(error),
      }),
    ),
  );
}

async function keepHidden(
  { scope, key, turn }: HistoryParts,
  kept: { lookups: string[]; messages: string },
): Promise<void> {
  const { platform } = scope;
  const expiresAt = Date.now() + platform.config.hiddenRoundsHours * HOUR_MS;
  try {
    const row = { apiKeyId: key.id, ...kept, expiresAt: new Date(expiresAt) };
    await withinLimit(keepHiddenRounds(platform.database, row), DATABASE_LIMIT_MS);
    sweepNowAndThen(scope);
  } catch (error) {
    platform.logger.warn(
      "Hidden rounds go with the record, because they could not be kept at once",
      {
        turn: turn.id,
        error: describeError(error),
      },
    );
    turn.record.hiddenRounds = { ...kept, expiresAt };
  }
}

/** Puts what the client did not see of earlier rounds back into its history. */
export async function openHistory(parts: HistoryParts): Promise<ModelHistory> {
  const { scope, chat, key, turn } = parts;
  const media = openMediaSupport(scope.platform.memory, {
    ...chat,
    upstream: turn.record.upstream ?? "",
  });
  const hasAnswers = chat.messages.some(
    (message) => (message as JsonObject | null)?.["role"] === "assistant",
  );
  const history = hasAnswers && !chat.usesFunctions ? await hashOf(parts) : null;
  const hidden = restoredMedia(
    history === null ? new Map() : await findHidden(parts, history),
    media,
  );
  const words = new Map([...hidden].map(([index, messages]) => [index, wordsOnly(messages)]));
  const bodyWith = (messages: Map<number, string>) =>
    messages.size === 0 ? chat.text : spliceHidden(chat.text, chat.messages, messages);
  const isShowing = [...hidden].some(([index, messages]) => words.get(index) !== messages);
  return {
    body: bodyWith(hidden),
    bodyWithoutMedia: isShowing ? () => bodyWith(words) : null,
    media,
    places: history?.places ?? null,
    restored: [...words.values()],
    keep: async (end, answer) => {
      const unseen = hiddenOf(end);
      const messages =
        unseen === null
          ? null
          : keptMedia(media.isRefused ? unseen.filter((message) => !showsMedia(message)) : unseen);
      if (messages === null || (end.clientCalls.length === 0 && !key.toolMemory)) return;
      const known = history ?? (await hashOf(parts));
      if (known === null) return;
      // Some clients keep a refusal, some send it back as content, and some drop it
      // (@langchain/openai 1.5).
      const lookups = new Set([answer, { ...answer, refusal: null }].map(known.lookupAfter));
      await keepHidden(parts, { lookups: [...lookups], messages: JSON.stringify(messages) });
    },
  };
}
