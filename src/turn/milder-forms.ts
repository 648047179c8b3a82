/**
 * Which refusal of what the proxy added to a request leads to which milder form. An added tool must
 * never turn a request that works into an error, so a round is asked again without what upstream
 * named, in the first form here that applies.
 */
import type { DialectRequest, LoopState, RoundForm } from "../dialects/dialect.ts";
import type { UpstreamRefusal } from "../openai/upstream-error.ts";
import type { FormName } from "./known-forms.ts";

/** A round that was refused. */
export interface RefusedRound {
  request: DialectRequest;
  state: LoopState;
  /** The form in which it was refused. */
  form: RoundForm;
  /** How many of the proxy's tools it offered. */
  offered: number;
  /** Whether it showed images or sounds of tools. */
  showsMedia: boolean;
}

/** One row: a form, and when it is the next one. */
export interface MilderForm {
  name: FormName;
  /** What the record says was done. */
  words: string;
  /** Whether the round has what the form leaves out. */
  applies(round: RefusedRound): boolean;
  /** Whether the refusal is about that. */
  isNamed(refusal: UpstreamRefusal): boolean;
  /** A number that the form needs, from upstream's words. */
  value?(refusal: UpstreamRefusal): number;
  /** Whether the next turns begin with it. Absent: yes. */
  lasts?(refusal: UpstreamRefusal): boolean;
}

/**
 * How servers refuse an image that their model does not take: 400 as a rule, 404 OpenRouter, 413
 * and 415 gateways, 422 validators, 500 llama.cpp.
 */
const REFUSED_MEDIA = new Set([400, 404, 413, 415, 422, 500]);
/** Errors over one image, or over all that was said: another image may be taken. */
const OF_THIS_ONE =
  /^(?:invalid_(?:image|base64|audio)|image_|unsupported_image|context_length|string_above|request_too_large)/;
/** Statuses of a request that was not understood. */
const NOT_UNDERSTOOD = new Set([400, 422]);
/** Some say it with these, and name what they mean: 404 OpenRouter, 500 llama.cpp, 501 vLLM. */
const NOT_UNDERSTOOD_BY_NAME = new Set([400, 404, 405, 415, 422, 500, 501]);
/** What has nothing to do with anything that the proxy adds. */
const CLIENTS_OWN =
  /model_not_found|invalid_api_key|content_filter|content_policy|insufficient_quota/;
const TOOLS = /tool|function/i;

const says = ({ words }: UpstreamRefusal, pattern: RegExp): boolean => pattern.test(words);

/** OpenAI takes 128 tools, and says so: "Expected an array with maximum length 128". */
const USUAL_MAX_TOOLS = 128;
const MAX_TOOLS_WORDS =
  /(?:max(?:imum)?(?: length| number)?(?: of)?|at most|up to|limit(?: of| is)?)\D{0,20}(\d{1,4})/i;
const TOO_MANY = /array_above_max|too many|maximum (?:length|number)|at most|exceed|no more than/i;

function maxToolsOf({ words }: UpstreamRefusal): number {
  const named = Number(MAX_TOOLS_WORDS.exec(words)?.[1] ?? USUAL_MAX_TOOLS);
  return named > 0 ? named : USUAL_MAX_TOOLS;
}

const hasReasoning = ({ state }: RefusedRound): boolean =>
  state.appended.some((item) => "reasoning_content" in item || "reasoning_details" in item);

/** In the order in which they are tried: the mildest first. */
export const MILDER_FORMS: MilderForm[] = [
  {
    name: "withoutMedia",
    words: "without the images and sounds of tools",
    applies: ({ showsMedia }) => showsMedia,
    isNamed: ({ response }) => REFUSED_MEDIA.has(response.status),
    lasts: ({ response, code }) => response.status !== 413 && !OF_THIS_ONE.test(code ?? ""),
  },
  {
    name: "withoutUsage",
    words: "without asking for usage",
    applies: ({ request, form }) => request.addsUsage && form.withoutUsage !== true,
    isNamed: (refusal) =>
      NOT_UNDERSTOOD.has(refusal.response.status) && says(refusal, /stream_options|include_usage/i),
  },
  {
    name: "withoutReasoningText",
    words: "without what the model reasoned in earlier rounds",
    applies: (round) => hasReasoning(round) && round.form.withoutReasoningText !== true,
    isNamed: (refusal) =>
      NOT_UNDERSTOOD.has(refusal.response.status) &&
      says(refusal, /reasoning_(?:content|details)/i),
  },
  {
    // OpenAI, gpt-5.4 and later: "Function tools with reasoning_effort are not supported …".
    name: "withoutReasoning",
    words: 'with reasoning_effort "none", because the model takes no tools beside reasoning',
    applies: ({ offered, form }) => offered > 0 && form.withoutReasoning !== true,
    isNamed: (refusal) =>
      NOT_UNDERSTOOD.has(refusal.response.status) &&
      says(refusal, /reasoning/i) &&
      says(refusal, TOOLS),
  },
  {
    name: "maxTools",
    words: "with as many tools as upstream takes",
    applies: ({ offered, form }) => offered > 0 && form.maxTools === undefined,
    isNamed: (refusal) =>
      NOT_UNDERSTOOD.has(refusal.response.status) &&
      says(refusal, TOO_MANY) &&
      says(refusal, TOOLS),
    value: maxToolsOf,
  },
  {
    name: "withoutTools",
    words: "without the proxy's tools",
    applies: ({ offered, state, form }) =>
      offered > 0 && state.round === 1 && form.withoutTools !== true,
    isNamed: (refusal) => {
      const { status } = refusal.response;
      if (says(refusal, TOOLS)) return NOT_UNDERSTOOD_BY_NAME.has(status);
      return NOT_UNDERSTOOD.has(status) && !says(refusal, CLIENTS_OWN);
    },
  },
  {
    // Servers in front of Anthropic and Bedrock want tools beside a history of calls.
    name: "keepsTools",
    words: "with the withdrawn tools, which may not be called",
    applies: ({ offered, state, form, request }) =>
      offered === 0 &&
      state.appended.length > 0 &&
      request.clientTools.size === 0 &&
      form.keepsTools !== true,
    isNamed: ({ response }) => response.status === 400,
    lasts: () => false,
  },
];

/** The next form for a refused round, or null: then the refusal is the client's to see. */
export function milderForm(round: RefusedRound, refusal: UpstreamRefusal): MilderForm | null {
  return MILDER_FORMS.find((row) => row.applies(round) && row.isNamed(refusal)) ?? null;
}

/** A form with one more member. */
export function withForm(form: RoundForm, row: MilderForm, value: number): RoundForm {
  return { ...form, [row.name]: row.value === undefined ? true : value };
}
