/** What was asked and answered in the Responses API, as messages. */
import { isObject, objectsOf, parseJson, type JsonObject } from "../openai/json.ts";
import { readEvents } from "../openai/read-events.ts";
import { messagesOfItems } from "../openai/response-items.ts";
import { isEventStream, type KeptAnswer } from "./chat-content.ts";

/** What a request says: its instructions, and its input. */
export function responsesInput(body: JsonObject): JsonObject[] {
  const { instructions, input } = body;
  const system =
    typeof instructions === "string" ? [{ role: "system", content: instructions }] : [];
  const said =
    typeof input === "string" ? [{ role: "user", content: input }] : messagesOfItems(input);
  return [...system, ...said];
}

/** A request as one of chat completions, as far as it costs tokens. */
export function responsesPrompt(body: JsonObject): JsonObject {
  const text = isObject(body["text"]) ? body["text"]["format"] : undefined;
  return {
    // What was put back into its history stands beside its input.
    messages: [...responsesInput(body), ...objectsOf(body["messages"])],
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
  if (isEventStream(answer)) return messagesOfItems(streamedItems(answer.text));
  const body = parseJson(answer.text);
  return isObject(body) ? messagesOfItems(body["output"]) : [];
}
