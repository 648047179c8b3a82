/**
 * Brings the events of a round into one form: each item and part is announced before its pieces and
 * finished after them, under one id, at one place. Servers leave out announcements and ends, count
 * from another number, or name an item differently from one event to the next.
 */
import { isObject, objectsOf, textOf, type JsonObject } from "../../openai/json.ts";
import type { CallProgress } from "../dialect.ts";
import { PART_KINDS, TEXT_KINDS, type PartKind } from "./event-parts.ts";
import { OpenItem, type ItemEvent } from "./open-item.ts";
import { responsesRound, type ResponsesRound } from "./responses-round.ts";

/** Events that tell of the response, not of an item. */
const LIFECYCLE = new Set(["response.created", "response.in_progress", "response.queued"]);
const ENDS: Record<string, string> = {
  "response.completed": "completed",
  "response.incomplete": "incomplete",
  "response.failed": "failed",
  "response.cancelled": "cancelled",
};

/** Calls that a client of another dialect can be given, by the types of their items. */
const CALL_TYPES = new Map<unknown, string>([
  ["function_call", "function"],
  ["custom_tool_call", "custom"],
]);

/** Whether an item is such a call. */
export const isToldCall = ({ type }: JsonObject): boolean => CALL_TYPES.has(type);

/** Whether an event of this name is the last one of a round. */
export const endsRound = (type: unknown): boolean =>
  typeof type === "string" && Object.hasOwn(ENDS, type);

/** Collects one round. */
export class EventCollector {
  readonly #items: OpenItem[] = [];
  #response: JsonObject | null = null;
  #hasBegun = false;
  #hasEnded = false;

  /** Whether upstream said that the response has ended. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }
  /** Whether something of an answer came. */
  get hasAnswer(): boolean {
    return this.#hasBegun;
  }
  /** Whether an item came that is not whole. */
  get isOpen(): boolean {
    return this.#items.some(({ isDone }) => !isDone);
  }

  /** Takes an event of upstream's, and gives those that a client can be sent. */
  add(event: JsonObject): ItemEvent[] {
    const type = textOf(event["type"]);
    if (LIFECYCLE.has(type)) return this.#begin(event["response"]);
    if (endsRound(type)) return this.#end(type, event["response"]);
    return [...this.#begin(null), ...this.#addItems(type, event)];
  }

  /** An event of an item, or one that nobody knows. */
  #addItems(type: string, event: JsonObject): ItemEvent[] {
    const named = event as ItemEvent;
    if (type === "response.output_item.added") return this.#open(event);
    if (type === "response.output_item.done") return this.#finish(event);
    const part = this.#partKind(type, event);
    if (part !== undefined) return this.#piece(named, part);
    const text = TEXT_KINDS.find(({ delta, done }) => type === delta || type === done);
    const isOfItem = "item_id" in event || "output_index" in event;
    const found = isOfItem ? this.#find(event) : undefined;
    if (text === undefined) {
      if (isOfItem) return found === undefined ? [] : [found.placed(named)];
      return type === "" ? [] : [named];
    }
    const { item, events } = this.#itemOf(event, { type: text.item });
    // Until its name is known, nobody knows whose call it is.
    const said = item.addText(text, named);
    return this.#isNameless(item) ? [] : [...events, ...said];
  }

  /** A response that came whole, as the events that it would have come in. */
  addWhole(response: JsonObject): ItemEvent[] {
    const status = textOf(response["status"]);
    const known = Object.entries(ENDS).find(([, ended]) => ended === status);
    return [...this.#begin(response), ...this.#end(known?.[0] ?? "response.completed", response)];
  }

  /** The stream has ended without a word, and nothing of it is missing. */
  end(): ItemEvent[] {
    return this.#hasEnded ? [] : this.#end("response.completed", null);
  }

  round(): ResponsesRound {
    return responsesRound(
      this.#items.map((item) => item.item()),
      this.#response ?? {},
    );
  }

  /** The calls so far. */
  calls(): CallProgress[] {
    return this.#items
      .filter(({ type }) => CALL_TYPES.has(type))
      .map((item) => ({
        id: item.callId,
        name: item.name,
        pieces: item.pieces,
        settled: !this.#isNameless(item),
        type: CALL_TYPES.get(item.type) ?? "",
        ...(item.ended === undefined ? {} : { ended: item.ended }),
      }));
  }

  /** A part's kind by its event; announcements are told apart by what they announce. */
  #partKind(type: string, event: JsonObject): PartKind | undefined {
    const { part } = event;
    const ofPart = isObject(part) ? part["type"] : undefined;
    return PART_KINDS.find((kind) => {
      if (type === kind.delta || type === kind.done) return true;
      if (type !== kind.added && type !== kind.partDone) return false;
      return ofPart === undefined || ofPart === kind.type;
    });
  }

