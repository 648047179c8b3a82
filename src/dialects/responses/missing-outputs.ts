/** Outputs for a client's calls to which it brought none: upstreams refuse a call without one. */
import { isObject, parseJson, textOf, type JsonObject } from "../../openai/json.ts";
import { NO_RESULT } from "../../openai/no-result.ts";

/** Calls of a client's tools by their types, and what their outputs are called. */
const OUTPUT_TYPES = new Map([
  ["function_call", "function_call_output"],
  ["custom_tool_call", "custom_tool_call_output"],
]);

/** What a call has, and its output, if it is of such an item. */
const CALL_ID = '"call_id"';

const callIdOf = ({ call_id: id }: JsonObject): string => textOf(id);

/** Whether calls and their outputs may go on after an item. */
const isOfCalls = ({ type }: JsonObject): boolean =>
  OUTPUT_TYPES.has(textOf(type)) || textOf(type).endsWith("_output");

function missingOutput(call: JsonObject): string {
  const type = OUTPUT_TYPES.get(textOf(call["type"]));
  return JSON.stringify({ type, call_id: call["call_id"], output: NO_RESULT });
}

function parsed(element: string): JsonObject {
  const item = element.includes(CALL_ID) ? parseJson(element) : null;
  return isObject(item) ? item : {};
}

/**
 * Items of an input, as they are spelled, with an output for each call that has none; it stands
 * after the calls that were made at the same time.
 */
export function withMissingOutputs(elements: string[]): string[] {
  const items = elements.map(parsed);
  const outputs = items.filter(({ type }) => textOf(type).endsWith("_output"));
  const answered = new Set(outputs.map(callIdOf));
  const isLeft = (item: JsonObject): boolean =>
    OUTPUT_TYPES.has(textOf(item["type"])) && !answered.has(callIdOf(item));
  if (!items.some(isLeft)) return elements;
  const filled: string[] = [];
  const missing: string[] = [];
  for (const [index, item] of items.entries()) {
    if (!isOfCalls(item)) filled.push(...missing.splice(0));
    filled.push(elements[index] ?? "");
    if (isLeft(item)) missing.push(missingOutput(item));
  }
  return [...filled, ...missing];
}
