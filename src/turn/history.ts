import type { AuthenticatedKey } from "../auth/authenticate.ts";
import type {
  Dialect,
  DialectRequest,
  History,
  HistoryItem,
  LoopEnd,
  MergedTurn,
} from "../dialects/dialect.ts";
import { maskOf } from "../secrets/known-secrets.ts";
import { memorySlot } from "../memory.ts";
import { ApiError } from "../openai/api-error.ts";
import type { HistoryPlace } from "../openai/history-hash.ts";
import { objectsOf, parseJson } from "../openai/json.ts";
import type { RequestScope } from "../platform.ts";
import { describeError } from "../store/describe-error.ts";
import { sweepBackground } from "../store/background-responses.ts";
import { findHiddenRounds, keepHiddenRounds, sweepHiddenRounds } from "../store/hidden-rounds.ts";
import { sweepKeptResponses } from "../store/kept-responses.ts";
import { withinLimit } from "../store/within-limit.ts";
import { rememberedRounds, rememberRounds } from "./kept-rounds.ts";
import { knownForms } from "./known-forms.ts";
import { openMediaSupport, type MediaSupport } from "./media-support.ts";
import type { Turn } from "./turn.ts";

/** What tools showed in earlier turns, and what the model reasoned in them. */
export interface RestoredParts {
  media: boolean;
  reasoning: boolean;
}

/** A request's history as the model must see it. */
export interface ModelHistory {
  /** The request: the client's own, or that with hidden items put back. */
  request: DialectRequest;
  /** What of the items that were put back an upstream may not take. */
  restoredParts: RestoredParts;
  /** The same request with less in these items. @param parts that are left out */
  requestWithout(parts: RestoredParts): DialectRequest;
  /** The history that the client sent, where its places were needed. */
  sent: History | null;
  /** Whether the model is shown images and sounds of tools. */
  media: MediaSupport;
  /** The same for an upstream that is asked in another dialect than the client's. */
  foreign(): ModelHistory;
  /** JSON texts (arrays of items) of what was put back, without media: for the record. */
  restored: string[];
  /**
   * Keeps what the client will not see of this turn.
   * @param merged as the client sees it
   */
  keep(end: LoopEnd, merged: MergedTurn): Promise<void>;
}

/** What a history is opened with. */
export interface HistoryParts {
  scope: RequestScope;
  key: AuthenticatedKey;
  request: DialectRequest;
  turn: Turn;
  /** Base URL. */
  upstream: string;
  /** How long the request has waited for the database already, in milliseconds. */
  waitedMs: number;
}

/**
 * What a request or an answer can wait for the database; after that it goes on without. In
 * milliseconds.
 */
export const DATABASE_LIMIT_MS = 2500;
/** What a request waits at least, where its key took long. In milliseconds. */
const SHORT_LIMIT_MS = 500;
const SWEEP_EVERY_MS = 60_000;
export const HOUR_MS = 3_600_000;

/** How long a request may wait that has waited before, in milliseconds. */
export const limitAfter = (waitedMs: number): number =>
  Math.max(SHORT_LIMIT_MS, DATABASE_LIMIT_MS - waitedMs);

/** Null where the history is nested too deeply for a hash: then nothing is put back. */
async function hashOf({ scope, request }: HistoryParts): Promise<History | null> {
  try {
    return await request.hash();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const fields = { error: describeError(error) };
    scope.platform.logger.warn("A history could not be hashed", fields);
    return null;
  }
}

/** What the table has at these places; null where it cannot be asked. */
async function askTable(
  { scope, key, turn, waitedMs }: HistoryParts,
  lookups: string[],
): Promise<Map<string, string> | null> {
  const { database, logger } = scope.platform;
  try {
    const finding = findHiddenRounds(database, key.id, lookups);
    return await withinLimit(finding, limitAfter(waitedMs));
  } catch (error) {
    const fields = { turn: turn.id, error: describeError(error) };
    logger.warn("Hidden rounds could not be looked up", fields);
    return null;
  }
}

/**
 * Hidden items by the index of the answer in whose place they go. With the database away they are
 * what this process remembers.
 * @throws ApiError 503 where the client is back with its results and nobody knows what was hidden:
 * the model must not be asked without the server's
 */
async function findHidden(parts: HistoryParts, history: History): Promise<Map<number, string>> {
  const { scope, key } = parts;
  // Without memory only the turn that is going on has hidden rounds: its client was given calls
  // and is back.
  const isWanted = ({ index }: HistoryPlace) => key.toolMemory || index > history.turnStart;
  const places = history.places.filter(isWanted);
  if (places.length === 0) return new Map();
  const lookups = places.map(({ lookup }) => lookup);
  const table = await askTable(parts, lookups);
  const found = new Map<number, string>();
  for (const { index, lookup } of places) {
    const known = rememberedRounds(scope.platform, key.id, lookup);
    if (table === null && known === undefined && index > history.turnStart) throw cannotKnow();
    const remembered = table === null || known?.isAlone === true ? known?.items : null;
    const items = table?.get(lookup) ?? remembered ?? null;
    if (items !== null) found.set(index, items);
  }
  return found;
}

