/** What a message of chat completions, or a delta of one, says in words. */
import { objectsOf, textOf, type JsonObject } from "./json.ts";

/** A text, and what it is. */
export interface SaidText {
  field: "content" | "refusal" | "reasoning";
  text: string;
}

/** The texts of parts of one type. Mistral's models think in parts that have texts inside. */
function partTexts(content: unknown, type: string): string {
  const parts = objectsOf(content).filter((part) => part["type"] === type);
  return parts.map((part) => textOf(part[type]) || partTexts(part[type], "text")).join("");
}

/** In the order in which a model says them. Some servers send the reasoning under two names. */
const READERS: [SaidText["field"], (message: JsonObject) => string][] = [
  [
    "reasoning",
    ({ reasoning_content: first, reasoning, content }) =>
      textOf(first) || textOf(reasoning) || partTexts(content, "thinking"),
  ],
  ["content", ({ content }) => textOf(content) || partTexts(content, "text")],
  ["refusal", ({ refusal }) => textOf(refusal)],
];

/** The texts that are there. */
export const saidTexts = (message: JsonObject): SaidText[] =>
  READERS.map(([field, read]) => ({ field, text: read(message) })).filter(
    ({ text }) => text !== "",
  );
