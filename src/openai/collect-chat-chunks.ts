/**
 * Puts the chunks of one streamed chat completion together: https://platform.openai.com/docs/api-reference/chat-streaming
 * Fragments become calls only when the round has ended, because arguments that parse may still be a prefix.
 */
import { isObject, objectsOf, type JsonObject } from "./json.ts";
import { readUsage, type Usage } from "./usage.ts";

/** A finished round as one message, whichever way it came. */
export interface CollectedMessage {
  message: JsonObject;
  finishReason: string | null;
  usage: Usage | null;
}

interface CallParts extends JsonObject {
  id: string;
  type: string;
  function: { name: string; arguments: string };
}

/** Fields of a delta that name a thing rather than carry a part of it: the latest value stands. */
const WHOLE_FIELDS = new Set(["role", "id", "type"]);

function mergeField(message: JsonObject, field: string, value: unknown): void {
  const before = message[field];
  if (typeof value === "string" && typeof before === "string" && !WHOLE_FIELDS.has(field)) message[field] = before + value;
  else if (Array.isArray(value) && Array.isArray(before)) message[field] = [...before, ...(value as unknown[])];
  else if (isObject(value) && isObject(before)) for (const [name, part] of Object.entries(value)) mergeField(before, name, part);
  else if (value !== null && value !== undefined) message[field] = isObject(value) ? { ...value } : value;
  else if (before === undefined) message[field] = value ?? null;
}

const asText = (value: unknown) => (typeof value === "string" ? value : value === undefined || value === null ? "" : JSON.stringify(value));

/**
 * Tells which call a fragment belongs to. Upstreams leave `index` out, leave `id` out after the first fragment, send
 * index 0 for every call, repeat the name in each fragment, or cut it in pieces: all of it was seen in the wild.
 */
class CallTracker {
  readonly calls: CallParts[] = [];
  readonly #byIndex = new Map<number, CallParts>();

  add(fragment: JsonObject): void {
    const call = this.#find(fragment);
    const part = isObject(fragment["function"]) ? fragment["function"] : {};
    const name = asText(part["name"]);
    if (name !== "" && name !== call.function.name) call.function.name += name;
    call.function.arguments += asText(part["arguments"]);
    for (const [field, value] of Object.entries(fragment)) {
      if (field !== "index" && field !== "function" && field !== "id" && field !== "type") mergeField(call, field, value);
    }
  }

  #find(fragment: JsonObject): CallParts {
    const index = typeof fragment["index"] === "number" ? fragment["index"] : undefined;
    const id = asText(fragment["id"]);
    const byId = id === "" ? undefined : this.calls.find((call) => call.id === id);
    const known = byId ?? (index === undefined ? this.calls.at(-1) : this.#byIndex.get(index));
    const isAnother = id !== "" && known !== undefined && known.id !== "" && known.id !== id;
    if (known !== undefined && !isAnother) {
      if (known.id === "") known.id = id;
      return known;
    }
    const call: CallParts = { id, type: asText(fragment["type"]) || "function", function: { name: "", arguments: "" } };
    this.calls.push(call);
    if (index !== undefined) this.#byIndex.set(index, call);
    return call;
  }
}

/** Collects choice 0 of a stream of chunks. */
export function createChatCollector(): { add(chunk: JsonObject): void; result(): CollectedMessage } {
  const message: JsonObject = { role: "assistant", content: null };
  const tracker = new CallTracker();
  let finishReason: string | null = null;
  let usage: Usage | null = null;
  return {
    add(chunk) {
      usage = readUsage(chunk["usage"]) ?? usage;
      const choice = objectsOf(chunk["choices"]).find((candidate) => (candidate["index"] ?? 0) === 0);
      if (choice === undefined) return;
      if (typeof choice["finish_reason"] === "string") finishReason = choice["finish_reason"];
      // Some servers answer a streamed request with a whole message in one chunk.
      const delta = isObject(choice["delta"]) ? choice["delta"] : isObject(choice["message"]) ? choice["message"] : {};
      for (const [field, value] of Object.entries(delta)) {
        if (field === "tool_calls") for (const fragment of objectsOf(value)) tracker.add(fragment);
        else if (field !== "role") mergeField(message, field, value);
      }
    },
    result: () => ({
      message: tracker.calls.length === 0 ? message : { ...message, tool_calls: tracker.calls },
      finishReason,
      usage,
    }),
  };
}

/** Choice 0 of a whole chat completion. */
export function readChatCompletion(completion: JsonObject): CollectedMessage | null {
  const choice = objectsOf(completion["choices"])[0];
  if (choice === undefined || !isObject(choice["message"])) return null;
  return {
    message: choice["message"],
    finishReason: typeof choice["finish_reason"] === "string" ? choice["finish_reason"] : null,
    usage: readUsage(completion["usage"]),
  };
}
