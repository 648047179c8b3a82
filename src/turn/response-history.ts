/**
 * The history of a request to the Responses API. Clients name what was before by ids: of a
 * response, of items, of calls. What they did not see of it is put back in its place.
 */
import { isObject, objectsOf, parseJson, textOf, type JsonObject } from "../openai/json.ts";
import { memberText, readElements, setMembers } from "../openai/json-object-text.ts";
import { messagesOfItems } from "../openai/response-items.ts";
import { ApiError } from "../openai/api-error.ts";
import type { HistoryPlace } from "../openai/history-hash.ts";
import { plainMessage } from "../openai/plain-message.ts";
import type { HistoryItem, LoopEnd, MergedTurn } from "../dialects/dialect.ts";
import type { MergedResponse } from "../dialects/responses/client-answer.ts";
import { modelItems } from "../dialects/responses/hidden-items.ts";
import { withMissingOutputs } from "../dialects/responses/missing-outputs.ts";
import { isOwnItem, ownItemSentBack } from "../dialects/responses/own-items.ts";
import type { ResponsesDialectRequest } from "../dialects/responses/responses-dialect.ts";
import { inputText } from "../dialects/responses/round-body.ts";
import type { KeptResponse } from "../record/turn-record.ts";
import { maskOf } from "../secrets/known-secrets.ts";
import { describeError } from "../store/describe-error.ts";
import { findBackground } from "../store/background-responses.ts";
import { findResponseChain, keepResponse, type ChainedResponse } from "../store/kept-responses.ts";
import { withinLimit } from "../store/within-limit.ts";
import {
  DATABASE_LIMIT_MS,
  HOUR_MS,
  limitAfter,
  sweepNowAndThen,
  type HistoryParts,
  type ModelHistory,
  type RestoredParts,
} from "./history.ts";
import { knownForms } from "./known-forms.ts";
import { openMediaSupport } from "./media-support.ts";
import {
  ownedEntries,
  readOwners,
  rememberResponse,
  turnStartOf,
  type Owned,
  type Owners,
} from "./response-owners.ts";
import { spokenPlaces, type SpokenPlaces } from "./spoken-places.ts";
import {
  idsOf,
  isOutput,
  isReference,
  saidUnderIds,
  seenItems,
  unseenItems,
  withSeen,
  type Entry,
  type Piece,
} from "./unseen-items.ts";

/** What a history is opened with. */
interface ResponseHistoryParts extends HistoryParts {
  request: ResponsesDialectRequest;
}

/** What was read of what was before. */
interface ReadHistory extends ResponseHistoryParts {
  chain: ChainedResponse[];
  /** The input's items as they are spelled, and as entries. */
  spelled: string[];
  /** Where its answers stand in what was said. */
  spoken: SpokenPlaces;
  entries: Entry[];
  owners: Owners;
  owned: Owned;
  /** Where the turn is in its client's history: known when the answer is. */
  ended: { place: string };
  /** Whether upstream speaks another dialect: then it has nothing of what was before. */
  isForeign: boolean;
}

/** Whether what the clients of a key saw may be kept. */
const keepsContent = ({ logContent }: HistoryParts["key"]): boolean => logContent !== "metadata";

/**
 * Nothing goes on from a response in the background before it is made, or where it was not.
 * @throws ApiError 400
 */
async function refuseUnfinished(
  { scope, key }: Pick<ResponseHistoryParts, "scope" | "key">,
  id: string,
): Promise<void> {
  const { database } = scope.platform;
  const row = await withinLimit(
    findBackground(database, { apiKeyId: key.id, id }),
    DATABASE_LIMIT_MS,
  ).catch(() => null);
  if (row === null || row.status === "completed" || row.status === "incomplete") return;
  const { status } = row;
  const message = `Cannot go on from response '${id}': its status is '${status}', not 'completed'.`;
  throw new ApiError("invalid_value", message, { param: "previous_response_id" });
}

/**
 * @throws ApiError 404 where the response is not this key's or not there, 503 where nobody can tell
 */
async function readChain({
  scope,
  key,
  request,
  waitedMs,
}: ResponseHistoryParts): Promise<ChainedResponse[]> {
  const id = request.previousResponseId;
  if (id === null) return [];
  const { database } = scope.platform;
  const finding = findResponseChain(database, key.id, id);
  const chain = await withinLimit(finding, limitAfter(waitedMs)).catch((cause: unknown) => {
    const message = "The previous response cannot be looked up now. Try again in a few seconds.";
    throw new ApiError("database_unavailable", message, { cause });
  });
  if (chain.length > 0) return chain;
  await refuseUnfinished({ scope, key }, id);
  const why = keepsContent(key)
    ? "."
    : ": this API key logs metadata only, so nothing is kept to go on from. Send its items instead.";
  const message = `Previous response with id '${id}' not found${why}`;
  throw new ApiError("previous_response_not_found", message, { param: "previous_response_id" });
}

