/** What a chat completions upstream said, and was told of calls, as items of Responses. */
import { isObject, objectsOf, textOf, type JsonObject } from "../../openai/json.ts";
import type { HistoryItem } from "../dialect.ts";
import { withoutCarried } from "../responses/carried-reasoning.ts";
import { eventsOfMessage, ForeignRound } from "../responses/foreign-round.ts";
import { putIntoOutputs } from "./output-media.ts";

/** An answer under ids that nobody knows yet. */
function answerItems(message: JsonObject): JsonObject[] {
  const round = new ForeignRound(new Map());
  for (const event of eventsOfMessage(message)) round.add(event);
  round.end(false);
  return round.items.map(withoutCarried);
}

const toolItem = ({ tool_call_id: id, content }: JsonObject): JsonObject => ({
  type: "function_call_output",
  call_id: id,
  output: content,
});

function userPart(part: JsonObject): JsonObject[] {
  const { type, text, image_url: image } = part;
  if (type === "text") return [{ type: "input_text", text }];
  if (type !== "image_url" || !isObject(image)) return [];
  return [{ type: "input_image", image_url: image["url"], detail: "auto" }];
}

function userItem({ content }: JsonObject): JsonObject {
  const parts = typeof content === "string" ? content : objectsOf(content).flatMap(userPart);
  return { type: "message", role: "user", content: parts };
}

/** Messages that a client did not see, as items that are put back when it is here again. */
export function itemsOfMessages(messages: HistoryItem[]): HistoryItem[] {
  const items: HistoryItem[] = [];
  for (const message of messages) {
    const role = textOf(message["role"]);
    if (role === "assistant") items.push(...answerItems(message));
    else if (role === "tool") items.push(toolItem(message));
    else if (!putIntoOutputs(message, items)) items.push(userItem(message));
  }
  return items;
}
