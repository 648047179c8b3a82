/** One round of an upstream that speaks another dialect, as the items of Responses. */
import { objectsOf, textOf, type JsonObject } from "../../openai/json.ts";
import { saidTexts } from "../../openai/said-texts.ts";
import type { AnswerFacts, CallProgress, RoundEvent } from "../dialect.ts";
import { TEXT_KINDS, type TextKind } from "./event-parts.ts";
import { ForeignText, kindOfText, type TextEvent } from "./foreign-text.ts";
import { OpenItem, type ItemEvent } from "./open-item.ts";
import { customInput, type PlainTool } from "./plain-tools.ts";

/** A client's tools by their plain names. */
export type ToolsByName = ReadonlyMap<string, PlainTool>;

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
  /** What upstream says of the answer. */
  facts: AnswerFacts = {};
  readonly #tools: ToolsByName;
  readonly #items: OpenItem[] = [];
  /** By place among the round's calls. */
  readonly #calls = new Map<number, ShownCall>();
  /** The text that is added to; it ends when something else comes. */
  #text: ForeignText | null = null;
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
    if (event.type === "text") return this.#addText(event);
    if (event.type === "calls") return this.#addCalls(event.calls);
    if (event.type === "facts") this.facts = { ...this.facts, ...event.facts };
    if (event.type === "annotations") this.#text?.annotate(event.annotations);
    return [];
  }

  /** The end of all items. @param isCut whether the last one is not whole */
  end(isCut: boolean): ItemEvent[] {
    if (this.#isEnded) return [];
    this.#isEnded = true;
    const last = this.#items.at(-1);
    const text = this.#endText(isCut && this.#text?.item === last);
    const open = [...this.#calls.values()];
    return [...text, ...open.flatMap((call) => finishCall(call, isCut && call.item === last))];
  }

  #addText(event: TextEvent): ItemEvent[] {
    const kind = kindOfText(event);
    const open = this.#text;
    if (open?.item.type === kind.item) return open.add(event);
    const ended = this.#endText(false);
    const text = new ForeignText(kind, this.#items.length);
    this.#items.push(text.item);
    this.#text = text;
    return [...ended, text.item.announce(), ...text.add(event)];
  }

  #endText(isCut: boolean): ItemEvent[] {
    const open = this.#text;
    this.#text = null;
    return open === null ? [] : open.finish(isCut);
  }

  #addCalls(calls: readonly CallProgress[]): ItemEvent[] {
    // Until its name is known, nobody knows whose call it is; those after it keep their order.
    const unsettled = calls.findIndex(({ settled }) => !settled);
    const known = unsettled === -1 ? calls : calls.slice(0, unsettled);
    return known.flatMap((progress, place) => this.#addCall(place, progress));
  }

  #addCall(place: number, progress: CallProgress): ItemEvent[] {
    const known = this.#calls.get(place);
    const events = known === undefined ? this.#endText(false) : [];
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
    const item = new OpenItem(callItem(progress, this.#tools), this.#items.length);
    this.#items.push(item);
    const shown = { item, progress, pieceCount: 0 };
    this.#calls.set(place, shown);
    return shown;
  }
}

/** The end of a call, with what of a custom tool's text is certain only now. */
function finishCall({ item, progress }: ShownCall, isCut: boolean): ItemEvent[] {
  const kind = textKindOf(item);
  const isCustom = kind?.member === "input";
  const delta = isCustom ? customInput(progress.pieces.join("")) : "";
  const events = isCustom && delta !== "" ? item.addText(kind, { type: kind.delta, delta }) : [];
  // A custom tool's call has no status.
  const status = isCustom ? {} : { status: isCut ? "incomplete" : "completed" };
  return [...events, ...item.finish({ ...item.item(), ...status })];
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