/** A client is back with its results, and nobody knows what was hidden from it. */
export const cannotKnow = (): ApiError =>
  new ApiError(
    "database_unavailable",
    "The proxy's database is not available, so the results of its tools in this turn cannot be put back. Try again shortly.",
    { retryAfter: 2 },
  );

const lastSweep = memorySlot(() => ({ at: -Infinity }));

/** Once in a while, and after the response, some expired rows go. */
export function sweepNowAndThen({ platform, waitUntil }: RequestScope): void {
  const sweep = lastSweep.of(platform.memory);
  if (performance.now() - sweep.at < SWEEP_EVERY_MS) return;
  sweep.at = performance.now();
  const warn = (error: unknown) =>
    platform.logger.warn("Expired hidden rounds could not be deleted", {
      error: describeError(error),
    });
  const { database } = platform;
  const sweeping = Promise.all([
    sweepHiddenRounds(database),
    sweepKeptResponses(database),
    sweepBackground(database),
  ]);
  waitUntil(sweeping.catch(warn));
}

async function keepHidden(
  { scope, key, turn }: HistoryParts,
  kept: { lookups: string[]; messages: string },
): Promise<void> {
  const { platform } = scope;
  const forMs = platform.config.hiddenRoundsHours * HOUR_MS;
  const expiresAt = Date.now() + forMs;
  const remember = (isAlone: boolean) =>
    rememberRounds(platform, key.id, {
      lookups: kept.lookups,
      items: kept.messages,
      isAlone,
      forMs,
    });
  try {
    const row = { apiKeyId: key.id, ...kept, expiresAt: new Date(expiresAt) };
    await withinLimit(keepHiddenRounds(platform.database, row), DATABASE_LIMIT_MS);
    remember(false);
    sweepNowAndThen(scope);
  } catch (error) {
    const fields = { turn: turn.id, error: describeError(error) };
    platform.logger.warn(
      "Hidden rounds go with the record: they could not be kept at once",
      fields,
    );
    remember(true);
    turn.keepsHidden({ ...kept, expiresAt });
  }
}

/** A client that comes back to an answer of which it saw everything needs no table. */
function rememberNothing({ scope, key }: HistoryParts, lookups: string[]): void {
  const { platform } = scope;
  const forMs = platform.config.hiddenRoundsHours * HOUR_MS;
  rememberRounds(platform, key.id, { lookups, items: null, isAlone: true, forMs });
}

/** Items that were put back, for the record. @param hidden JSON text of an array of items */
const recordedItems = (dialect: Dialect, hidden: string): string =>
  JSON.stringify(objectsOf(parseJson(hidden)).flatMap((item) => dialect.recorded(item)));

/** Puts what the client did not see of earlier rounds back into its history. */
export async function openHistory(parts: HistoryParts): Promise<ModelHistory> {
  const { scope, key, request, upstream } = parts;
  const { dialect, model, traits } = request;
  const asked = { upstream, dialect: dialect.name, model, traits };
  const known = knownForms(scope.platform.memory, asked);
  const media = openMediaSupport(known, { model, sent: request.mediaSent() });
  const takes: MediaSupport["takes"] = (kind) => media.takes(kind);
  const history = request.hasAnswers() ? await hashOf(parts) : null;
  const found = history === null ? new Map<number, string>() : await findHidden(parts, history);
  const hidden = dialect.restoredItems(found, takes);
  const wordsAt = ([index, items]: [number, string]): [number, string] => [
    index,
    dialect.withoutMedia(items),
  ];
  const words = new Map([...hidden].map(wordsAt));
  const isUnreasoned = (items: string) => dialect.withoutReasoning(items) === items;
  const lessOf = (items: string, without: RestoredParts): string => {
    const shown = without.media ? dialect.withoutMedia(items) : items;
    return without.reasoning ? dialect.withoutReasoning(shown) : shown;
  };
  const opened: ModelHistory = {
    request: request.restored(hidden),
    restoredParts: {
      media: [...hidden].some(([index, items]) => words.get(index) !== items),
      reasoning: [...hidden.values()].some((items) => !isUnreasoned(items)),
    },
    requestWithout: (parts) =>
      request.restored(new Map([...hidden].map(([index, items]) => [index, lessOf(items, parts)]))),
    media,
    sent: history,
    foreign: () => opened,
    restored: [...words.values()].map((items) => recordedItems(dialect, items)),
    keep: async (end, { message: answer }) => {
      const unseen = dialect.hiddenOf(end);
      if (end.clientCalls.length === 0 && (unseen === null || !key.toolMemory)) return;
      const hashed = history ?? (await hashOf(parts));
      if (hashed === null) return;
      // Some clients keep a refusal, some send it back as content, and some drop it
      // (@langchain/openai 1.5).
      const seen = [answer, { ...answer, refusal: null }];
      const lookups = [...new Set(seen.map((item) => hashed.lookupAfter(item)))];
      if (unseen === null) return rememberNothing(parts, lookups);
      const isTaken = (item: HistoryItem) => !media.isRefused || !dialect.showsMedia(item);
      const items = dialect.keptItems(unseen.filter(isTaken));
      const mask = maskOf(scope.platform, key.upstreamApiKey);
      await keepHidden(parts, { lookups, messages: mask.text(JSON.stringify(items)) });
    },
  };
  return opened;
}
