/**
 * What is hashed of a message. Clients spell the same message in many ways: text as a string or as
 * parts, null or empty content, arguments with other spaces or another order of members, results in
 * another order, unknown members left out. What stays the same is hashed.
 */
import { Slice } from "./in-slices.ts";
import { isObject, objectsOf, parseWithinBounds, sortedMembers, type JsonObject } from "./json.ts";
import { BeyondBounds } from "./json-bounds.ts";
import { parseSteps } from "./parse-in-slices.ts";
import { writeSteps } from "./write-in-slices.ts";

/**
 * Arguments of more values than this stay as they are spelled: neither names can be listed nor
 * sorted in slices.
 */
const MAX_SORTED = 65_536;

/** What was sorted before, in slices, by what it was. */
type Sorted = ReadonlyMap<unknown, unknown>;

const NONE: Sorted = new Map();

const sortedOf = (value: unknown, sorted: Sorted): unknown =>
  sorted.has(value) ? sorted.get(value) : sortedMembers(value);

/** Arguments without their spelling. What is no JSON, or beyond its bounds, stays as it is. */
function plainArguments(value: unknown, sorted: Sorted): unknown {
  if (sorted.has(value)) return sorted.get(value);
  const text = typeof value === "string" ? value.trim() : value;
  if (text === "" || text === undefined || text === null) return {};
  const parsed = typeof text === "string" ? parseWithinBounds(text) : text;
  return parsed === undefined ? text : sortedMembers(parsed);
}

function plainContent(content: unknown, sorted: Sorted): unknown {
  if (content === undefined || content === null) return "";
  if (typeof content === "string") return content.trim();
  if (!Array.isArray(content)) return sortedOf(content, sorted);
  const texts = content.map((part: unknown) =>
    isObject(part) ? (part["text"] ?? part["refusal"]) : undefined,
  );
  return texts.every((text) => typeof text === "string") ? texts.join("").trim() : content;
}

function definitionOf(call: JsonObject): JsonObject {
  if (isObject(call["function"])) return call["function"];
  return isObject(call["custom"]) ? call["custom"] : {};
}

function plainCalls(calls: unknown, sorted: Sorted): unknown[] {
  return objectsOf(calls)
    .map((call) => {
      const definition = definitionOf(call);
      return [
        call["id"],
        definition["name"],
        "input" in definition
          ? definition["input"]
          : plainArguments(definition["arguments"], sorted),
      ];
    })
    .toSorted((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1));
}

function plainParts(message: JsonObject, sorted: Sorted): unknown[] {
  const { role, content, tool_calls: calls, tool_call_id: callId } = message;
  const text = plainContent(content, sorted);
  // Some clients know no refusals, and send one back as content (`ai` 7 with
  // @ai-sdk/openai-compatible).
  const said =
    typeof text === "string" && typeof message["refusal"] === "string"
      ? (text + message["refusal"]).trim()
      : text;
  return [role, said, plainCalls(calls, sorted), callId ?? null];
}

/** What of a message is the same however it is spelled, as text. */
export const plainMessage = (message: unknown): string =>
  JSON.stringify(isObject(message) ? plainParts(message, NONE) : message);

/** {@link sortedMembers}, in slices. */
function* sortSteps(value: unknown, slice: Slice): Generator<void, unknown> {
  if (slice.spend(1)) yield;
  if (Array.isArray(value)) {
    const items: unknown[] = [];
    for (const item of value) items.push(yield* sortSteps(item, slice));
    return items;
  }
  if (!isObject(value)) return value;
  const members: [string, unknown][] = [];
  for (const name of Object.keys(value).toSorted())
    members.push([name, yield* sortSteps(value[name], slice)]);
  return Object.fromEntries(members);
}

/** Arguments as text: parsed and sorted, or the text itself where that cannot be. */
function* argumentSteps(value: string, slice: Slice): Generator<void, unknown> {
  const text = value.trim();
  try {
    return yield* sortSteps(yield* parseSteps(text, MAX_SORTED), slice);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof BeyondBounds) return text;
    throw error;
  }
}

/** Sorts what of a message is large. */
function* sortedParts(message: JsonObject, slice: Slice): Generator<void, Sorted> {
  const sorted = new Map<unknown, unknown>();
  const { content, tool_calls: calls } = message;
  if (isObject(content)) sorted.set(content, yield* sortSteps(content, slice));
  for (const call of objectsOf(calls)) {
    const { arguments: args } = definitionOf(call);
    if (typeof args === "string" && args.trim() !== "")
      sorted.set(args, yield* argumentSteps(args, slice));
    else if (isObject(args)) sorted.set(args, yield* sortSteps(args, slice));
  }
  return sorted;
}

/** The bytes of {@link plainMessage}, in slices: see `inSlices`. */
export function* plainBytes(message: unknown): Generator<void, Uint8Array<ArrayBuffer>> {
  const slice = new Slice();
  const plain = isObject(message)
    ? plainParts(message, yield* sortedParts(message, slice))
    : message;
  return yield* writeSteps(plain);
}
