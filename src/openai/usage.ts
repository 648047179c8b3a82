import { isObject, ownMember, setMember, type JsonObject } from "./json.ts";

/**
 * Token usage under the names of chat completions, whatever upstream called it, and the rest of
 * what upstream said of it. The three counts, and all members whose name ends in `_tokens`, are
 * whole numbers from 0 to 2^53 - 1.
 */
export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  [detail: string]: unknown;
}

/** Bounds of what is kept of a usage object: real ones have some 20 members, two levels deep. */
const MAX_MEMBERS = 64;
const MAX_DEPTH = 4;
const MAX_TEXT_LENGTH = 256;

/** Under which names upstreams give a count, in the order of preference. */
const NAMES = {
  prompt: ["prompt_tokens", "input_tokens", "promptTokenCount"],
  completion: ["completion_tokens", "output_tokens", "candidatesTokenCount"],
  total: ["total_tokens", "totalTokenCount"],
} as const;

/** What Responses, images and transcriptions call details, and what chat completions do. */
const DETAILS: Record<string, string> = {
  input_tokens_details: "prompt_tokens_details",
  input_token_details: "prompt_tokens_details",
  output_tokens_details: "completion_tokens_details",
  output_token_details: "completion_tokens_details",
};

const TOKEN_COUNT = /(?:_tokens|TokenCount)$/;
const DIGITS = /^\d{1,20}(?:\.\d{1,20})?$/;

const bounded = (count: number): number => Math.min(Math.round(count), Number.MAX_SAFE_INTEGER);

/** A count of tokens, or null where the value is none: no number, or less than 0. */
function readCount(value: unknown): number | null {
  const number = typeof value === "string" && DIGITS.test(value.trim()) ? Number(value) : value;
  if (typeof number !== "number" || Number.isNaN(number) || number < 0) return null;
  return bounded(number);
}

/** One member as it is kept, or undefined where it is not. */
function keptMember(name: string, value: unknown, depth: number): unknown {
  if (TOKEN_COUNT.test(name) && !isObject(value)) return readCount(value) ?? undefined;
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (typeof value === "string") return value.length <= MAX_TEXT_LENGTH ? value : undefined;
  if (typeof value === "boolean" || value === null) return value;
  return isObject(value) && depth < MAX_DEPTH ? keptMembers(value, depth + 1) : undefined;
}

/** Plain objects: without a prototype they make `JSON.stringify` of a record twice as dear. */
function keptMembers(value: JsonObject, depth = 0): JsonObject {
  const kept: JsonObject = {};
  for (const [name, member] of Object.entries(value).slice(0, MAX_MEMBERS)) {
    const part = keptMember(name, member, depth);
    if (part !== undefined) setMember(kept, name, part);
  }
  return kept;
}

function firstCount(value: JsonObject, names: readonly string[]): number | null {
  const counts = names.map((name) => readCount(ownMember(value, name)));
  return counts.find((count) => count !== null && count > 0) ?? counts.find(isCount) ?? null;
}

const isCount = (count: number | null): count is number => count !== null;

/** Adds the names of chat completions where there are only other names of the same details. */
function withChatDetails(members: JsonObject): JsonObject {
  for (const [other, name] of Object.entries(DETAILS)) {
    const details = members[other];
    if (isObject(details) && !isObject(members[name])) members[name] = details;
  }
  return members;
}

/**
 * The usage of an answer under the names of chat completions, or null where it says nothing: there
 * is none, or none of its counts is a number above 0. Some servers send zeros beside an answer, -1,
 * texts, or half of it.
 */
export function readUsage(value: unknown): Usage | null {
  if (!isObject(value)) return null;
  const prompt = firstCount(value, NAMES.prompt);
  const completion = firstCount(value, NAMES.completion);
  const total = firstCount(value, NAMES.total) ?? 0;
  const known = (prompt ?? 0) + (completion ?? 0);
  if (known === 0 && total === 0) return null;
  const rest = Math.max(total - known, 0);
  return {
    ...withChatDetails(keptMembers(value)),
    // Of two halves and a sum, one may be left out. A sum alone stays one: nobody knows its halves.
    prompt_tokens: prompt ?? (completion === null ? 0 : rest),
    completion_tokens: completion ?? (prompt === null ? 0 : rest),
    total_tokens: total === 0 ? bounded(known) : total,
  };
}

/** Members of a usage that chat completions have. */
const CHAT_MEMBERS = [
  "prompt_tokens",
  "completion_tokens",
  "total_tokens",
  "prompt_tokens_details",
  "completion_tokens_details",
];

/** A usage without other dialects' names for the same. */
export function chatUsage(usage: Usage): Usage {
  const own = CHAT_MEMBERS.filter((name) => Object.hasOwn(usage, name));
  return Object.fromEntries(own.map((name) => [name, usage[name]])) as Usage;
}

/** The usage of a chat completion or a chunk of one: its own, Groq's, or that of its choice 0. */
export function usageOfCompletion(completion: JsonObject): Usage | null {
  const { usage, x_groq: groq, choices } = completion;
  const choice: unknown = Array.isArray(choices) ? (choices as unknown[])[0] : undefined;
  const places = [usage, isObject(groq) && groq["usage"], isObject(choice) && choice["usage"]];
  return places.reduce<Usage | null>((found, place) => found ?? readUsage(place), null);
}

/** Members in which Anthropic counts what it leaves out of the input's tokens. */
const ASIDE = ["cache_read_input_tokens", "cache_creation_input_tokens"];

/** Whether it says nothing of what was asked, or of what was answered, or of neither. */
export function lacksHalf(usage: Usage): boolean {
  const isAsked = usage.prompt_tokens > 0 || ASIDE.some((name) => Number(usage[name]) > 0);
  return !isAsked || usage.completion_tokens === 0;
}

/**
 * Two reports of the same answer: usage that came in two parts, or a newer state of it. What the
 * newer one says stands.
 */
export function mergeUsage(before: Usage | null, more: Usage | null): Usage | null {
  if (before === null || more === null) return more ?? before;
  const prompt = more.prompt_tokens || before.prompt_tokens;
  const completion = more.completion_tokens || before.completion_tokens;
  const isWhole = more.prompt_tokens > 0 && more.completion_tokens > 0;
  const total = Math.max(bounded(prompt + completion), more.total_tokens);
  return {
    ...before,
    ...more,
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: isWhole ? more.total_tokens : total,
  };
}

/**
 * Adds numbers field by field, nested details included; what is no number is taken from the later
 * one.
 */
function addCounts(sum: JsonObject, more: JsonObject): JsonObject {
  const result = { ...sum };
  for (const [field, value] of Object.entries(more)) {
    const before = ownMember(result, field);
    if (typeof value === "number") {
      const added = (typeof before === "number" ? before : 0) + value;
      setMember(result, field, Math.min(added, Number.MAX_SAFE_INTEGER));
    } else if (isObject(value))
      setMember(result, field, addCounts(isObject(before) ? before : {}, value));
    else if (value !== null || before === undefined) setMember(result, field, value);
  }
  return result;
}

/** The sum over rounds: what is billed. */
export function addUsage(sum: Usage | null, more: Usage | null): Usage | null {
  if (sum === null || more === null) return sum ?? more;
  return { ...addCounts(sum, more) } as Usage;
}
