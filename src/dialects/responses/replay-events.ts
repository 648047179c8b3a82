/**
 * The events of a response again, of which only what it came to is known. An item has the numbers
 * that its first event and its last one had; its text comes in one piece.
 */
import { textOf, type JsonObject } from "../../openai/json.ts";
import { OpenItem, type ItemEvent } from "./open-item.ts";
import { endEventOf, eventBytes } from "./write-events.ts";

/** The numbers of an item's events, as they were told first. */
interface ItemNumbers {
  added: number;
  done: number;
}

/** An item that has ended. */
export interface ToldItem {
  /** Its place in the response. */
  index: number;
  item: JsonObject;
  numbers: ItemNumbers;
}

/** An event, and its number. */
export interface NumberedEvent {
  sequence: number;
  bytes: Uint8Array;
}

const numbered = (event: ItemEvent, sequence: number): NumberedEvent => ({
  sequence,
  bytes: eventBytes(event, sequence),
});

/** Whether an event says again what those before it said: all of a text, of a part, of an item. */
const isEnd = ({ type }: ItemEvent): boolean => type.endsWith(".done");

/** Events of calls that somebody else runs, beside those that every item has. */
const callEvents = (item: JsonObject, index: number): [ItemEvent[], ItemEvent[]] => {
  if (item["type"] !== "mcp_call") return [[], []];
  const place = { output_index: index, item_id: item["id"] };
  const end = item["status"] === "completed" ? "completed" : "failed";
  return [
    [{ type: "response.mcp_call.in_progress", ...place }],
    [{ type: `response.mcp_call.${end}`, ...place }],
  ];
};

/** Members that an item has when it has ended. */
const AT_THE_END: JsonObject = { arguments: "", input: "", output: null, error: null };

/** An item as it began. */
function begunItem(item: JsonObject): JsonObject {
  const isCall = textOf(item["type"]).endsWith("_call");
  const later = isCall ? Object.entries(AT_THE_END).filter(([name]) => name in item) : [];
  const status = "status" in item ? { status: "in_progress" } : {};
  return { ...item, ...Object.fromEntries(later), ...status };
}

/**
 * The events of an item. Who knows its beginning is told of its ends alone, which say all of it:
 * how much of a text was told is not known any more.
 * @param after number of the last event that is known
 */
export function itemEvents({ index, item, numbers }: ToldItem, after: number): NumberedEvent[] {
  if (numbers.done <= after) return [];
  const open = new OpenItem(begunItem(item), index);
  const added = open.announce();
  const whole = open.finish(item);
  const [begins, ends] = callEvents(item, index);
  const all = [...begins, ...whole.slice(0, -1), ...ends, ...whole.slice(-1)];
  // There were as many of them at least, so the numbers are free.
  const first = numbers.done - all.length + 1;
  const told = all.map((event, at) => ({ event, sequence: first + at }));
  if (numbers.added <= after)
    return told
      .filter(({ event, sequence }) => isEnd(event) && sequence > after)
      .map(({ event, sequence }) => numbered(event, sequence));
  return [
    numbered(added, numbers.added),
    ...told.map(({ event, sequence }) => numbered(event, sequence)),
  ];
}

/**
 * The events before the first item.
 * @param begun the response as it began
 * @param isStarted whether it has waited long enough
 */
export function firstEvents(
  begun: JsonObject,
  { isStarted, after }: { isStarted: boolean; after: number },
): NumberedEvent[] {
  const queued = { ...begun, status: "queued", output: [] };
  const events: ItemEvent[] = [
    { type: "response.created", response: queued },
    { type: "response.queued", response: queued },
  ];
  if (isStarted)
    events.push({ type: "response.in_progress", response: { ...queued, status: "in_progress" } });
  return events
    .map((event, sequence) => numbered(event, sequence))
    .filter(({ sequence }) => sequence > after);
}

/** The event that a response ended with. */
export const lastEvent = (response: JsonObject, sequence: number): NumberedEvent =>
  numbered({ type: endEventOf(response), response }, sequence);
