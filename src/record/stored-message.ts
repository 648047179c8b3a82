/** Messages as they are stored. */
import { objectsOf, parseJson, type JsonObject } from "../openai/json.ts";
import { withinDepth, withoutArguments, withoutBytes } from "./stored-content.ts";

/** A message as it is stored. */
export interface StoredMessage {
  role: string;
  /** JSON text. */
  content: string;
  /** JSON text of an array, or `null`. */
  toolCalls: string;
  toolCallId: string | null;
  /** JSON text of an object, or null. */
  extra: string | null;
  hidden: boolean;
  round: number | null;
}

const MAX_TITLE_LENGTH = 120;

/** Members of a message that have a column of their own. */
const COLUMNS = new Set(["role", "content", "tool_calls", "tool_call_id"]);

function extraOf(message: JsonObject): string | null {
  const members = Object.entries(message).filter(
    ([name, value]) => !COLUMNS.has(name) && value !== null && value !== undefined,
  );
  return members.length === 0 ? null : JSON.stringify(withoutBytes(Object.fromEntries(members)));
}

export interface MessagePlace {
  hidden: boolean;
  round: number | null;
  /** Whether the key's record has content. */
  hasContent: boolean;
}

/** A message as it is stored. */
export function storedMessage(
  message: JsonObject,
  { hasContent, ...place }: MessagePlace,
): StoredMessage {
  const calls = message["tool_calls"] ?? null;
  const content = message["content"] ?? message["refusal"] ?? null;
  return {
    role: typeof message["role"] === "string" ? message["role"] : "unknown",
    content: JSON.stringify(hasContent ? withoutBytes(content) : null),
    toolCalls: JSON.stringify(hasContent ? withinDepth(calls) : withoutArguments(calls)),
    toolCallId: typeof message["tool_call_id"] === "string" ? message["tool_call_id"] : null,
    extra: hasContent ? extraOf(message) : null,
    ...place,
  };
}

/** A message of which nothing can be kept but that there was one: those after it keep their place. */
export const unreadMessage = (
  message: JsonObject,
  { hidden, round }: MessagePlace,
): StoredMessage => ({
  role: typeof message["role"] === "string" ? message["role"] : "unknown",
  content: "null",
  toolCalls: "null",
  toolCallId: null,
  extra: null,
  hidden,
  round,
});

/** The texts of a content: it is one itself, or has parts of which some are. */
function wordsOf(content: string): string {
  const value = parseJson(content);
  const parts = objectsOf(value).map((part) => part["text"]);
  const texts =
    typeof value === "string" ? [value] : parts.filter((part) => typeof part === "string");
  return texts.join(" ").replace(/\s+/g, " ").trim();
}

/** The first words of the user; of who else there is, where there is no user. */
export function titleOf(messages: StoredMessage[]): string {
  const first = messages.find((message) => message.role === "user") ?? messages[0];
  const text = first === undefined ? "" : wordsOf(first.content);
  return text.length <= MAX_TITLE_LENGTH ? text : `${text.slice(0, MAX_TITLE_LENGTH - 1)}…`;
}
