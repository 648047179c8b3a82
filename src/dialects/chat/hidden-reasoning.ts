/** What a model reasoned in messages that clients do not see. */
import { objectsOf, parseJson, type JsonObject } from "../../openai/json.ts";
import { keptItemsOf, withoutKeptItems } from "./kept-items.ts";

/** Where models and servers put it. */
const FIELDS = ["reasoning_content", "reasoning", "reasoning_details"];

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

const isReasoning = ({ type }: JsonObject): boolean => type === "reasoning";

/** Whether a message has some. */
export const hasReasoning = (message: JsonObject): boolean =>
  FIELDS.some((name) => isGiven(message[name])) || keptItemsOf(message)?.some(isReasoning) === true;

/** A message without it. */
export function withoutReasoning(message: JsonObject): JsonObject {
  const kept = Object.entries(withoutKeptItems(message));
  return Object.fromEntries(kept.filter(([name]) => !FIELDS.includes(name)));
}

/**
 * Hidden messages without it; the same text where there is none.
 * @param text JSON text of an array
 */
export function unreasoned(text: string): string {
  const messages = objectsOf(parseJson(text));
  return messages.some(hasReasoning) ? JSON.stringify(messages.map(withoutReasoning)) : text;
}
