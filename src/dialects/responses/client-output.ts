/**
 * The items of a client's response: those of all rounds, in one order and each under one id. A
 * server tool's call is an item of ours, whose end is its result.
 */
import { textOf, type JsonObject } from "../../openai/json.ts";
import type { CallResult } from "../dialect.ts";
import { grownItem } from "./grown-item.ts";
import { NOT_RUN } from "./hidden-items.ts";
import type { ItemEvent } from "./open-item.ts";
import { ownItem, ownItemId, type OwnResult } from "./own-items.ts";

/** How items are shown. */
export interface Showing {
  responseId: string;
  /** Whether a call of that name is a server tool's. */
  isServerTool(name: string): boolean;
  /** Whether the client asked for reasoning that it can send back. */
  showsEncrypted: boolean;
}

/** An item as the client sees it. */
export interface ShownItem {
  /** From 0, in the whole response. */
  index: number;
  id: string;
  round: number;
  /** Of a server tool's call: the model's id of it. */
  callId: string | null;
  item: JsonObject;
  isDone: boolean;
  /** The numbers of the events that it began and ended with; absent: there were none yet. */
  numbers?: { added?: number; done?: number };
}

/** Collects what the client sees. */
export class ClientOutput {
  readonly #showing: Showing;
  readonly #items: ShownItem[] = [];
  readonly #ids = new Set<string>();
  /** By round, and the item's place in it. */
  readonly #places = new Map<string, ShownItem>();
  #ownCount = 0;

  constructor(showing: Showing) {
    this.#showing = showing;
  }

  /** The items so far. */
  get items(): readonly ShownItem[] {
    return this.#items;
  }

  /** Whether an item is a call of a server tool. */
  isOwn(item: JsonObject): boolean {
    const { type, name, namespace } = item;
    if (type !== "function_call" || typeof name !== "string") return false;
    const isPlain = namespace === undefined || namespace === null;
    return isPlain && this.#showing.isServerTool(name);
  }

  /** Items of rounds that were done before. */
  resume(items: ShownItem[]): void {
    for (const shown of items) {
      this.#items.push(shown);
      this.#ids.add(shown.id);
      if (shown.callId !== null) this.#ownCount++;
    }
  }

  find(round: number, place: number): ShownItem | undefined {
    return this.#places.get(`${round} ${place}`);
  }

  /** An item has begun. @param place in its round */
  open(round: number, place: number, item: JsonObject): ShownItem {
    const shown = this.isOwn(item) ? this.#ownItem(round, item) : this.#clientItem(round, item);
    this.#items.push(shown);
    this.#places.set(`${round} ${place}`, shown);
    return shown;
  }

  /** A piece of an item has come: should it get no end, it has that at least. */
  grow(shown: ShownItem, event: ItemEvent): void {
    if (!shown.isDone) shown.item = grownItem(shown.item, event);
  }

  /** An item that the model has finished; one of ours goes on until its result is there. */
  close(shown: ShownItem, item: JsonObject): void {
    if (shown.callId !== null) {
      shown.item = { ...shown.item, arguments: textOf(item["arguments"]) || "{}" };
      return;
    }
    shown.item = { ...this.#visible(item), id: shown.id };
    shown.isDone = true;
  }

  /** The result of a call: its item ends. Undefined where there is no such item. */
  result({ call, text, failed }: CallResult, round: number): ShownItem | undefined {
    const isIt = (item: ShownItem) => item.round === round && item.callId === call.id;
    const shown = this.#items.find((item) => isIt(item) && !item.isDone);
    if (shown !== undefined) this.#end(shown, { text, failed });
    return shown;
  }

  /** Ends the calls that nobody runs any more. */
  endLeft(): ShownItem[] {
    const left = this.#items.filter(({ callId, isDone }) => callId !== null && !isDone);
    for (const shown of left) this.#end(shown, { text: NOT_RUN, failed: true });
    return left;
  }

  /** Says of what has no end yet that it will have none. */
  breakOff(): void {
    for (const shown of this.#items)
      if (!shown.isDone) shown.item = { ...shown.item, status: "incomplete" };
  }

  #end(shown: ShownItem, result: OwnResult): void {
    const { name, arguments: args } = shown.item;
    const call = { id: shown.id, name: textOf(name), arguments: textOf(args) || "{}" };
    shown.item = ownItem(call, result);
    shown.isDone = true;
  }

  #ownItem(round: number, { call_id: callId, id: itemId, name }: JsonObject): ShownItem {
    const id = ownItemId(this.#showing.responseId, this.#ownCount++);
    const item = ownItem({ id, name: textOf(name), arguments: "" }, null);
    const model = textOf(callId) || textOf(itemId);
    return { index: this.#items.length, id, round, callId: model, item, isDone: false };
  }

  #clientItem(round: number, item: JsonObject): ShownItem {
    const given = textOf(item["id"]);
    // Some servers begin to count anew in each round.
    const isFree = given !== "" && !this.#ids.has(given);
    const id = isFree ? given : `${given || "item"}_${crypto.randomUUID().replaceAll("-", "")}`;
    this.#ids.add(id);
    const visible = { ...this.#visible(item), id };
    return { index: this.#items.length, id, round, callId: null, item: visible, isDone: false };
  }

  /** What was asked for on the proxy's own behalf is left out. */
  #visible(item: JsonObject): JsonObject {
    if (this.#showing.showsEncrypted || item["type"] !== "reasoning") return item;
    const { encrypted_content: _encrypted, ...visible } = item;
    return visible;
  }
}
