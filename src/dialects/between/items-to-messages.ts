/** Items of the Responses API as messages of chat completions, as they are hidden from a client. */
import { objectsOf, textOf, type JsonObject } from "../../openai/json.ts";
import { withKeptItems } from "../chat/kept-items.ts";

/** A call, by the type of its item. */
const CALLS = new Map<unknown, (item: JsonObject) => JsonObject>([
  [
    "function_call",
    ({ call_id: id, name, arguments: args }) => ({
      id,
      type: "function",
      function: { name, arguments: args },
    }),
  ],
  [
    "custom_tool_call",
    ({ call_id: id, name, input }) => ({ id, type: "custom", custom: { name, input } }),
  ],
]);

/** Members of plain items of an answer: all that a message can say of them. */
const PLAIN = new Map<unknown, ReadonlySet<string>>([
  ["message", new Set(["id", "type", "status", "role", "content"])],
  ["function_call", new Set(["id", "type", "status", "call_id", "name", "arguments"])],
  ["custom_tool_call", new Set(["id", "type", "status", "call_id", "name", "input"])],
]);

const isNull = (value: unknown): boolean => value === undefined || value === null;

/** Whether a message says all that an item does. */
function isPlain(item: JsonObject): boolean {
  const members = PLAIN.get(item["type"]);
  if (members === undefined) return false;
  return Object.entries(item).every(([name, value]) => members.has(name) || isNull(value));
}

const joined = (texts: string[]): string => texts.filter((text) => text !== "").join("\n\n");

const partsOf = (items: JsonObject[], members: readonly string[]): JsonObject[] =>
  items.flatMap((item) => members.flatMap((member) => objectsOf(item[member])));

/** The items of one answer as one message. */
function answerOf(items: JsonObject[]): JsonObject {
  const ofType = (type: string) => items.filter((item) => item["type"] === type);
  const said = ofType("message").map(({ content }) => objectsOf(content));
  const textOfParts = (parts: JsonObject[], member: string): string =>
    parts.map((part) => textOf(part[member])).join("");
  const content = joined(said.map((parts) => textOfParts(parts, "text")));
  const refusal = joined(said.map((parts) => textOfParts(parts, "refusal")));
  const reasoned = partsOf(ofType("reasoning"), ["summary", "content"]);
  const reasoning = joined(reasoned.map(({ text }) => textOf(text)));
  const calls = items.flatMap((item) => CALLS.get(item["type"])?.(item) ?? []);
  const message = {
    role: "assistant",
    // An answer without calls has a content, or upstreams refuse it.
    content: content === "" && calls.length > 0 ? null : content,
    ...(refusal === "" ? {} : { refusal }),
    ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
  return items.every(isPlain) ? message : withKeptItems(message, items);
}

/** What a result shows, after words that say whose it is: a tool's message holds text only. */
function shownParts(result: JsonObject): JsonObject[] {
  const images = objectsOf(result["output"]).filter(({ type }) => type === "input_image");
  return images.flatMap(({ image_url: url }) => [
    { type: "text", text: `[from the result of the call ${textOf(result["call_id"])}]` },
    { type: "image_url", image_url: { url } },
  ]);
}

function resultOf({ call_id: callId, output }: JsonObject): JsonObject {
  const parts = objectsOf(output);
  const text =
    typeof output === "string" ? output : parts.map((part) => textOf(part["text"])).join("");
  return { role: "tool", tool_call_id: callId, content: text };
}

/** The messages of one answer, and of what follows it. */
function messagesOfRound(answer: JsonObject[], results: JsonObject[]): JsonObject[] {
  const content = results.flatMap(shownParts);
  return [
    ...(answer.length === 0 ? [] : [answerOf(answer)]),
    ...results.map(resultOf),
    ...(content.length === 0 ? [] : [{ role: "user", content }]),
  ];
}

const isResult = ({ type }: JsonObject): boolean => textOf(type).endsWith("_call_output");

/** Items of answers and their results, oldest first: one message for each answer. */
export function messagesOfItems(items: JsonObject[]): JsonObject[] {
  const messages: JsonObject[] = [];
  let answer: JsonObject[] = [];
  let results: JsonObject[] = [];
  for (const item of items) {
    if (isResult(item)) {
      results.push(item);
      continue;
    }
    if (results.length > 0) {
      messages.push(...messagesOfRound(answer, results));
      answer = [];
      results = [];
    }
    answer.push(item);
  }
  return [...messages, ...messagesOfRound(answer, results)];
}
