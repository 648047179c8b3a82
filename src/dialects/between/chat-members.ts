/**
 * What becomes of each member of a request of chat completions whose rounds an upstream answers in
 * the Responses API: https://platform.openai.com/docs/guides/migrate-to-responses
 */
import { isObject, type JsonObject } from "../../openai/json.ts";
import { foreignTool, toolChoiceOf, toolsText } from "./chat-tools.ts";

/** One member. */
interface MemberRow {
  /**
   * `mapped`: it has a counterpart. `dropped`: it has none, and what the client gets stays the same
   * without it, which the record notes. `stays`: it has none, so such a request is asked in chat
   * completions.
   */
  fate: "mapped" | "dropped" | "stays";
  /** Where it goes: a member, or one of a member. */
  to?: string;
  /** What the docs say beside that. */
  words: string;
  /** Whether a value asks for nothing beyond what is usual: then nothing becomes of it. */
  isUsual?(value: unknown): boolean;
  /** Why a value of a mapped member keeps the request on chat completions, or null. */
  refuses?(value: unknown): string | null;
  /** Its value's text there; else it is as it was spelled. Undefined: there is none. */
  spell?(text: string, value: unknown, body: JsonObject): string | undefined;
}

/** OpenAI's least `max_output_tokens`. */
const LEAST_OUTPUT = 16;

const isZero = (value: unknown): boolean => value === 0;
const isEmpty = (value: unknown): boolean =>
  (Array.isArray(value) && value.length === 0) ||
  (isObject(value) && Object.keys(value).length === 0);

const same = (words = ""): MemberRow => ({ fate: "mapped", words });

/** A limit of what is said, which counts reasoning too at both ends. */
const limit = (words: string): MemberRow => ({
  fate: "mapped",
  to: "max_output_tokens",
  words,
  refuses: (value) =>
    typeof value === "number" && value < LEAST_OUTPUT
      ? `it is below ${LEAST_OUTPUT}, the least that the Responses API takes`
      : null,
});

/** The format of an answer, whose schema is one object less deep there. */
function formatText(text: string, value: unknown): string {
  const inside = isObject(value) ? value["json_schema"] : undefined;
  return isObject(inside) ? JSON.stringify({ type: "json_schema", ...inside }) : text;
}

const LOGPROBS = '["message.output_text.logprobs"]';

/** The table, by the member's name. */
export const CHAT_MEMBERS: Record<string, MemberRow> = {
  model: same(),
  messages: { fate: "mapped", to: "input", words: "each message as the items that it is" },
  stream: same(),
  stream_options: {
    fate: "mapped",
    words: "`include_obfuscation`; usage comes unasked, and is given to who asks",
    spell: (_text, value) => {
      const wish = isObject(value) ? value["include_obfuscation"] : undefined;
      return wish === undefined ? undefined : JSON.stringify({ include_obfuscation: wish });
    },
  },
  temperature: same(),
  top_p: same(),
  metadata: same(),
  user: same(),
  safety_identifier: same(),
  prompt_cache_key: same(),
  prompt_cache_retention: same(),
  prompt_cache_options: same(),
  service_tier: same(),
  parallel_tool_calls: same(),
  store: {
    fate: "mapped",
    words: "`false` where the request says nothing; what is stored is a response",
  },
  max_completion_tokens: limit(`from ${LEAST_OUTPUT}; a lower one stays on chat completions`),
  max_tokens: {
    ...limit("the same, where there is no `max_completion_tokens`"),
    spell: (text, _value, body) =>
      typeof body["max_completion_tokens"] === "number" ? undefined : text,
  },
  reasoning_effort: { ...same("no summary is asked for"), to: "reasoning.effort" },
  verbosity: { ...same(), to: "text.verbosity" },
  response_format: { fate: "mapped", to: "text.format", words: "", spell: formatText },
  logprobs: {
    fate: "mapped",
    to: "include",
    words: "`message.output_text.logprobs`",
    isUsual: (value) => value === false,
    spell: () => LOGPROBS,
  },
  top_logprobs: same(),
  tools: {
    fate: "mapped",
    words: "functions (`strict: false` where nothing is said) and custom tools; others stay",
    refuses: foreignTool,
    spell: toolsText,
  },
  tool_choice: {
    fate: "mapped",
    words: "each form",
    spell: (_text, value) => JSON.stringify(toolChoiceOf(value)),
  },
  seed: { fate: "dropped", words: "the API has none, and promises nothing of it" },
  prediction: { fate: "dropped", words: "it makes answers faster, and no other" },
  n: {
    fate: "stays",
    words: "more than one answer",
    isUsual: (value) => value === 1,
  },
  stop: { fate: "stays", words: "the API stops at no words", isUsual: isEmpty },
  logit_bias: { fate: "stays", words: "the API has none", isUsual: isEmpty },
  frequency_penalty: { fate: "stays", words: "the API has none", isUsual: isZero },
  presence_penalty: { fate: "stays", words: "the API has none", isUsual: isZero },
  audio: { fate: "stays", words: "the API makes no sounds" },
  modalities: {
    fate: "stays",
    words: "the API answers in text",
    isUsual: (value) => Array.isArray(value) && value.every((one) => one === "text"),
  },
  web_search_options: {
    fate: "stays",
    words: "models that search by themselves have no other API",
  },
  moderation: { fate: "stays", words: "its results are spelled otherwise" },
  functions: { fate: "stays", words: "`tools` replaced it", isUsual: isEmpty },
  function_call: { fate: "stays", words: "`tool_choice` replaced it" },
};

/** What a member that no row knows means is unknown: such a request is asked as it came. */
export const UNKNOWN_MEMBER: MemberRow = {
  fate: "stays",
  words: "no member of OpenAI's chat completions: nobody knows its counterpart",
};