  #begin(response: unknown): ItemEvent[] {
    if (isObject(response)) this.#response = { ...this.#response, ...response };
    if (this.#hasBegun) return [];
    this.#hasBegun = true;
    return [{ type: "response.created", response: this.#response ?? {} }];
  }

  #isNameless(item: OpenItem): boolean {
    return item.type === "function_call" && item.name === "" && !item.isDone;
  }

  /** The item of an event: by its id, else by its place, where that is not another's. */
  #find(event: JsonObject): OpenItem | undefined {
    const given = isObject(event["item"]) ? event["item"]["id"] : event["item_id"];
    const id = textOf(given);
    const ofId = this.#items.findLast((item) => id !== "" && item.upstreamId === id);
    if (ofId !== undefined) return ofId;
    const place = event["output_index"];
    const isOpen = (item: OpenItem) => !item.isDone;
    if (typeof place !== "number") return this.#items.findLast(isOpen);
    return this.#items.findLast((item) => item.upstreamIndex === place && isOpen(item));
  }

  #new(item: JsonObject, event: JsonObject): OpenItem {
    const place = event["output_index"];
    const id = textOf(item["id"]);
    const isTaken = this.#items.some((other) => id !== "" && other.id === id);
    const named = isTaken ? { ...item, id: "" } : item;
    const index = typeof place === "number" ? place : undefined;
    const open = new OpenItem(named, this.#items.length, index);
    this.#items.push(open);
    this.#distinguish(open, item);
    return open;
  }

  /** Two calls of one id get one result between them: the later one gets an id of its own. */
  #distinguish(call: OpenItem, { call_id: given }: JsonObject): void {
    if (!CALL_TYPES.has(call.type)) return;
    const id = textOf(given) || call.id;
    const isTaken = this.#items.some(
      (other) => other !== call && CALL_TYPES.has(other.type) && other.callId === id,
    );
    if (isTaken) call.renameCall();
  }

  #open(event: JsonObject): ItemEvent[] {
    const item = isObject(event["item"]) ? event["item"] : {};
    const known = this.#find(event);
    // It was announced before, or something of it came before its announcement.
    if (known !== undefined && known.type === item["type"] && !known.isDone) return [];
    const open = this.#new(item, event);
    return this.#isNameless(open) ? [] : [open.announce()];
  }

  /** The item of an event, announced now where it was not before. */
  #itemOf(event: JsonObject, fallback: JsonObject): { item: OpenItem; events: ItemEvent[] } {
    const known = this.#find(event);
    if (known !== undefined && known.type === fallback["type"]) return { item: known, events: [] };
    const role = fallback["type"] === "message" ? { role: "assistant" } : {};
    const id = textOf(event["item_id"]);
    const item = this.#new({ ...fallback, ...role, id, status: "in_progress" }, event);
    return { item, events: this.#isNameless(item) ? [] : [item.announce()] };
  }

  #piece(event: ItemEvent, kind: PartKind): ItemEvent[] {
    const { item, events } = this.#itemOf(event, { type: kind.item });
    return [...events, ...item.addPart(kind, event)];
  }

  /** An item of which nothing came before. */
  #whole(item: JsonObject, event: JsonObject): ItemEvent[] {
    const open = this.#new(item, event);
    return [open.announce(), ...open.finish(item)];
  }

  #finish(event: JsonObject): ItemEvent[] {
    const item = isObject(event["item"]) ? event["item"] : {};
    const known = this.#find(event);
    if (known?.isDone === true) return [];
    if (known === undefined || known.type !== item["type"]) return this.#whole(item, event);
    if (!this.#isNameless(known)) {
      this.#distinguish(known, item);
      return known.finish(item);
    }
    // Only now its name is known.
    const { index } = known;
    const named = new OpenItem({ ...item, id: known.id }, index, known.upstreamIndex);
    this.#items[index] = named;
    this.#distinguish(named, item);
    return [named.announce(), ...named.finish(item)];
  }

  #end(type: string, response: unknown): ItemEvent[] {
    const begun = this.#begin(response);
    this.#hasEnded = true;
    const status = ENDS[type] ?? "completed";
    const output = objectsOf(isObject(response) ? response["output"] : undefined);
    // Where nothing came before, all are new, though some may have one id.
    const isNew = this.#items.length === 0;
    const events = output.flatMap((item, place) =>
      isNew ? this.#whole(item, { output_index: place }) : this.#finishListed(item, place),
    );
    const left = this.#items.filter(({ isDone }) => !isDone);
    const ended = { status: status === "completed" ? "completed" : "incomplete" };
    events.push(...left.flatMap((item) => item.finish({ ...item.item(), ...ended })));
    this.#response = { ...this.#response, status };
    return [...begun, ...events];
  }

  /** An item that the response lists at its end. */
  #finishListed(item: JsonObject, place: number): ItemEvent[] {
    const id = textOf(item["id"]);
    const isIt = (open: OpenItem) =>
      (id !== "" && open.upstreamId === id) ||
      ((open.upstreamIndex ?? open.index) === place && open.type === item["type"]);
    const known = this.#items.find(isIt);
    if (known?.isDone === true) return [];
    return this.#finish({ item, output_index: known?.upstreamIndex ?? place });
  }
}
