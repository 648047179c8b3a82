/**
 * What a foreign upstream's model reasoned, in the form in which clients that keep nothing carry it
 * to the next request: they send back what is called encrypted, and not the text. It is no secret,
 * because the text stands beside it.
 */
import { textOf, type JsonObject } from "../../openai/json.ts";

const PREFIX = "proxy:";

/** A text as `encrypted_content`. */
export const carriedReasoning = (text: string): string =>
  `${PREFIX}${encodeURIComponent(text.toWellFormed())}`;

/** An item without it: its text is enough where the item itself is kept. */
export function withoutCarried(item: JsonObject): JsonObject {
  if (reasoningCarriedBy(item) === null) return item;
  const { encrypted_content: _carried, ...kept } = item;
  return kept;
}

/** The text of an item that has it so; null where that is upstream's own, or there is none. */
export function reasoningCarriedBy({ encrypted_content: content }: JsonObject): string | null {
  const carried = textOf(content);
  if (!carried.startsWith(PREFIX)) return null;
  try {
    return decodeURIComponent(carried.slice(PREFIX.length));
  } catch {
    // Whoever changed it has no text in it.
    return null;
  }
}
