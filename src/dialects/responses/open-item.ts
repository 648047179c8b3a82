/** An item of a round while it comes: its parts, and which of its events upstream has sent. */
import { isObject, objectsOf, textOf, textOrJson, type JsonObject } from "../../openai/json.ts";
import { partKindOf, TEXT_KINDS, type PartKind, type TextKind } from "./event-parts.ts";

/** An event that is complete, but for its number in the stream. */
export type ItemEvent = JsonObject & { type: string };

/** What ids of items begin with; others have a part of their type. */
const ID_PREFIXES: Record<string, string> = {
  message: "msg",
  function_call: "fc",
  reasoning: "rs",
  custom_tool_call: "ctc",
  web_search_call: "ws",
  mcp_call: "mcp",
};

function newItemId(type: unknown): string {
  const known = typeof type === "string" && Object.hasOwn(ID_PREFIXES, type);
  const prefix = known ? ID_PREFIXES[type] : "item";
  return `${prefix}_${crypto.randomUUID().replaceAll("-", "")}`;
}

/** What came of one part. */
interface OpenPart {
  kind: PartKind;
  index: number;
  /** As it was announced or finished. */
  part: JsonObject;
  pieces: string[];
  hasText: boolean;
  isDone: boolean;
}

/** What events of a text have beside it, with what upstream says of that. */
const besideText = (kind: PartKind, said: JsonObject | null): JsonObject =>
  Object.fromEntries(
    Object.entries(kind.beside).map(([name, usual]) => [name, said?.[name] ?? usual]),
  );

/** An item with an id and a place of its own, whatever upstream said of them. */
export class OpenItem {
  /** From 0, in the order in which the round's items came. */
  readonly index: number;
  readonly id: string;
  /** Where upstream says it is, and what it calls it. */
  readonly upstreamIndex: number | undefined;
  readonly upstreamId: string;
  #item: JsonObject;
  #isDone = false;
  /** An id of ours, where another call has upstream's. */
  #newCallId: string | null = null;
  readonly #parts: OpenPart[] = [];
  /** Pieces of a call's arguments, or of what a kind of item has in their place. */
  readonly #pieces: string[] = [];
  #hasArguments = false;
  readonly #textKind: TextKind | undefined;

  constructor(item: JsonObject, index: number, upstreamIndex?: number) {
    this.index = index;
    this.upstreamIndex = upstreamIndex;
    this.upstreamId = textOf(item["id"]);
    this.id = this.upstreamId || newItemId(item["type"]);
    this.#item = item;
    this.#textKind = TEXT_KINDS.find((kind) => kind.item === item["type"]);
  }

