/**
 * Puts the chunks of one streamed chat completion together, and brings a whole one into the same
 * form.
 */
import { addContent, plainContent } from "./join-texts.ts";
import { isObject, objectsOf, setMember, type JsonObject } from "./json.ts";
import { mergeField } from "./merge-field.ts";
import { EMPTY_PART, readChunk, readFinishReason, type ChunkPart } from "./read-chunk.ts";
import { CallTracker, callOf, type TrackedCall } from "./track-calls.ts";
import { mergeUsage, usageOfCompletion, type Usage } from "./usage.ts";

/** A finished round as one message, whichever way it came. */
export interface CollectedMessage {
  message: JsonObject;
  finishReason: string | null;
  usage: Usage | null;
  /** The log probabilities of its tokens, where upstream gave them. */
  logprobs: JsonObject | null;
}

/** A chunk, and the calls of its round so far, in the model's order. */
export interface CollectedPart extends ChunkPart {
  calls: readonly TrackedCall[];
}

interface ChatCollector {
  /** Takes a chunk, and says what is in it; null where that is no chunk. */
  add(chunk: JsonObject): CollectedPart | null;
  /** Whether the answer has come to its end, as it says itself: by a reason, or by being whole. */
  readonly hasFinished: boolean;
  /** Nothing more comes: the calls are complete. Null where the stream had no answer in it. */
  end(): CollectedPart | null;
  result(): CollectedMessage;
  /** The stream as a whole completion, choice 0 without its message. */
  completion(): JsonObject;
}

/**
 * Members that are one per completion: the first value stands. Later chunks of some servers have
 * others.
 */
const FIRST_STANDS = new Set(["id", "created", "model"]);

/** Collects choice 0 of a stream of chunks. */
export function createChatCollector(): ChatCollector {
  const message: JsonObject = { role: "assistant", content: null };
  const completion: JsonObject = {};
  const tracker = new CallTracker();
  const logprobs: JsonObject = {};
  let choice: JsonObject | null = null;
  let finishReason: string | null = null;
  let isWhole = false;
  let usage: Usage | null = null;

  const collect = (part: ChunkPart): void => {
    usage = mergeUsage(usage, part.usage);
    for (const [name, value] of Object.entries(part.members)) {
      if (Boolean(value) && !(FIRST_STANDS.has(name) && Object.hasOwn(completion, name)))
        setMember(completion, name, value);
    }
    if (part.choice === null) return;
    choice = { ...choice, ...part.choice };
    finishReason = part.finishReason ?? finishReason;
    isWhole ||= part.isWhole;
    mergeField(logprobs, "all", part.choice["logprobs"]);
    for (const [field, value] of Object.entries(part.delta)) {
      if (field === "content") message["content"] = addContent(message["content"], value);
      else mergeField(message, field, value);
    }
    tracker.add(part.fragments, part.isWhole);
  };
  const allLogprobs = () => (isObject(logprobs["all"]) ? logprobs["all"] : null);
  return {
    add: (chunk) => {
      const part = readChunk(chunk);
      if (part === null) return null;
      collect(part);
      return { ...part, calls: tracker.calls };
    },
    get hasFinished() {
      return finishReason !== null || isWhole;
    },
    end: () => {
      tracker.end(finishReason);
      return choice === null ? null : { ...EMPTY_PART, calls: tracker.calls };
    },
    result: () => {
      tracker.end(finishReason);
      const calls = tracker.calls.map(callOf);
      return {
        message: calls.length === 0 ? message : { ...message, tool_calls: calls },
        finishReason,
        usage,
        logprobs: allLogprobs(),
      };
    },
    completion: () => ({
      ...completion,
      object: "chat.completion",
      choices: [{ index: 0, ...choice, logprobs: allLogprobs() }],
    }),
  };
}

/** Choice 0 of a whole chat completion, as upstream spelled its message. */
export function readChatCompletion(completion: JsonObject): CollectedMessage | null {
  const choice = objectsOf(completion["choices"])[0];
  if (choice === undefined || !isObject(choice["message"])) return null;
  return {
    message: choice["message"],
    finishReason: readFinishReason(choice["finish_reason"]),
    usage: usageOfCompletion(completion),
    logprobs: isObject(choice["logprobs"]) ? choice["logprobs"] : null,
  };
}

/**
 * A message in the form that collected chunks have: calls with unique ids and arguments as text,
 * texts as text.
 */
export function normalizeMessage({
  message,
  finishReason,
  ...others
}: CollectedMessage): CollectedMessage {
  const { role: _role, tool_calls: whole, ...fields } = message;
  const tracker = new CallTracker();
  tracker.add(objectsOf(whole), true);
  tracker.end(finishReason);
  const calls = tracker.calls.map(callOf);
  const normalized: JsonObject = {
    role: "assistant",
    ...fields,
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  };
  if ("content" in normalized) normalized["content"] = plainContent(normalized["content"]);
  return { ...others, finishReason, message: normalized };
}
