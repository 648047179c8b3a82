import { isObject, objectsOf, type JsonObject } from "./json.ts";
import { plainContent } from "./join-texts.ts";
import { usageOfCompletion, type Usage } from "./usage.ts";

/**
 * A chunk of a streamed chat completion, taken apart:
 * https://platform.openai.com/docs/api-reference/chat-streaming
 */
export interface ChunkPart {
  /** The chunk's members beside its choices and usage. */
  members: JsonObject;
  /**
   * The members of choice 0 beside index, delta and finish reason; null where the chunk has no
   * choice 0.
   */
  choice: JsonObject | null;
  /** What the chunk adds to the message, without role and calls. */
  delta: JsonObject;
  fragments: JsonObject[];
  /** Whether it is a whole message, as some servers send it in one chunk. */
  isWhole: boolean;
  finishReason: string | null;
  usage: Usage | null;
}

/** A chunk that says nothing. */
export const EMPTY_PART: ChunkPart = {
  members: {},
  choice: null,
  delta: {},
  fragments: [],
  isWhole: false,
  finishReason: null,
  usage: null,
};

/** A finish reason, or null: some servers send an empty text until there is one. */
export const readFinishReason = (value: unknown): string | null =>
  typeof value === "string" && value !== "" ? value : null;

/**
 * Reads a chunk, or a whole completion in the place of one. Null where it is neither, as a
 * keep-alive is not.
 */
export function readChunk(chunk: JsonObject): ChunkPart | null {
  if (!("choices" in chunk || "usage" in chunk)) return null;
  const { choices, usage: _usage, ...members } = chunk;
  const found = objectsOf(choices).find((candidate) => (candidate["index"] ?? 0) === 0);
  const part = { ...EMPTY_PART, members, usage: usageOfCompletion(chunk) };
  if (found === undefined) return part;
  const { index: _index, delta, message, finish_reason: finishReason, ...choice } = found;
  const isWhole = !isObject(delta) && isObject(message);
  const {
    role: _role,
    tool_calls: calls,
    ...fields
  } = isObject(delta) ? delta : isObject(message) ? message : {};
  if ("content" in fields) fields["content"] = plainContent(fields["content"]);
  return {
    ...part,
    choice,
    delta: fields,
    fragments: objectsOf(calls),
    isWhole,
    finishReason: readFinishReason(finishReason),
  };
}