const textsIn = (item: JsonObject): string =>
  objectsOf(item["content"])
    .map((part) => textOf(part["text"]) || textOf(part["refusal"]))
    .join("");

const isChangedMessage = (item: JsonObject, kept: JsonObject[]): boolean => {
  const known = kept.find(({ id }) => id === item["id"]);
  if (known === undefined || isReference(known)) return false;
  return typeof item["content"] !== "string" && textsIn(known) !== textsIn(item);
};

const plainCall = (item: JsonObject): string => messagesOfItems([item]).map(plainMessage).join();

const isChangedCall = (item: JsonObject, kept: JsonObject[]): boolean => {
  const isIt = (one: JsonObject) => one["call_id"] === item["call_id"] && !isOutput(one);
  const known = kept.find(isIt);
  if (known === undefined || isReference(known)) return false;
  return plainCall(known) !== plainCall(item);
};

/** Whether a client says of an item what it was: one that it has changed stays as it is sent. */
function isUnchanged(item: unknown, kept: JsonObject[]): boolean {
  if (!isObject(item)) return true;
  if (item["type"] === "function_call") return !isChangedCall(item, kept);
  // A message without an id is known by what it says.
  const isNamed = item["type"] === "message" && item["id"] !== undefined;
  return !isNamed || !isChangedMessage(item, kept);
}

/** Which responses are put back in the place of what is left of them in the input. */
function restorable(
  { key, isForeign }: ReadHistory,
  entries: Entry[],
  owned: Owned,
): Map<string, string> {
  const turnStart = turnStartOf(entries);
  const found = new Map<string, string>();
  const changed = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    const { item } = entry;
    const owner = owned.get(entry);
    if (owner === undefined || owner.items === null) continue;
    const { responseId, items } = owner;
    // Without memory only the turn that is going on has hidden rounds: its client is back.
    if (key.toolMemory || index > turnStart) found.set(responseId, items);
    else if (isForeign) found.set(responseId, seenItems(items));
    if (!isUnchanged(item, objectsOf(parseJson(items)))) changed.add(responseId);
  }
  for (const id of changed) found.delete(id);
  return found;
}

const isReasoning = (item: unknown): boolean => isObject(item) && item["type"] === "reasoning";

/** The input with what the client did not see, and its items of ours as upstream takes them. */
function restore(parts: ReadHistory): Piece[] {
  const { entries, owned } = parts;
  const kept = restorable(parts, entries, owned);
  const done = new Set<string>();
  const pieces: (Piece & { item?: unknown })[] = [];
  for (const entry of entries) {
    const { item, text } = entry;
    const owner = owned.get(entry)?.responseId ?? "";
    const items = kept.get(owner);
    if (items !== undefined) {
      const isOfOwner = (other: Entry) => owned.get(other)?.responseId === owner;
      if (!done.has(owner)) pieces.push(...withSeen(items, entries.filter(isOfOwner)));
      done.add(owner);
    } else if (isOwnItem(item)) {
      // What was reasoned before a call is refused where that is not the very same call.
      if (isReasoning(pieces.at(-1)?.item)) pieces.pop();
      pieces.push({ kept: JSON.stringify(ownItemSentBack(item)) });
    } else pieces.push({ sent: text, item });
  }
  return pieces;
}

/**
 * What is put in where upstream has the history: the outputs of the calls that stand beside those
 * which the client answers now.
 */
function missingOutputs(entries: Entry[], owners: Owners): Piece[] {
  const answered = entries.filter(({ item }) => isOutput(item));
  const found = answered.flatMap(({ item }) => idsOf(item).map((id) => owners.get(id)));
  const turns = new Map(found.map((owner) => [owner?.responseId, owner?.items ?? null]));
  const pieces = [...turns.values()].map((items): Piece => {
    const all = objectsOf(items === null ? [] : parseJson(items));
    const last = all.findLastIndex((item) => !isOutput(item));
    return { kept: JSON.stringify(all.slice(last + 1)) };
  });
  return [...pieces, ...entries.map(({ text }) => ({ sent: text }))];
}

const same = (kept: string): string => kept;

/** @param changeSent what becomes of what the client sent, an array of one item */
const piecesElements = (
  pieces: Piece[],
  change: (kept: string) => string,
  changeSent: (sent: string) => string = same,
): string[] => {
  const elements = pieces.flatMap((piece) =>
    readElements("sent" in piece ? changeSent(`[${piece.sent}]`) : change(piece.kept)),
  );
  return elements;
};

