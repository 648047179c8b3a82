/** A text of an upstream that speaks another dialect, as an item with what belongs to it. */
import { isObject, objectsOf, textOf, type JsonObject } from "../../openai/json.ts";
import type { RoundEvent } from "../dialect.ts";
import { carriedReasoning } from "./carried-reasoning.ts";
import { PART_KINDS, type PartKind } from "./event-parts.ts";
import { OpenItem, type ItemEvent } from "./open-item.ts";

export type TextEvent = Extract<RoundEvent, { type: "text" }>;

/** Parts that texts become. What was reasoned comes as it was said, not as a summary of it. */
const KINDS = new Map(
  PART_KINDS.filter(({ type }) => type !== "summary_text").map((kind) => [kind.field, kind]),
);

/** Items that have them, before there are any. */
const EMPTY_ITEMS: Record<PartKind["item"], JsonObject> = {
  message: { type: "message", status: "in_progress", role: "assistant", content: [] },
  reasoning: { type: "reasoning", status: "in_progress", summary: [] },
};

/** The kind of part that a text becomes. @throws Error of a field without one: there is none */
export function kindOfText({ field }: TextEvent): PartKind {
  const kind = KINDS.get(field);
  if (kind === undefined) throw new Error(`No part is a text of ${field}`);
  return kind;
}

/** Responses have bytes of each token, where chat completions may have null. */
const withBytes = (token: JsonObject): JsonObject => ({ ...token, bytes: token["bytes"] ?? [] });

const spelledLogprobs = (logprobs: JsonObject[]): JsonObject[] =>
  logprobs.map((token) => ({
    ...withBytes(token),
    top_logprobs: objectsOf(token["top_logprobs"]).map(withBytes),
  }));

/** What a text refers to: a citation is an object in an object in chat completions. */
function spelledAnnotations(annotations: JsonObject[]): JsonObject[] {
  const usual = { start_index: 0, end_index: 0, title: "" };
  return annotations.flatMap(({ type, url_citation: citation }) =>
    isObject(citation) ? [{ type, ...usual, ...citation }] : [],
  );
}

/** One item of text while it comes. */
export class ForeignText {
  readonly item: OpenItem;
  readonly #logprobs: JsonObject[] = [];
  readonly #annotations: JsonObject[] = [];

  /** @param index of the item among those of its round */
  constructor(kind: PartKind, index: number) {
    this.item = new OpenItem(EMPTY_ITEMS[kind.item], index);
  }

  add(event: TextEvent): ItemEvent[] {
    const kind = kindOfText(event);
    const logprobs = "logprobs" in kind.beside ? spelledLogprobs(event.logprobs ?? []) : [];
    this.#logprobs.push(...logprobs);
    const beside = logprobs.length === 0 ? {} : { logprobs };
    return this.item.addPart(kind, { type: kind.delta, delta: event.text, ...beside });
  }

  annotate(annotations: JsonObject[]): void {
    this.#annotations.push(...spelledAnnotations(annotations));
  }

  /** @param isCut whether it is not whole */
  finish(isCut: boolean): ItemEvent[] {
    const item = this.item.item();
    const content = objectsOf(item["content"]);
    const status = isCut ? "incomplete" : "completed";
    if (item["type"] === "reasoning") {
      const text = content.map((part) => textOf(part["text"])).join("");
      return this.item.finish({ ...item, status, encrypted_content: carriedReasoning(text) });
    }
    const known = { logprobs: this.#logprobs, annotations: this.#annotations };
    const parts = content.map((part) =>
      part["type"] === "output_text" ? { ...part, ...known } : part,
    );
    return this.item.finish({ ...item, status, content: parts });
  }
}
