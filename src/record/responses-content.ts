/**
 * Items of the Responses API as messages, so that one page shows both:
 * https://platform.openai.com/docs/api-reference/responses
 */
import { isObject, objectsOf, parseJson, type JsonObject } from "../openai/json.ts";
import { readEvents } from "../openai/read-events.ts";
import { isEventStream, type KeptAnswer } from "./chat-content.ts";

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

function itemMessage(item: JsonObject): JsonObject | null {
  const { type } = item;
  // An item without a type is a message, if it has somebody's role.
  const kind = typeof type === "string" ? type : "message";
  const read = Object.hasOwn(ITEMS, kind) ? ITEMS[kind] : otherItem;
  return read?.(item) ?? null;
}

const messagesOf = (items: unknown): JsonObject[] =>
  objectsOf(items)
    .map(itemMessage)
    .filter((message) => message !== null);

/** What a request says: its instructions, and its input. */
export function responsesInput(body: JsonObject): JsonObject[] {
  const { instructions, input } = body;
  const system =
    typeof instructions === "string" ? [{ role: "system", content: instructions }] : [];
  const said = typeof input === "string" ? [{ role: "user", content: input }] : messagesOf(input);
  return [...system, ...said];
}

/** A request as one of chat completions, as far as it costs tokens. */
export function responsesPrompt(body: JsonObject): JsonObject {
  const text = isObject(body["text"]) ? body["text"]["format"] : undefined;
  return {
    messages: responsesInput(body),
    tools: objectsOf(body["tools"]).map((tool) => ({ function: tool })),
    response_format: { json_schema: text },
  };
}

/** The items of a stream: as the response has them at its end, else as they were finished. */
function streamedItems(text: string): unknown {
  const events = readEvents(text).map(parseJson).filter(isObject);
  const responses = events.map((event) => event["response"]).filter(isObject);
  const output = responses.at(-1)?.["output"];
  if (Array.isArray(output) && output.length > 0) return output;
  const done = events.filter((event) => event["type"] === "response.output_item.done");
  if (done.length > 0) return done.map((event) => event["item"]);
  const deltas = events.filter((event) => event["type"] === "response.output_text.delta");
  const said = deltas.map((event) => event["delta"]).filter((delta) => typeof delta === "string");
  return said.length === 0 ? [] : [{ role: "assistant", content: said.join("") }];
}

/** What was answered, streamed or whole. */
export function responsesOutput(answer: KeptAnswer): JsonObject[] {
  if (isEventStream(answer)) return messagesOf(streamedItems(answer.text));
  const body = parseJson(answer.text);
  return isObject(body) ? messagesOf(body["output"]) : [];
}