const arrayOf = (elements: string[]): string => `[${elements.join(",")}]`;

/** Where in its client's history a response ended. */
const placeOf = (responseId: string): string => `response:${responseId}`;

/** Places of the request's history at which earlier turns ended. */
function placesOf(
  request: ResponsesDialectRequest,
  entries: Entry[],
  owned: Owned,
): HistoryPlace[] {
  const { previousResponseId: previous } = request;
  const places = new Map<string, HistoryPlace>();
  const ofPrevious = placeOf(previous ?? "");
  if (previous !== null) places.set(ofPrevious, { index: -1, lookup: ofPrevious });
  let count = request.instructions === null ? 0 : 1;
  for (const entry of entries) {
    const owner = owned.get(entry)?.responseId;
    const lookups = [owner === undefined ? undefined : placeOf(owner), entry.place];
    count += messagesOfItems([entry.item]).length;
    for (const lookup of lookups.filter((one) => one !== undefined)) {
      places.delete(lookup);
      places.set(lookup, { index: count - 1, lookup });
    }
  }
  return [...places.values()];
}

/** Keeps a response for whoever comes back to it. */
async function keep(parts: ResponseHistoryParts, given: KeptResponse): Promise<void> {
  const { scope, key, turn } = parts;
  const { database, logger } = scope.platform;
  const kept = maskOf(scope.platform, key.upstreamApiKey).json(given);
  const { id: responseId, itemIds } = kept;
  const items = kept.hasHidden ? kept.items : null;
  const remember = (isAlone: boolean) =>
    rememberResponse(parts, { responseId, itemIds, items, isAlone });
  try {
    await withinLimit(keepResponse(database, key.id, kept), DATABASE_LIMIT_MS);
    remember(false);
    sweepNowAndThen(scope);
  } catch (error) {
    const fields = { turn: turn.id, error: describeError(error) };
    logger.warn("A response goes with the record: it could not be kept at once", fields);
    remember(true);
    turn.keepsResponse(kept);
  }
}

/** A response's history, which may be passed on as it is. */
export interface ResponseHistory extends ModelHistory {
  foreign(): ResponseHistory;
  /** Keeps the id of a response that upstream makes on its own: it can be gone on from. */
  keepPassedOn(id: string): Promise<void>;
}

/** A response of which nothing is kept. */
const EMPTY = {
  previousId: null,
  isStored: false,
  hasHidden: false,
  upstreamIds: [],
  input: "[]",
  sent: null,
  items: "[]",
  body: "{}",
  itemIds: [],
};

/** Whether upstream alone knows what was said in a response. */
const isPassedOn = ({ id, upstreamIds }: ChainedResponse): boolean => upstreamIds.includes(id);

/**
 * The request's text with one previous response at most, however often it was named.
 * @param previous JSON text of its id; undefined for none
 */
function withPrevious(request: ResponsesDialectRequest, previous: string | undefined): string {
  const { text, previousResponseId } = request;
  if (previousResponseId !== null) return setMembers(text, { previous_response_id: previous });
  return memberText(text, "previous_response_id") === undefined ? text : setMembers(text, {});
}

/**
 * Opens the history of a request: what it goes on from is put before its input, and what its client
 * did not see into it.
 * @throws ApiError 404 where it goes on from a response that is not this key's, 503 where nobody
 * can tell
 */
export async function openResponseHistory(parts: ResponseHistoryParts): Promise<ResponseHistory> {
  const { request } = parts;
  const chain = await readChain(parts);
  const spelled = readElements(inputText(request.text));
  const spoken = await spokenPlaces(request);
  const entries = spelled.map((text, index): Entry => {
    const place = spoken.ofEntries.get(index);
    return { text, item: request.history[index], ...(place === undefined ? {} : { place }) };
  });
  const owners = await readOwners(parts, entries);
  const before = new Set(chain.map(({ id }) => id));
  for (const [id, { responseId }] of owners) if (before.has(responseId)) owners.delete(id);
  const ended = { place: placeOf("") };
  const owned = ownedEntries(entries, owners);
  const read = { chain, spelled, spoken, entries, owners, owned };
  return historyOf({ ...parts, ...read, ended, isForeign: false });
}

