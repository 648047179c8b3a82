/**
 * Models that refuse function tools on chat completions, and how they say so. Their Responses API
 * takes them.
 */
import type { DialectRequest } from "../dialects/dialect.ts";
import { parseJson } from "../openai/json.ts";
import { memberText } from "../openai/json-object-text.ts";
import type { UpstreamRefusal } from "../openai/upstream-error.ts";

interface Row {
  /** OpenAI's names of them. */
  models: RegExp;
  /** Whether they refuse tools at an effort; null: the request asks for none. */
  refuses(effort: unknown): boolean;
  /** Where it was seen. */
  source: string;
}

const ROWS: Row[] = [
  {
    models: /^(?:ft:)?gpt-5\.[45](?!\d)/,
    refuses: (effort) => effort !== null && effort !== "none",
    source: "openai/openai-openapi#541, pipecat-ai/pipecat#4043, charmbracelet/crush#2913",
  },
  {
    models: /^(?:ft:)?gpt-(?:5\.(?:[6-9]|\d\d)|[6-9])(?!\d)/,
    refuses: (effort) => effort !== "none",
    source: "BerriAI/litellm#34569, danny-avila/LibreChat#14355, livekit/agents#7169",
  },
];

function effortOf(request: DialectRequest): unknown {
  const text = memberText(request.text, "reasoning_effort");
  return text === undefined ? null : parseJson(text);
}

/**
 * Whether a request of chat completions would be refused for tools beside it, by its model's name.
 */
export function takesNoTools(request: DialectRequest): boolean {
  const row = ROWS.find(({ models }) => models.test(request.model ?? ""));
  return row !== undefined && row.refuses(effortOf(request));
}

/** Statuses of a request that was not understood. */
const NOT_UNDERSTOOD = new Set([400, 422]);

/**
 * Whether a refusal says that the model takes no function tools there beside its reasoning. OpenAI:
 * "Function tools with reasoning_effort are not supported for gpt-5.6 in /v1/chat/completions. To
 * use function tools, use /v1/responses or set reasoning_effort to 'none'."
 */
export function isRefusalOfTools({ response, words }: UpstreamRefusal): boolean {
  if (!NOT_UNDERSTOOD.has(response.status)) return false;
  return /tool|function/i.test(words) && /reasoning|\/responses\b/i.test(words);
}