  get type(): unknown {
    return this.#item["type"];
  }
  get name(): string {
    return textOf(this.#item["name"]);
  }
  get isDone(): boolean {
    return this.#isDone;
  }
  /** The id of a call. */
  get callId(): string {
    return this.#newCallId ?? (textOf(this.#item["call_id"]) || this.id);
  }
  /** How a call ended, where it has. */
  get ended(): "whole" | "cut" | undefined {
    if (!this.#isDone) return undefined;
    return this.#item["status"] === "incomplete" ? "cut" : "whole";
  }
  /** The arguments as they came. */
  get pieces(): readonly string[] {
    return this.#pieces;
  }

  /** Gives the call an id that no other has: its result is told apart by it. */
  renameCall(): void {
    this.#newCallId ??= `call_${crypto.randomUUID().replaceAll("-", "")}`;
  }

  /** The item as it is so far, or as upstream finished it. */
  item(): JsonObject {
    if (this.#isDone) return this.#named(this.#item);
    const grown: JsonObject = {};
    for (const { kind } of this.#parts) grown[kind.member] = this.#partsOf(kind.member);
    const { member } = this.#textKind ?? {};
    if (member !== undefined && this.#pieces.length > 0) grown[member] = this.#pieces.join("");
    return this.#named({ ...this.#item, ...grown });
  }

  /** That there is such an item. */
  announce(): ItemEvent {
    const empty: JsonObject = {};
    const { member } = this.#textKind ?? {};
    if (member !== undefined) empty[member] = textOf(this.#item[member]);
    if (this.type === "message") Object.assign(empty, { content: [], status: "in_progress" });
    if (this.type === "reasoning") empty["summary"] = [];
    const item = this.#named({ ...this.#item, ...empty });
    return { type: "response.output_item.added", output_index: this.index, item };
  }

  /** An event of one of its parts, after those that must come before it. */
  addPart(kind: PartKind, event: ItemEvent): ItemEvent[] {
    const given = event[kind.index];
    const index = typeof given === "number" ? given : this.#lastOf(kind);
    const known = this.#parts.find((part) => part.kind === kind && part.index === index);
    if (event.type === kind.added) {
      if (known !== undefined) return [];
      const part = { ...kind.empty, ...(event["part"] as JsonObject | undefined) };
      return this.#openPart(kind, index, part).events;
    }
    const { part, events } =
      known === undefined
        ? this.#openPart(kind, index, kind.empty)
        : { part: known, events: [] as ItemEvent[] };
    if (event.type === kind.delta) {
      const { delta } = event;
      if (part.hasText || typeof delta !== "string") return events;
      part.pieces.push(delta);
      return [...events, this.#placed(part, { ...kind.beside, ...event })];
    }
    if (event.type === kind.done)
      return [...events, ...this.#finishText(part, textOf(event[kind.text]), event)];
    const whole = { ...part.part, ...(event["part"] as JsonObject | undefined) };
    return [...events, ...this.#finishPart(part, whole)];
  }

  /** An event of its arguments, after what must come before it. */
  addText({ member, delta }: TextKind, event: ItemEvent): ItemEvent[] {
    if (this.#hasArguments) return [];
    if (event.type === delta) {
      const text = textOrJson(event["delta"]);
      this.#pieces.push(text);
      return [this.placed({ ...event, delta: text })];
    }
    return this.#finishArguments(textOrJson(event[member]), event);
  }

  /** The end of the item: what upstream left out of its events comes before it. */
  finish(item: JsonObject | null): ItemEvent[] {
    if (this.#isDone) return [];
    const status = this.#item["status"] === "in_progress" ? { status: "completed" } : {};
    const whole = item ?? { ...this.item(), ...status };
    const events: ItemEvent[] = [];
    for (const member of ["summary", "content"] as const) {
      for (const [index, part] of objectsOf(whole[member]).entries())
        events.push(...this.#finishMember(member, index, part));
    }
    const { member } = this.#textKind ?? {};
    if (member !== undefined && !this.#hasArguments)
      events.push(
        ...this.#finishArguments(textOrJson(whole[member]) || this.#pieces.join(""), null),
      );
    this.#item = whole;
    this.#isDone = true;
    const done = { output_index: this.index, item: this.item() };
    return [...events, { type: "response.output_item.done", ...done }];
  }

  /** An event at the item's own place, under its own id. */
  placed(event: ItemEvent): ItemEvent {
    return { ...event, output_index: this.index, item_id: this.id };
  }

  #placed(part: OpenPart, event: ItemEvent): ItemEvent {
    return { ...this.placed(event), [part.kind.index]: part.index };
  }

  #named(item: JsonObject): JsonObject {
    const isFunction = this.type === "function_call";
    const usual = isFunction ? textOf(item["call_id"]) || this.id : null;
    const callId = this.#newCallId ?? usual;
    const { member } = this.#textKind ?? {};
    const given = member === undefined ? undefined : item[member];
    return {
      ...item,
      ...(callId === null ? {} : { call_id: callId }),
      ...(member !== undefined && isObject(given) ? { [member]: JSON.stringify(given) } : {}),
      id: this.id,
    };
  }

  /** Where a part is that does not say it. */
  #lastOf(kind: PartKind): number {
    return this.#parts.findLast((part) => part.kind === kind)?.index ?? this.#countOf(kind.member);
  }

  #countOf(member: PartKind["member"]): number {
    return this.#parts.filter((part) => part.kind.member === member).length;
  }

  #partsOf(member: PartKind["member"]): JsonObject[] {
    return this.#parts
      .filter((part) => part.kind.member === member)
      .toSorted((a, b) => a.index - b.index)
      .map(({ kind, part, pieces, isDone }) =>
        isDone ? part : { ...part, [kind.text]: textOf(part[kind.text]) + pieces.join("") },
      );
  }

  #openPart(kind: PartKind, index: number, part: JsonObject) {
    const open: OpenPart = { kind, index, part, pieces: [], hasText: false, isDone: false };
    this.#parts.push(open);
    return { part: open, events: [this.#placed(open, { type: kind.added, part })] };
  }

  #finishMember(member: PartKind["member"], index: number, part: JsonObject): ItemEvent[] {
    const kind = partKindOf(part["type"]);
    if (kind === undefined || kind.member !== member) return [];
    const known = this.#parts.find((open) => open.kind === kind && open.index === index);
    const { part: open, events } =
      known === undefined
        ? this.#openPart(kind, index, kind.empty)
        : { part: known, events: [] as ItemEvent[] };
    return [...events, ...this.#finishPart(open, part)];
  }

  /** @param event the one that says it, or what a whole part has beside its text */
  #finishText(part: OpenPart, text: string, event: JsonObject | null): ItemEvent[] {
    if (part.hasText) return [];
    const { kind } = part;
    const before = textOf(part.part[kind.text]) + part.pieces.join("");
    const whole = text.startsWith(before) ? text : before;
    const missing = whole.slice(before.length);
    part.hasText = true;
    if (missing !== "") part.pieces.push(missing);
    const beside = before === "" ? besideText(kind, event) : kind.beside;
    const delta = { type: kind.delta, ...beside, delta: missing };
    const done = { ...kind.beside, ...event, type: kind.done, [kind.text]: whole };
    return [...(missing === "" ? [] : [this.#placed(part, delta)]), this.#placed(part, done)];
  }

  #finishPart(part: OpenPart, whole: JsonObject): ItemEvent[] {
    if (part.isDone) return [];
    const { kind } = part;
    const events = this.#finishText(part, textOf(whole[kind.text]), besideText(kind, whole));
    part.isDone = true;
    const text = textOf(part.part[kind.text]) + part.pieces.join("");
    part.part = { ...whole, [kind.text]: text };
    return [...events, this.#placed(part, { type: kind.partDone, part: part.part })];
  }

  #finishArguments(text: string, event: ItemEvent | null): ItemEvent[] {
    const kind = this.#textKind;
    if (kind === undefined || this.#hasArguments) return [];
    const before = this.#pieces.join("");
    const whole = text.startsWith(before) ? text : before;
    const missing = whole.slice(before.length);
    this.#hasArguments = true;
    if (missing !== "") this.#pieces.push(missing);
    const name = this.type === "function_call" ? { name: this.name } : {};
    const done = { ...name, ...event, type: kind.done, [kind.member]: whole };
    return [
      ...(missing === "" ? [] : [this.placed({ type: kind.delta, delta: missing })]),
      this.placed(done),
    ];
  }
}
