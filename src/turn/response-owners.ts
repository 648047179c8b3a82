/**
 * Which responses the items of an input are of: what the table says, and with the database away
 * what this process remembers.
 */
import { isOwnItem } from "../dialects/responses/own-items.ts";
import { isObject, objectsOf, parseJson, textOf } from "../openai/json.ts";
import { describeError } from "../store/describe-error.ts";
import { findResponsesOfItems, type ItemsResponse } from "../store/kept-responses.ts";
import { withinLimit } from "../store/within-limit.ts";
import { cannotKnow, HOUR_MS, limitAfter, type HistoryParts } from "./history.ts";
import { rememberedRounds, rememberRounds } from "./kept-rounds.ts";
import { entryIds, idsOf, isOutput, type Entry } from "./unseen-items.ts";

/** Responses by the ids of their items and calls. */
export type Owners = Map<string, ItemsResponse>;

const itemPlace = (itemId: string): string => `item ${itemId}`;
const responsePlace = (responseId: string): string => `response ${responseId}`;

/** What a process remembers of a response. */
interface RememberedResponse extends Omit<ItemsResponse, "itemId"> {
  /** Ids of its items and calls. */
  itemIds: string[];
  /** Whether the table did not take it, so that it is not there before its turn's record. */
  isAlone: boolean;
}

/** Remembers a response beside the table. */
export function rememberResponse({ scope, key }: HistoryParts, response: RememberedResponse): void {
  const { platform } = scope;
  const { responseId, itemIds, items, isAlone } = response;
  const forMs = platform.config.hiddenRoundsHours * HOUR_MS;
  const lookups = itemIds.map(itemPlace);
  rememberRounds(platform, key.id, { lookups, items: responseId, isAlone, forMs });
  const place = responsePlace(responseId);
  rememberRounds(platform, key.id, { lookups: [place], items, isAlone, forMs });
}

function recall(
  { scope, key }: HistoryParts,
  itemId: string,
): (ItemsResponse & { isAlone: boolean }) | undefined {
  const responseId = rememberedRounds(scope.platform, key.id, itemPlace(itemId))?.items ?? null;
  if (responseId === null) return undefined;
  const response = rememberedRounds(scope.platform, key.id, responsePlace(responseId));
  return response === undefined ? undefined : { itemId, responseId, ...response };
}

/** What the table has of these ids; null where it cannot be asked. */
async function askTable(
  { scope, key, turn, waitedMs }: HistoryParts,
  ids: string[],
): Promise<Owners | null> {
  const { database, logger } = scope.platform;
  try {
    const finding = findResponsesOfItems(database, key.id, ids);
    const found = await withinLimit(finding, limitAfter(waitedMs));
    return new Map(found.map((one) => [one.itemId, one]));
  } catch (error) {
    const fields = { turn: turn.id, error: describeError(error) };
    logger.warn("The responses of items could not be looked up", fields);
    return null;
  }
}

const isUser = (item: unknown): boolean => isObject(item) && item["role"] === "user";

/** Where in the input the turn begins that is going on; -1: with the input. */
export const turnStartOf = (entries: Entry[]): number =>
  entries.findLastIndex(({ item }) => isUser(item));

/**
 * Whether the client is back with outputs of a response that nobody knows, and does not say itself
 * what the server's tools gave in it.
 */
function isBackFromUnknown(entries: Entry[], owners: Owners): boolean {
  const items = entries.slice(turnStartOf(entries) + 1).map(({ item }) => item);
  if (items.some(isOwnItem)) return false;
  return items.filter(isOutput).some((item) => idsOf(item).every((id) => !owners.has(id)));
}

/**
 * The responses that the entries are of, by ids of items and calls.
 * @throws ApiError 503 where the client is back with its outputs and nobody knows what was hidden
 */
export async function readOwners(parts: HistoryParts, entries: Entry[]): Promise<Owners> {
  const ids = entries.flatMap(entryIds);
  const owners: Owners = new Map();
  if (ids.length === 0) return owners;
  const table = await askTable(parts, ids);
  for (const id of ids) {
    const known = recall(parts, id);
    const isNeeded = table === null || known?.isAlone === true;
    const owner = table?.get(id) ?? (isNeeded ? known : undefined);
    if (owner !== undefined) owners.set(id, owner);
  }
  if (table === null && isBackFromUnknown(entries, owners)) throw cannotKnow();
  return owners;
}

/** Which responses entries are parts of; an output of a call is the client's own. */
export type Owned = ReadonlyMap<Entry, ItemsResponse>;

/** Ids of the calls that a response has. */
const callsOf = ({ items }: ItemsResponse): string[] =>
  objectsOf(items === null ? [] : parseJson(items))
    .filter((item) => !isOutput(item))
    .map((item) => textOf(item["call_id"]))
    .filter((id) => id !== "");

/**
 * The entries that are parts of responses: by their ids, or their places. Other calls of the same
 * answer may stand behind the output of the first one.
 */
export function ownedEntries(entries: Entry[], owners: Owners): Owned {
  const owned = new Map<Entry, ItemsResponse>();
  const begun = new Set<string>();
  const open = new Map<string, ItemsResponse>();
  for (const entry of entries) {
    if (isUser(entry.item)) open.clear();
    if (isOutput(entry.item)) continue;
    const callId = isObject(entry.item) ? textOf(entry.item["call_id"]) : "";
    const found = entryIds(entry)
      .map((id) => owners.get(id))
      .find((owner) => owner !== undefined);
    const owner = found ?? open.get(callId);
    if (owner === undefined) continue;
    if (!begun.has(owner.responseId)) for (const call of callsOf(owner)) open.set(call, owner);
    begun.add(owner.responseId);
    open.delete(callId);
    owned.set(entry, owner);
  }
  return owned;
}
