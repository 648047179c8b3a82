/** Rounds of an upstream that speaks another dialect, as chat completions have them. */
import type { JsonObject } from "../../openai/json.ts";
import type { CollectedPart } from "../../openai/collect-chat-chunks.ts";
import { separatorAfter } from "../../openai/join-texts.ts";
import { EMPTY_PART } from "../../openai/read-chunk.ts";
import { spellCall, type TrackedCall } from "../../openai/track-calls.ts";
import { chatUsage } from "../../openai/usage.ts";
import type { AnswerFacts, CallProgress, Round, RoundEvent, ToolCall } from "../dialect.ts";
import { chatRound, type ChatRound } from "./chat-round.ts";

type TextEvent = Extract<RoundEvent, { type: "text" }>;

/** What came of one text of a round. */
interface CollectedText {
  text: string;
  part: string | undefined;
}

/** What came of one round. */
interface Collected {
  texts: Map<string, CollectedText>;
  calls: TrackedCall[];
  annotations: JsonObject[];
  logprobs: JsonObject[];
  facts: AnswerFacts;
}

/** The fields of chat completions for texts. */
const FIELDS = { content: "content", refusal: "refusal", reasoning: "reasoning_content" } as const;

/** The members of chat completions for what upstream says of an answer. */
function membersOf({ model, createdAt, serviceTier }: AnswerFacts): JsonObject {
  return {
    ...(model === undefined ? {} : { model }),
    ...(createdAt === undefined ? {} : { created: createdAt }),
    ...(serviceTier === undefined ? {} : { service_tier: serviceTier }),
  };
}

/** Reasons to finish that clients know. An answer that ended for another one is not whole. */
const REASONS = new Set<unknown>(["stop", "length", "tool_calls", "content_filter", null]);

const isBlank = (text: string): boolean => text.trim() === "";

/**
 * As the forwarder of calls knows one: by its pieces. Missing arguments are `{}`, as in
 * `openai/track-calls.ts`.
 */
function trackedCall({ id, name, pieces, settled, type = "function", ended }: CallProgress) {
  const isEmpty = pieces.every(isBlank);
  const isMissing = isEmpty && ended === "whole" && type === "function";
  return {
    id,
    type,
    name,
    text: "",
    // Not copied: a call of many pieces would be copied with each of them.
    pieces: isMissing ? ["{}"] : (pieces as string[]),
    others: [],
    settled: settled && (!isEmpty || ended !== undefined),
  };
}

/** Collects the events of foreign rounds, and gives each as a chunk. */
export class ForeignRounds {
  readonly #model: string;
  readonly #wantsJson: boolean;
  readonly #rounds = new Map<number, Collected>();

  /** @param model that the client asked for */
  constructor(model: string, wantsJson: boolean) {
    this.#model = model;
    this.#wantsJson = wantsJson;
  }

  /** An event as the part of a chunk. */
  add(event: RoundEvent, round: number): CollectedPart {
    const known = this.#of(round);
    if (event.type === "calls") track(known.calls, event.calls);
    const part = { ...EMPTY_PART, choice: {}, calls: known.calls };
    if (event.type === "text") return { ...part, ...this.#text(event, known) };
    if (event.type === "facts") {
      Object.assign(known.facts, event.facts);
      return { ...part, members: membersOf(event.facts) };
    }
    if (event.type !== "annotations") return part;
    known.annotations.push(...event.annotations);
    return { ...part, delta: { annotations: event.annotations } };
  }

  /** A foreign round as one of chat completions. @param number from 1 */
  round(number: number, { calls, finishReason, usage }: Round): ChatRound {
    const { texts, annotations, logprobs, ...known } = this.#of(number);
    const spelled = calls.map((call) => spelledCall(call, known.calls));
    const said = [...texts].map(([field, { text }]) => [field, text]);
    const message: JsonObject = {
      role: "assistant",
      content: null,
      refusal: null,
      ...(Object.fromEntries(said) as JsonObject),
      ...(annotations.length > 0 ? { annotations } : {}),
      ...(spelled.length > 0 ? { tool_calls: spelled } : {}),
    };
    const collected = {
      message,
      finishReason: REASONS.has(finishReason) ? finishReason : "length",
      usage: usage === null ? null : chatUsage(usage),
      logprobs: logprobs.length === 0 ? null : choiceLogprobs(logprobs),
    };
    return chatRound(collected, this.#completion(known.facts));
  }

  /** A piece of a text, after what stands between it and the text before it. */
  #text({ field, text, part, logprobs }: TextEvent, known: Collected) {
    const name = FIELDS[field];
    const before = known.texts.get(name);
    const isNext = before !== undefined && before.part !== part;
    const more = (isNext ? separatorAfter(before.text, this.#wantsJson) : "") + text;
    known.texts.set(name, { text: (before?.text ?? "") + more, part });
    if (logprobs === undefined) return { delta: { [name]: more } };
    known.logprobs.push(...logprobs);
    return { delta: { [name]: more }, choice: { logprobs: choiceLogprobs(logprobs) } };
  }

  #completion(facts: AnswerFacts): JsonObject {
    return {
      id: `chatcmpl-${crypto.randomUUID().replaceAll("-", "")}`,
      object: "chat.completion",
      created: Math.floor(Date.now() / 1000),
      model: this.#model,
      ...membersOf(facts),
      choices: [{ index: 0, logprobs: null }],
    };
  }

  #of(round: number): Collected {
    const known = this.#rounds.get(round) ?? {
      texts: new Map<string, CollectedText>(),
      calls: [],
      annotations: [],
      logprobs: [],
      facts: {},
    };
    this.#rounds.set(round, known);
    return known;
  }
}

const choiceLogprobs = (content: JsonObject[]): JsonObject => ({ content, refusal: null });

/** A call that is known stays the same object: that is what its stream knows it by. */
function track(known: TrackedCall[], calls: readonly CallProgress[]): void {
  for (const [index, call] of calls.entries())
    known[index] = Object.assign(known[index] ?? {}, trackedCall(call));
}

/** A call as a message has it: with the text that a stream gave. */
function spelledCall({ id, name, arguments: args }: ToolCall, known: TrackedCall[]): JsonObject {
  const told = known.find((call) => call.id === id);
  const call = told ?? { type: "function", name, pieces: [args], others: [] };
  const { type, others } = call;
  return spellCall({ id, type }, { type, others }, { name: call.name, text: call.pieces.join("") });
}
