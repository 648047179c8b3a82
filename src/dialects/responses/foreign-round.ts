/** One round of an upstream that speaks another dialect, as the items of Responses. */
import { objectsOf, textOf, type JsonObject } from "../../openai/json.ts";
import { saidTexts } from "../../openai/said-texts.ts";
import type { CallProgress, RoundEvent } from "../dialect.ts";
import { PART_KINDS, TEXT_KINDS, type PartKind, type TextKind } from "./event-parts.ts";
import { OpenItem, type ItemEvent } from "./open-item.ts";
import { customInput, type PlainTool } from "./plain-tools.ts";

/** A client's tools by their plain names. */
export type ToolsByName = ReadonlyMap<string, PlainTool>;

type TextField = PartKind["field"];

/** Parts that texts become. What was reasoned comes as it was said, not as a summary of it. */
const KINDS = new Map(
  PART_KINDS.filter(({ type }) => type !== "summary_text").map((kind) => [kind.field, kind]),
);

/** Items that have them, before there are any. */
const EMPTY_ITEMS: Record<PartKind["item"], JsonObject> = {
  message: { type: "message", status: "in_progress", role: "assistant", content: [] },
  reasoning: { type: "reasoning", status: "in_progress", summary: [] },
};

const textKindOf = (item: OpenItem): TextKind | undefined =>
  TEXT_KINDS.find((kind) => kind.item === item.type);

/** A call, and how much of it its item has. */
interface ShownCall {
  item: OpenItem;
  progress: CallProgress;
  pieceCount: number;
}

/** A call as the client knows it: by its own name of the tool, in its own form. */
function callItem({ id, name }: CallProgress, tools: ToolsByName): JsonObject {
  const tool = tools.get(name);
  const namespace = tool?.namespace ?? null;
  const named = { call_id: id, name: tool?.ownName ?? name };
  const item = namespace === null ? named : { ...named, namespace };
  if (tool?.type === "custom") return { type: "custom_tool_call", ...item, input: "" };
  return { type: "function_call", status: "in_progress", ...item, arguments: "" };
}

/** Collects one round's events. */
export class ForeignRound {
  readonly #tools: ToolsByName;
  readonly #items: OpenItem[] = [];
  /** By place among the round's calls. */
  readonly #calls = new Map<number, ShownCall>();
  /** The item to which text is added; it ends when something else comes. */
  #text: OpenItem | null = null;
  #isEnded = false;

  constructor(tools: ToolsByName) {
    this.#tools = tools;
  }

  /** Its items so far. */
  get items(): JsonObject[] {
    return this.#items.map((item) => item.item());
  }

  /** Takes an event, and gives those that a client can be sent. */
  add(event: RoundEvent): ItemEvent[] {
    if (this.#isEnded) return [];
    if (event.type === "text") return this.#addText(event.field, event.text);
    return event.type === "calls" ? this.#addCalls(event.calls) : [];
  }

  /** The end of all items. @param isCut whether the last one is not whole */
  end(isCut: boolean): ItemEvent[] {
    if (this.#isEnded) return [];
    this.#isEnded = true;
    const open = this.#items.filter(({ isDone }) => !isDone);
    const last = this.#items.at(-1);
    return open.flatMap((item) => [
      ...this.#wholeInput(item),
      ...finish(item, isCut && item === last),
    ]);
  }

  #addText(field: TextField, text: string): ItemEvent[] {
    const kind = KINDS.get(field);
    if (kind === undefined) return [];
    const { item, events } = this.#itemOf(kind);
    const delta = { type: kind.delta, delta: text };
    return [...events, ...item.addPart(kind, delta)];
  }

  #itemOf(kind: PartKind): { item: OpenItem; events: ItemEvent[] } {
    const open = this.#text;
    if (open?.type === kind.item) return { item: open, events: [] };
    const ended = this.#endText();
    const item = this.#open(EMPTY_ITEMS[kind.item]);
    this.#text = item;
    return { item, events: [...ended, item.announce()] };
  }

  #open(item: JsonObject): OpenItem {
    const open = new OpenItem(item, this.#items.length);
    this.#items.push(open);
    return open;
  }

  #endText(): ItemEvent[] {
    const open = this.#text;
    this.#text = null;
    return open === null ? [] : open.finish(null);
  }

  #addCalls(calls: readonly CallProgress[]): ItemEvent[] {
    // Until its name is known, nobody knows whose call it is.
    const settled = [...calls.entries()].filter(([, { settled: isSettled }]) => isSettled);
    return settled.flatMap(([place, progress]) => this.#addCall(place, progress));
  }

  #addCall(place: number, progress: CallProgress): ItemEvent[] {
    const known = this.#calls.get(place);
    const events = known === undefined ? this.#endText() : [];
    const shown = known ?? this.#openCall(place, progress);
    if (known === undefined) events.push(shown.item.announce());
    shown.progress = progress;
    const kind = textKindOf(shown.item);
    // The text of a custom tool is inside of what comes: it is there when that is whole.
    if (kind === undefined || kind.member === "input") return events;
    const pieces = progress.pieces.slice(shown.pieceCount);
    shown.pieceCount = progress.pieces.length;
    const added = pieces
      .filter((piece) => piece !== "")
      .map((delta) => ({ type: kind.delta, delta }));
    return [...events, ...added.flatMap((delta) => shown.item.addText(kind, delta))];
  }

  #openCall(place: number, progress: CallProgress): ShownCall {
    const item = this.#open(callItem(progress, this.#tools));
    const shown = { item, progress, pieceCount: 0 };
    this.#calls.set(place, shown);
    return shown;
  }

  #wholeInput(item: OpenItem): ItemEvent[] {
    const kind = textKindOf(item);
    const shown = [...this.#calls.values()].find((call) => call.item === item);
    if (kind?.member !== "input" || shown === undefined) return [];
    const delta = customInput(shown.progress.pieces.join(""));
    return delta === "" ? [] : item.addText(kind, { type: kind.delta, delta });
  }
}

/** A custom tool's call has no status. */
function finish(item: OpenItem, isCut: boolean): ItemEvent[] {
  const hasStatus = "status" in item.item();
  return item.finish(isCut && hasStatus ? { ...item.item(), status: "incomplete" } : null);
}

/** What a message of chat completions says, as the events of its round. */
export function eventsOfMessage(message: JsonObject): RoundEvent[] {
  const texts = saidTexts(message).map((said): RoundEvent => ({ type: "text", ...said }));
  const calls = objectsOf(message["tool_calls"]).map((call): CallProgress => {
    const definition = (call["function"] ?? call["custom"] ?? {}) as JsonObject;
    const args = textOf(definition["arguments"]) || textOf(definition["input"]);
    return {
      id: textOf(call["id"]),
      name: textOf(definition["name"]),
      pieces: [args],
      settled: true,
    };
  });
  return calls.length === 0 ? texts : [...texts, { type: "calls", calls }];
}
