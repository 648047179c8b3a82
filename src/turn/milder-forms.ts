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
  /** Whether the proxy made it of a request in another dialect. */
  isTranslated: boolean;
  /** Whether it showed images or sounds of tools. */
  showsMedia: boolean;
  /** Whether it sent back what the model reasoned in rounds that the client does not see. */
  hasReasoning: boolean;
}

/** One row: a form, and when it is the next one. */
export interface MilderForm {
  name: FormName;
  /** What the record says was done. */
  words: string;
  /** Whether the round has what the form leaves out. */
  applies(round: RefusedRound): boolean;
  /** Whether the refusal is about that. */
  isNamed(refusal: UpstreamRefusal, round: RefusedRound): boolean;
  /** A number that the form needs, from upstream's words. */
  value?(refusal: UpstreamRefusal): number;
  /** Whether the next turns begin with it. Absent: yes. */
  lasts?(refusal: UpstreamRefusal): boolean;
  /** Whether it means nothing where no tools are offered. */
  isForTools?: true;
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
const NOT_UNDERSTOOD_BY_NAME = new Set([404, 405, 415, 500, 501]);
/**
 * What has nothing to do with the proxy's tools; what it adds to `stream_options` was left out
 * before.
 */
const CLIENTS_OWN =
  /model_not_found|invalid_api_key|content_filter|content_policy|insufficient_quota|stream_options/;
/** A hint is enough where the request was not understood; else tools must be named as such. */
const TOOLS = /tool|function/i;
const TOOLS_BY_NAME =
  /\btools?\b|\btool[_-]|\bfunction[ _-]?(?:call|calls|calling|tools?|declarations?)\b/i;
/** A server that stumbled may name tools too; one that cannot take them says so. */
const CANNOT = /support|requires?|not (?:allowed|available|enabled|implemented)/i;
/** The request was too long with the tools: another one may not be. */
const TOO_LONG = /context.{0,3}length|context.{0,3}window|\btokens?\b|too_large|too large/i;

/**
 * OpenAI, of reasoning that another model or organization sealed: "The encrypted content gAAA…
 * could not be verified."
 */
const NOT_OPENED = /invalid_encrypted_content|encrypted content .{0,200}could not be/is;

/** Members that a translation says, and some servers do not know. */
const UNCOMMON_MEMBERS = new RegExp(
  [
    "max_completion_tokens|prompt_cache_|safety_identifier|verbosity",
    "service_tier|parallel_tool_calls|moderation",
  ].join("|"),
);

const says = ({ words }: UpstreamRefusal, pattern: RegExp): boolean => pattern.test(words);

/** OpenAI takes 128 tools, and says so: "Expected an array with maximum length 128". */
const USUAL_MAX_TOOLS = 128;
const MAX_TOOLS_WORDS =
  /(?:array with maximum length|at most|up to|more than|max(?:imum)?\b|limit\b)\D{0,30}?(\d{1,4})\b/i;
const TOO_MANY = new RegExp(
  [
    "array_above_max|array (?:too long|with maximum length)|too many (?:tools|functions)",
    "(?:maximum|max|most|limit|up to|more than|exceeds?|exceeded)\\b.{0,40}?\\b(?:tools|functions|items)",
    "(?:tools|functions).{0,40}?\\b(?:at most|maximum|exceeds?|exceeded|limit)\\b",
  ].join("|"),
  "i",
);

function maxToolsOf({ words }: UpstreamRefusal): number {
  const named = Number(MAX_TOOLS_WORDS.exec(words)?.[1] ?? USUAL_MAX_TOOLS);
  return named > 0 ? named : USUAL_MAX_TOOLS;
}

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
    applies: ({ request }) => request.addsUsage,
    isNamed: (refusal) =>
      NOT_UNDERSTOOD.has(refusal.response.status) && says(refusal, /stream_options|include_usage/i),
  },
  {
    name: "withoutReasoningText",
    words: "without what the model reasoned in earlier rounds",
    applies: ({ hasReasoning }) => hasReasoning,
    isNamed: (refusal) =>
      NOT_UNDERSTOOD.has(refusal.response.status) &&
      (says(refusal, /reasoning_(?:content|details)/i) || says(refusal, NOT_OPENED)),
    // Another history may be one that upstream can open.
    lasts: (refusal) => !says(refusal, NOT_OPENED),
  },
  {
    // OpenAI, of models that do not reason: "Encrypted content is not supported with this model."
    name: "withoutEncryptedReasoning",
    words: "without asking for encrypted reasoning",
    applies: ({ request }) => request.addsEncryptedReasoning,
    isNamed: (refusal) =>
      NOT_UNDERSTOOD.has(refusal.response.status) && says(refusal, /encrypted|\binclude\b/i),
  },
  {
    // Mistral: "Extra inputs are not permitted"; Groq: "property 'verbosity' is unsupported".
    name: "commonMembers",
    words: "with members alone that every server of chat completions knows",
    applies: ({ isTranslated, request }) => isTranslated && request.dialect.name === "chat",
    isNamed: (refusal) =>
      NOT_UNDERSTOOD.has(refusal.response.status) && says(refusal, UNCOMMON_MEMBERS),
  },
  {
    // OpenAI, gpt-5.4 and later: "Function tools with reasoning_effort are not supported …". Beside
    // tools of the client it would have been refused without the proxy's too.
    name: "withoutReasoning",
    words: 'with reasoning_effort "none", because the model takes no tools beside reasoning',
    applies: ({ offered, request }) => offered > 0 && request.clientTools.size === 0,
    isNamed: (refusal) =>
      NOT_UNDERSTOOD.has(refusal.response.status) &&
      says(refusal, /reasoning/i) &&
      says(refusal, TOOLS),
    isForTools: true,
  },
  {
    name: "maxTools",
    words: "with as many tools as upstream takes",
    applies: ({ offered }) => offered > 0,
    isNamed: (refusal, { offered, request }) =>
      NOT_UNDERSTOOD.has(refusal.response.status) &&
      says(refusal, TOO_MANY) &&
      says(refusal, TOOLS) &&
      !says(refusal, TOO_LONG) &&
      maxToolsOf(refusal) < offered + request.clientTools.size,
    value: maxToolsOf,
    isForTools: true,
  },
  {
    name: "withoutTools",
    words: "without the proxy's tools",
    applies: ({ offered, state }) => offered > 0 && state.round === 1,
    isNamed: (refusal) => {
      const { status } = refusal.response;
      if (NOT_UNDERSTOOD_BY_NAME.has(status)) return says(refusal, TOOLS_BY_NAME);
      if (!NOT_UNDERSTOOD.has(status)) return false;
      return says(refusal, TOOLS) || !says(refusal, CLIENTS_OWN);
    },
    lasts: (refusal) =>
      !says(refusal, TOO_LONG) && (refusal.response.status !== 500 || says(refusal, CANNOT)),
  },
  {
    // Servers in front of Anthropic and Bedrock want tools beside a history of calls.
    name: "keepsTools",
    words: "with the withdrawn tools, which may not be called",
    applies: ({ offered, state, request }) =>
      offered === 0 && state.appended.length > 0 && request.clientTools.size === 0,
    isNamed: ({ response }) => response.status === 400,
    lasts: () => false,
  },
];

/**
 * The next form for a refused round, or null: then the refusal is the client's to see.
 * @param tried forms that were taken for this round already
 */
export function milderForm(
  round: RefusedRound,
  refusal: UpstreamRefusal,
  tried: ReadonlySet<FormName>,
): MilderForm | null {
  const isNext = (row: MilderForm): boolean => {
    const isNew = !tried.has(row.name) && (row.value !== undefined || !(row.name in round.form));
    return isNew && row.applies(round) && row.isNamed(refusal, round);
  };
  return MILDER_FORMS.find(isNext) ?? null;
}

/** A form with one more member. */
export function withForm(form: RoundForm, row: MilderForm, value: number): RoundForm {
  return { ...form, [row.name]: row.value === undefined ? true : value };
}

/** A form with one member as it was before. */
export function withoutForm(form: RoundForm, { name }: MilderForm, before: RoundForm): RoundForm {
  const { [name]: _left, ...others } = form;
  return name in before ? { ...others, [name]: before[name] } : others;
}
