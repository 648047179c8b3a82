/**
 * Items of the Responses API as messages of chat completions, so that one page shows both:
 * https://platform.openai.com/docs/api-reference/responses
 */
import { objectsOf, type JsonObject } from "./json.ts";

/** What a kind of item is as a message; null where nothing of it can be read. */
type ItemReader = (item: JsonObject) => JsonObject | null;

const textsIn = (value: unknown): string[] =>
  objectsOf(value)
    .map((part) => part["text"])
    .filter((text) => typeof text === "string");

const call = (item: JsonObject, member: "arguments" | "input"): JsonObject => ({
  role: "assistant",
  content: null,
  tool_calls: [
    {
      id: item["call_id"] ?? item["id"],
      type: "function",
      function: { name: item["name"], arguments: item[member] },
    },
  ],
});

const callOutput: ItemReader = (item) => ({
  role: "tool",
  tool_call_id: item["call_id"],
  content: item["output"],
});

function reasoning(item: JsonObject): JsonObject | null {
  const texts = [...textsIn(item["summary"]), ...textsIn(item["content"])];
  if (texts.length === 0) return null;
  return { role: "assistant", content: null, reasoning: texts.join("\n\n") };
}

/** The picture is stored as other bytes are: by hash and size. */
function picture({ result, ...item }: JsonObject): JsonObject {
  return { role: "assistant", content: [{ ...item, b64_json: result }] };
}

const ITEMS: Record<string, ItemReader> = {
  message: ({ role, content }) => ({ role, content }),
  function_call: (item) => call(item, "arguments"),
  custom_tool_call: (item) => call(item, "input"),
  function_call_output: callOutput,
  custom_tool_call_output: callOutput,
  reasoning,
  image_generation_call: picture,
};

/** Searches, calls of MCP servers and what else there may be: as they are. */
const otherItem: ItemReader = (item) => ({ role: "assistant", content: [item] });

/** An item as a message, or null where nothing of it can be read. */
function itemMessage(item: JsonObject): JsonObject | null {
  const { type } = item;
  // An item without a type is a message, if it has somebody's role.
  const kind = typeof type === "string" ? type : "message";
  const read = Object.hasOwn(ITEMS, kind) ? ITEMS[kind] : otherItem;
  return read?.(item) ?? null;
}

/** Items as messages, those of which nothing can be read left out. */
export const messagesOfItems = (items: unknown): JsonObject[] =>
  objectsOf(items)
    .map(itemMessage)
    .filter((message) => message !== null);
