/**
 * What becomes of each member of a request of the Responses API at an upstream of chat completions.
 * `docs/responses-over-chat.md` shows this table.
 */
import { isObject, type JsonObject } from "../../openai/json.ts";

/**
 * `same`: sent as it was spelled. `mapped`: said in the words of chat completions. `kept`: the
 * proxy does it itself. `dropped`: left out, and on record. `refused`: such a request cannot be
 * asked there.
 */
type Fate = "same" | "mapped" | "kept" | "dropped" | "refused";

/** One member, and its fate. */
export interface MemberRow {
  /** Its name; of a member of a member both, with a dot. */
  member: string;
  fate: Fate;
  /** What it becomes, who does it, or why it is left out. */
  words: string;
  /** Whether this value says something; else nothing is done about it. */
  matters?: (value: unknown) => boolean;
  /** What it is in chat completions. */
  spell?: (value: unknown) => JsonObject;
}

const same = (member: string): MemberRow => ({ member, fate: "same", words: "" });

const named =
  (name: string) =>
  (value: unknown): JsonObject => ({ [name]: value });

/** Text formats as chat completions have them; plain text is what they write unasked. */
function responseFormat(format: unknown): JsonObject {
  if (!isObject(format) || format["type"] === "text") return {};
  const { type, ...schema } = format;
  if (type !== "json_schema") return { response_format: format };
  return { response_format: { type, json_schema: schema } };
}

/** What `include` has for the log probabilities of texts. */
export const LOGPROBS = "message.output_text.logprobs";
const includes = (value: unknown, name: string): boolean =>
  Array.isArray(value) && value.includes(name);

/** Every member of the published document, and two that are not in it. */
export const MEMBERS: MemberRow[] = [
  same("model"),
  same("stream"),
  same("temperature"),
  same("top_p"),
  same("parallel_tool_calls"),
  same("service_tier"),
  same("user"),
  same("safety_identifier"),
  same("prompt_cache_key"),
  same("prompt_cache_retention"),
  same("prompt_cache_options"),
  same("moderation"),
  { member: "input", fate: "mapped", words: "`messages`" },
  { member: "instructions", fate: "mapped", words: "the first of `messages`, of the system" },
  { member: "tools", fate: "mapped", words: "`tools`: see below" },
  { member: "tool_choice", fate: "mapped", words: "`tool_choice`: see below" },
  { member: "text.format", fate: "mapped", words: "`response_format`", spell: responseFormat },
  {
    member: "text.verbosity",
    fate: "mapped",
    words: "`verbosity`",
    spell: named("verbosity"),
  },
  {
    member: "reasoning.effort",
    fate: "mapped",
    words: "`reasoning_effort`",
    spell: named("reasoning_effort"),
  },
  {
    member: "max_output_tokens",
    fate: "mapped",
    words: "`max_completion_tokens`",
    spell: named("max_completion_tokens"),
  },
  {
    member: "top_logprobs",
    fate: "mapped",
    words: "`top_logprobs`, with `logprobs`",
    matters: (value) => value !== 0,
    spell: (value) => ({ top_logprobs: value, logprobs: true }),
  },
  {
    member: "include",
    fate: "mapped",
    words:
      "`logprobs`, for the log probabilities of texts; encrypted reasoning is none, because its " +
      "text is in the answer; all else belongs to tools that only the Responses API has",
    spell: (value) => (includes(value, LOGPROBS) ? { logprobs: true } : {}),
  },
  {
    member: "store",
    fate: "kept",
    words: "the proxy keeps the response, or does not",
  },
  { member: "metadata", fate: "kept", words: "the response has it" },
  {
    member: "previous_response_id",
    fate: "kept",
    words: "the proxy puts what was before into `messages`",
  },
  { member: "max_tool_calls", fate: "kept", words: "the proxy counts the calls of its tools" },
  {
    member: "reasoning.summary",
    fate: "kept",
    words: "what the model reasons is in the answer as it came",
  },
  { member: "reasoning.generate_summary", fate: "kept", words: "the same" },
  {
    member: "stream_options.include_obfuscation",
    fate: "dropped",
    words: "events have no obfuscation",
    matters: (value) => value === true,
  },
  {
    member: "truncation",
    fate: "dropped",
    words: "upstream alone decides what it does with a history that is too long",
    matters: (value) => value !== "disabled",
  },
  {
    member: "reasoning.context",
    fate: "dropped",
    words: "upstream alone decides which earlier reasoning the model sees",
    matters: (value) => value !== "auto",
  },
  {
    member: "reasoning.mode",
    fate: "dropped",
    words: "chat completions have nothing like it",
    matters: (value) => value !== "standard",
  },
  {
    member: "context_management",
    fate: "dropped",
    words: "nobody shortens the history",
  },
  { member: "n", fate: "dropped", words: "a response is one answer" },
  { member: "client_metadata", fate: "kept", words: "codex says it of itself" },
  {
    member: "background",
    fate: "refused",
    words:
      "the proxy makes such a response itself, " +
      "but not on Workers, nor for a key that logs metadata",
    matters: (value) => value !== false,
  },
  {
    member: "conversation",
    fate: "refused",
    words: "conversations are kept by an upstream of the Responses API alone",
  },
  {
    member: "prompt",
    fate: "refused",
    words: "stored prompts are known to an upstream of the Responses API alone",
  },
];
