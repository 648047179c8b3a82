/** An item that is not whole: what its events have told of it so far. */
import { objectsOf, textOf, type JsonObject } from "../../openai/json.ts";
import { PART_KINDS, TEXT_KINDS } from "./event-parts.ts";
import type { ItemEvent } from "./open-item.ts";

const PARTS = new Map(PART_KINDS.map((kind) => [kind.delta, kind]));
const TEXTS = new Map(TEXT_KINDS.map((kind) => [kind.delta, kind]));

/** An item after one more event of it; the same where that adds no text. */
export function grownItem(item: JsonObject, event: ItemEvent): JsonObject {
  const delta = textOf(event["delta"]);
  const text = TEXTS.get(event.type);
  if (text !== undefined) return { ...item, [text.member]: textOf(item[text.member]) + delta };
  const kind = PARTS.get(event.type);
  const index = kind === undefined ? null : event[kind.index];
  if (kind === undefined || typeof index !== "number") return item;
  const parts = [...objectsOf(item[kind.member])];
  // Parts are told in their order, so that at most the next one is new.
  if (index > parts.length) return item;
  const part = parts[index] ?? kind.empty;
  parts[index] = { ...part, [kind.text]: textOf(part[kind.text]) + delta };
  return { ...item, [kind.member]: parts };
}
