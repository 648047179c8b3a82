/**
 * Responses of which nothing may be kept but what their client did not see: in the place of what it
 * saw stands a reference, for which its own words are put in when it is back.
 */
import type { HistoryItem } from "../dialects/dialect.ts";
import { isOwnItem } from "../dialects/responses/own-items.ts";
import { isObject, objectsOf, parseJson, textOf, type JsonObject } from "../openai/json.ts";

/** An entry of the input, parsed and as it was spelled. */
export interface Entry {
  item: unknown;
  text: string;
  /** Of an answer without an id: where it stands in what was said. */
  place?: string;
}

/** A piece of the input: as the client spelled it, or put in by the proxy. */
export type Piece = { sent: string } | { kept: string };

/** Ids by which an entry says which response it is of. */
export const idsOf = (item: unknown): string[] => {
  if (!isObject(item)) return [];
  const ids = [item["id"], item["call_id"]];
  return ids.filter((id): id is string => typeof id === "string" && id !== "");
};

/** Whether an item is the output of a call, which is the client's own. */
export const isOutput = (item: unknown): boolean =>
  isObject(item) && textOf(item["type"]).endsWith("_output");

/**
 * The same of an entry, which is known by its place too: of a call the id alone says nothing, where
 * its upstream gives the same ones again.
 */
export function entryIds({ item, place }: Entry): string[] {
  if (isOutput(item)) return idsOf(item);
  const id = isObject(item) ? textOf(item["id"]) : "";
  return [id, place ?? ""].filter((one) => one !== "");
}

/** Whether an item stands for one that its client saw. */
export const isReference = ({ type }: JsonObject): boolean => type === "item_reference";

const isReasoning = (item: unknown): item is JsonObject =>
  isObject(item) && item["type"] === "reasoning";

const isAnswered = (items: HistoryItem[]) => {
  const outputs = items.filter(({ type }) => type === "function_call_output");
  const answered = new Set(outputs.map((item) => item["call_id"]));
  return ({ type, call_id: callId }: HistoryItem): boolean =>
    (type === "function_call" || type === "function_call_output") && answered.has(callId);
};

/** Kept items without calls of server tools and their outputs. @param kept JSON text of items */
export function seenItems(kept: string): string {
  const items = objectsOf(parseJson(kept));
  const isUnseen = isAnswered(items);
  return JSON.stringify(items.filter((item) => !isUnseen(item)));
}

/**
 * A turn's items with what the model said under the ids that its client was given: upstreams of
 * another dialect give none.
 * @param said in all rounds
 */
export function saidUnderIds(items: HistoryItem[], said: HistoryItem[]): HistoryItem[] {
  const isSaid = ({ type, role = "assistant" }: HistoryItem) =>
    role === "assistant" && type !== "function_call_output";
  if (items.filter(isSaid).length !== said.length) return items;
  const left = [...said];
  return items.map((item) => (isSaid(item) ? (left.shift() ?? item) : item));
}

/** What was reasoned, as far as the client was not told of it. */
function untold({ content: _content, ...item }: HistoryItem): HistoryItem {
  return { ...item, summary: [] };
}

/**
 * The items of a turn without what its client saw: calls of server tools and their outputs stay.
 */
export function unseenItems(items: HistoryItem[]): HistoryItem[] {
  const isUnseen = isAnswered(items);
  return items.map((item) => {
    const { type, role = "assistant", id, call_id: callId } = item;
    if (isReasoning(item)) return untold(item);
    if (role !== "assistant" || isUnseen(item)) return item;
    const said = type === "message" ? { role } : {};
    const called = callId === undefined ? {} : { call_id: callId };
    return { type: "item_reference", id, ...said, ...called };
  });
}

/** Whether the client's words are the better ones, where it sends them. */
const isClients = (item: JsonObject): boolean =>
  isReference(item) || (isReasoning(item) && typeof item["encrypted_content"] !== "string");

/**
 * Which messages without ids stand for which references: those that are as many as the client was
 * given, in their order.
 */
function byOrder(items: JsonObject[], entries: Set<Entry>): Map<JsonObject, Entry> {
  const references = items.filter((item) => isReference(item) && item["role"] === "assistant");
  const nameless = [...entries].filter(({ place }) => place !== undefined);
  if (references.length !== nameless.length) return new Map();
  const pairs = references.map((item, index): [JsonObject, Entry | undefined] => [
    item,
    nameless[index],
  ]);
  return new Map(pairs.filter((pair): pair is [JsonObject, Entry] => pair[1] !== undefined));
}

/**
 * Kept items as pieces, with the client's own where references stand. What it does not send is not
 * there, and what nothing stands for follows.
 * @param kept JSON text of items @param entries what the client sent of the response
 */
export function withSeen(kept: string, entries: Entry[]): Piece[] {
  const items = objectsOf(parseJson(kept));
  if (!items.some(isReference)) return [{ kept }];
  const left = new Set(entries.filter(({ item }) => !isOwnItem(item)));
  const ordered = byOrder(items, left);
  const pieces: Piece[] = [];
  let run: JsonObject[] = [];
  const endRun = () => {
    if (run.length > 0) pieces.push({ kept: JSON.stringify(run) });
    run = [];
  };
  for (const item of items) {
    const ids = new Set(idsOf(item));
    const isIt = (entry: Entry) => idsOf(entry.item).some((id) => ids.has(id));
    const entry = isClients(item) ? ([...left].find(isIt) ?? ordered.get(item)) : undefined;
    if (entry !== undefined) {
      endRun();
      pieces.push({ sent: entry.text });
      left.delete(entry);
    } else if (!isReference(item)) run.push(item);
  }
  endRun();
  const others = [...left].filter(({ item }) => !isReasoning(item));
  return [...pieces, ...others.map(({ text }) => ({ sent: text }))];
}
