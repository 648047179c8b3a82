/** A round of chat completions. */
import type { CollectedMessage } from "../../openai/collect-chat-chunks.ts";
import { readErrorMember } from "../../openai/error-words.ts";
import { isObject, objectsOf, textOf, type JsonObject } from "../../openai/json.ts";
import { errorOfWords } from "../../openai/upstream-error.ts";
import type { Round, ToolCall } from "../dialect.ts";
import { areArguments } from "../show-results.ts";

/** A round whose answer is one message of the assistant. */
export interface ChatRound extends Round {
  /** The log probabilities of its tokens, where upstream gave them. */
  logprobs: JsonObject | null;
  /**
   * The completion that it came as, or was put together to; its message may be as upstream spelled
   * it.
   */
  completion: JsonObject;
}

/** What a call says of its function, or of its custom tool. */
function definitionOf(call: JsonObject): JsonObject {
  if (isObject(call["function"])) return call["function"];
  return isObject(call["custom"]) ? call["custom"] : {};
}

/** A call that upstreams take back: some read the history, and answer 400 to bad arguments. */
function wellFormedCall(call: JsonObject): JsonObject {
  const definition = call["function"];
  if (!isObject(definition) || areArguments(textOf(definition["arguments"]))) return call;
  return { ...call, function: { ...definition, arguments: "{}" } };
}

const isBlank = (content: unknown): boolean => typeof content === "string" && content.trim() === "";

/**
 * A message as upstreams take it back: arguments are objects, there is no blank text beside calls
 * (Anthropic and Bedrock refuse it: opencode#17395), and a sound that the model made is named by
 * its id.
 */
function wellFormed(message: JsonObject): JsonObject {
  const formed = { ...message };
  const { tool_calls: calls, audio } = message;
  if (Array.isArray(calls)) formed["tool_calls"] = objectsOf(calls).map(wellFormedCall);
  if (objectsOf(calls).length > 0 && isBlank(message["content"])) formed["content"] = null;
  if (isObject(audio) && typeof audio["id"] === "string") formed["audio"] = { id: audio["id"] };
  return formed;
}

/** The error with which some servers end an answer whose stream or body is fine. */
function failureIn(completion: JsonObject, finishReason: string | null): JsonObject | null {
  const words = readErrorMember(objectsOf(completion["choices"])[0] ?? {});
  return words === null && finishReason !== "error" ? null : errorOfWords(words);
}

/** A collected answer as a round of the loop. */
export function chatRound(collected: CollectedMessage, completion: JsonObject): ChatRound {
  const { message, finishReason, usage, logprobs } = collected;
  const calls = objectsOf(message["tool_calls"]).map((call): ToolCall => {
    const definition = definitionOf(call);
    const args = textOf(definition["arguments"]);
    return {
      id: textOf(call["id"]),
      name: textOf(definition["name"]),
      arguments: args,
      isCut: false,
    };
  });
  const failure = failureIn(completion, finishReason);
  const last = calls.at(-1);
  // Only the end of an answer can be missing, and arguments that are a whole object are complete.
  if (last !== undefined && finishReason === "length") last.isCut = !areArguments(last.arguments);
  return {
    calls,
    finishReason,
    usage,
    model: typeof completion["model"] === "string" ? completion["model"] : null,
    items: [wellFormed(message)],
    message,
    logprobs,
    completion,
    ...(failure === null ? {} : { failure }),
  };
}
