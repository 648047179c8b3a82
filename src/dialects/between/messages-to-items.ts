/** Messages of chat completions as items of the Responses API. */
import { isObject, objectsOf, textOrJson, type JsonObject } from "../../openai/json.ts";
import { keptItemsOf } from "../chat/kept-items.ts";
import type { SeenMessage } from "../chat/splice-hidden.ts";
import { answerContent, foreignPart, inputContent } from "./chat-content.ts";

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

/** A call that an answer made. */
function callItem(call: JsonObject): JsonObject {
  const { id, custom, function: definition } = call;
  if (isObject(custom)) {
    const { name, input } = custom;
    return { type: "custom_tool_call", call_id: id, name, input: textOrJson(input) };
  }
  const { name, arguments: args } = isObject(definition) ? definition : {};
  return { type: "function_call", call_id: id, name, arguments: textOrJson(args) || "{}" };
}

/** What an answer said and called. */
function answerItems(message: JsonObject): JsonObject[] {
  const content = answerContent(message);
  const said = content === "" ? [] : [{ role: "assistant", content }];
  return [...said, ...objectsOf(message["tool_calls"]).map(callItem)];
}

/** Members of an item that only the upstream which made it knows, or that say nothing of it. */
function plainItem({ id: _id, status: _status, ...item }: JsonObject): JsonObject {
  return item;
}

/** An item as an upstream takes it back that may not have it; null: it cannot. */
type SentBack = (item: JsonObject, isStored: boolean) => JsonObject | null;

/** By the item's type; others are nothing that anybody takes back. */
const SENT_BACK = new Map<unknown, SentBack>([
  [
    "reasoning",
    ({ status: _status, ...item }, isStored) => {
      const { encrypted_content: encrypted, content } = item;
      const isWhole = typeof encrypted === "string" || objectsOf(content).length > 0;
      return isWhole || isStored ? item : null;
    },
  ],
  [
    "message",
    ({ role, content, phase }) => ({
      role,
      content: answerContent({ content }),
      ...(isGiven(phase) ? { phase } : {}),
    }),
  ],
  ["function_call", plainItem],
  ["custom_tool_call", plainItem],
]);

/** The items of an answer that were kept. */
function keptItems(items: JsonObject[], isStored: boolean): JsonObject[] {
  const sent = items.flatMap((item) => {
    const back = SENT_BACK.get(item["type"])?.(item, isStored) ?? null;
    return back === null ? [] : [back];
  });
  // Upstream refuses reasoning that nothing came of.
  const last = sent.findLastIndex(({ type }) => type !== "reasoning");
  return sent.slice(0, last + 1);
}

/** Reads one history. */
class ItemWriter {
  readonly #isStored: boolean;
  /** Ids of the calls that are no functions': their results are called otherwise. */
  readonly #custom = new Set<unknown>();

  constructor(isStored: boolean) {
    this.#isStored = isStored;
  }

  items(message: JsonObject, isHidden: boolean): JsonObject[] {
    const { role, content, tool_call_id: callId } = message;
    if (role === "assistant") return this.#answer(message, isHidden);
    if (role !== "tool") return [{ role, content: inputContent(content) }];
    const kind = this.#custom.has(callId) ? "custom_tool_call_output" : "function_call_output";
    return [{ type: kind, call_id: callId, output: inputContent(content) }];
  }

  #answer(message: JsonObject, isHidden: boolean): JsonObject[] {
    // What a client sends under that name is nothing that was kept.
    const kept = isHidden ? keptItemsOf(message) : null;
    const items = kept === null ? answerItems(message) : keptItems(kept, this.#isStored);
    for (const { type, call_id: id } of items)
      if (type === "custom_tool_call") this.#custom.add(id);
    return items;
  }
}

/**
 * A history as the input of a response.
 * @param isStored whether upstream keeps what it answers
 */
export function itemsOfMessages(messages: SeenMessage[], isStored: boolean): JsonObject[] {
  const writer = new ItemWriter(isStored);
  return messages.flatMap(({ message, isHidden }) =>
    isObject(message) ? writer.items(message, isHidden) : [],
  );
}

/** Why a message keeps its request on chat completions: each row is a reason. */
const REFUSED: ((message: JsonObject) => string | null)[] = [
  ({ content }) => {
    const type = foreignPart(content);
    const isRefusal = type === "refusal";
    return type === null || isRefusal ? null : `parts of the type ${type || "(none)"}`;
  },
  ({ role }) => (role === "function" ? "messages of functions, which tools replaced" : null),
  ({ function_call: call }) => (isGiven(call) ? "calls of functions, which tools replaced" : null),
  ({ audio }) => (isGiven(audio) ? "sounds that the model made" : null),
];

/** What of a history has no counterpart, or null. */
export function foreignMessage(messages: unknown[]): string | null {
  for (const message of messages.filter(isObject)) {
    for (const row of REFUSED) {
      const found = row(message);
      if (found !== null) return found;
    }
  }
  return null;
}

/** Members of messages that are left out, and why that changes little. */
const LEFT_OUT: Record<string, string> = {
  name: "names of those who wrote messages",
  reasoning_content: "what clients send back of the model's reasoning",
};

/** What of a history is left out. */
export const leftOutOfMessages = (messages: unknown[]): string[] =>
  Object.entries(LEFT_OUT)
    .filter(([name]) => messages.some((message) => isObject(message) && isGiven(message[name])))
    .map(([, what]) => what);