function historyOf(parts: ReadHistory): ResponseHistory {
  const { scope, request, upstream, turn, isForeign } = parts;
  const { chain, spelled, spoken, entries, owners, owned, ended } = parts;
  const { dialect, model, traits } = request;
  const asked = { upstream, dialect: dialect.name, model, traits };
  const known = knownForms(scope.platform.memory, asked);
  const media = openMediaSupport(known, { model, sent: request.mediaSent() });
  const own = request.hasConversation ? missingOutputs(entries, owners) : restore(parts);
  // From what upstream alone knows it goes on itself.
  const anchor = chain.findLastIndex(isPassedOn);
  const earlier = chain
    .slice(anchor + 1)
    .flatMap(({ input, items }): Piece[] => [{ kept: input }, { kept: items }]);
  const takesImages = media.takes("image");
  const shown = takesImages ? same : dialect.withoutMedia;
  const pieces = [...earlier, ...own];
  const texts = pieces.flatMap((piece) => ("kept" in piece ? [piece.kept] : []));
  const anchored = chain[anchor] === undefined ? undefined : JSON.stringify(chain[anchor].id);
  const plain = withPrevious(request, anchored);
  const requestWith = (change: (kept: string) => string, changeSent = same) => {
    const elements = piecesElements(pieces, change, changeSent);
    // Where upstream has the history, it knows which calls have their outputs.
    const all = request.hasConversation ? elements : withMissingOutputs(elements);
    const isSame = texts.length === 0 && changeSent === same && all === elements;
    return request.withText(isSame ? plain : setMembers(plain, { input: arrayOf(all) }));
  };
  const hasReasoning = (text: string) => dialect.withoutReasoning(text) !== text;
  const places = placesOf(request, entries, owned);
  const expiresAt = () => Date.now() + scope.platform.config.hiddenRoundsHours * HOUR_MS;
  turn.placed({ places, place: null });
  // It is asked for more than once, and its request is translated once.
  let foreign: ResponseHistory | null = null;
  const history: ResponseHistory = {
    request: requestWith(shown),
    restoredParts: {
      media: takesImages && texts.some((text) => dialect.withoutMedia(text) !== text),
      // Over another dialect the client's own goes in a form that the proxy gave it.
      reasoning: texts.some(hasReasoning) || (isForeign && hasReasoning(`[${spelled.join(",")}]`)),
    },
    requestWithout: (without: RestoredParts) => {
      const changeSent = without.reasoning && isForeign ? dialect.withoutReasoning : same;
      const change = (text: string) => {
        const words = without.media ? dialect.withoutMedia(text) : shown(text);
        return without.reasoning ? dialect.withoutReasoning(words) : words;
      };
      return requestWith(change, changeSent);
    },
    media,
    sent: { places, turnStart: -1, lookupAfter: () => ended.place },
    restored: texts.map((text) => JSON.stringify(recorded(dialect.withoutMedia(text)))),
    foreign: () => {
      foreign ??= isForeign ? history : historyOf({ ...parts, isForeign: true });
      return foreign;
    },
    keepPassedOn: (id) => {
      turn.placed({ places, place: placeOf(id) });
      return keep(parts, {
        ...EMPTY,
        id,
        isStored: request.isStored,
        upstreamIds: [id],
        expiresAt: expiresAt(),
      });
    },
    keep: async (end: LoopEnd, merged: MergedTurn) => {
      const { response, upstreamIds, said } = merged as MergedResponse;
      const id = textOf(response["id"]);
      const output = objectsOf(response["output"]);
      const after = spoken.after(output);
      // Nobody knows an id that is not stored.
      ended.place = request.isStored ? placeOf(id) : (after.end ?? placeOf(id));
      turn.placed({ places, place: ended.place });
      const hasHidden = end.hidden.length > 0;
      const itemIds = [...output.flatMap(idsOf), ...after.all];
      if (!request.isStored && !hasHidden) {
        rememberResponse(parts, { responseId: id, itemIds, items: null, isAlone: false });
        return;
      }
      const isTaken = (item: HistoryItem) => !media.isRefused || !dialect.showsMedia(item);
      const ofTurn = saidUnderIds(modelItems(end), said);
      const items = dialect.keptItems(ofTurn.filter(isTaken));
      const row = { id, hasHidden, itemIds, expiresAt: expiresAt() };
      if (!request.isStored || !keepsContent(parts.key)) {
        const unseen = hasHidden ? unseenItems(items) : [];
        return keep(parts, { ...EMPTY, ...row, items: JSON.stringify(unseen) });
      }
      await keep(parts, {
        ...row,
        hasHidden: hasHidden || isForeign,
        previousId: request.previousResponseId,
        isStored: true,
        upstreamIds,
        input: arrayOf(piecesElements(own, same)),
        sent: own.some((piece) => "kept" in piece) ? `[${spelled.join(",")}]` : null,
        items: JSON.stringify(items),
        body: JSON.stringify(response),
      });
    },
  };
  return history;
}

/** What was put back, as the record has it. */
const recorded = (text: string): JsonObject[] => messagesOfItems(parseJson(text));
