/**
 * What a hidden answer was in the dialect of an upstream that is not asked in chat completions: its
 * items, beside the message that they are here. They hold what no message can, such as encrypted
 * reasoning, and go back to such an upstream alone.
 */
import { objectsOf, setMember, type JsonObject } from "../../openai/json.ts";

/** The member of a hidden message. No message that goes anywhere has it. */
const MEMBER = "proxy_items";

/** A hidden message with the items that it was. */
export const withKeptItems = (message: JsonObject, items: JsonObject[]): JsonObject => ({
  ...message,
  [MEMBER]: items,
});

/** The items that a hidden message was; null where it is all that there was. */
export const keptItemsOf = (message: JsonObject): JsonObject[] | null =>
  Object.hasOwn(message, MEMBER) ? objectsOf(message[MEMBER]) : null;

/** A hidden message as upstreams of chat completions and the record have it. */
export function withoutKeptItems(message: JsonObject): JsonObject {
  if (!Object.hasOwn(message, MEMBER)) return message;
  const plain: JsonObject = {};
  for (const [name, value] of Object.entries(message))
    if (name !== MEMBER) setMember(plain, name, value);
  return plain;
}

/** Whether such a message says nothing: all of it was in its items. */
const saysNothing = ({ role, content, tool_calls: calls, ...others }: JsonObject): boolean =>
  role === "assistant" &&
  (content === null || content === "") &&
  objectsOf(calls).length === 0 &&
  Object.keys(others).length === 0;

/** A hidden message for the record. */
export function recordedMessage(message: JsonObject): JsonObject[] {
  if (!Object.hasOwn(message, MEMBER)) return [message];
  const plain = withoutKeptItems(message);
  return saysNothing(plain) ? [] : [plain];
}
