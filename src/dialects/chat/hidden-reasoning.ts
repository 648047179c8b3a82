/** What a model reasoned in messages that clients do not see. */
import { objectsOf, parseJson, type JsonObject } from "../../openai/json.ts";

/** Where models and servers put it. */
const FIELDS = ["reasoning_content", "reasoning", "reasoning_details"];

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

/** Whether a message has some. */
export const hasReasoning = (message: JsonObject): boolean =>
  FIELDS.some((name) => isGiven(message[name]));

/** A message without it. */
export function withoutReasoning(message: JsonObject): JsonObject {
  const kept = Object.entries(message).filter(([name]) => !FIELDS.includes(name));
  return Object.fromEntries(kept);
}

/**
 * Hidden messages without it; the same text where there is none.
 * @param text JSON text of an array
 */
export function unreasoned(text: string): string {
  const messages = objectsOf(parseJson(text));
  return messages.some(hasReasoning) ? JSON.stringify(messages.map(withoutReasoning)) : text;
}
