/** What a request may use, before anybody knows: so much is held of its key's limits meanwhile. */
import { pickMembers } from "../openai/json-object-text.ts";
import type { Usage } from "../openai/usage.ts";
import type { Platform } from "../platform.ts";
import { isMediaEndpoint } from "../record/media-endpoint.ts";
import { findPrice } from "../record/model-prices.ts";
import { costAt } from "../record/price-rounds.ts";
import type { TurnRecord } from "../record/turn-record.ts";
import { CHARACTERS_PER_TOKEN, TOKEN_ENDPOINT, withoutBytes } from "./estimate-usage.ts";
import { learntUse, type TurnUse } from "./learnt-use.ts";

/** A request that is about to be sent. */
export interface OpeningTurn {
  record: Readonly<TurnRecord>;
  request: Request;
  /** Base URL. */
  upstream: string;
}

/** What a request may use. */
export interface ExpectedUse {
  /** As far as the request names one. */
  model: string;
  use: TurnUse;
}

/** What of a request's body says how much it may use. */
interface AskedUse {
  model: string;
  /** Tokens of what is sent. */
  prompt: number;
  /** Tokens of all answers at most; null where the request does not say. */
  completion: number | null;
}

const EMBEDDINGS = /\/embeddings$/;
/** What an answer may have at most, by which name. */
const BOUNDS = ["max_completion_tokens", "max_output_tokens", "max_tokens"];
/** How many answers are made. */
const COUNTS = ["n", "best_of"];
const MEMBERS = ["model", ...BOUNDS, ...COUNTS];
/** An answer of which the request does not say how long it may be, as a rule. */
const USUAL_COMPLETION = 1024;
/**
 * What a turn is taken for whose request sets no bound, or whose price is not known, while none of
 * the key's with its model has ended in this process: an answer of the longest that most models
 * give, and a dollar.
 */
const UNKNOWN: TurnUse = { tokens: 16_384, cost: 1 };

const countIn = (members: Map<string, string>, names: string[]): number | null => {
  const counts = names.map((name) => Number(members.get(name) ?? Number.NaN));
  return counts.find((count) => Number.isFinite(count) && count > 0) ?? null;
};

function membersOf(text: string): Map<string, string> {
  try {
    return pickMembers(text, MEMBERS);
  } catch (error) {
    // A body that is no JSON, of which nobody can tell.
    if (error instanceof SyntaxError) return new Map();
    throw error;
  }
}

const modelIn = (members: Map<string, string>): string | null =>
  /^"(?:[^"\\]|\\.)*"$/.test(members.get("model") ?? "")
    ? String(JSON.parse(members.get("model") ?? '""'))
    : null;

function askedUse({ record, request }: OpeningTurn, path: string): AskedUse {
  const { request: text, seenModel } = record;
  const bytes = Number(request.headers.get("content-length") ?? 0);
  const sent = text === null ? bytes : withoutBytes(text);
  const members: Map<string, string> = text === null ? new Map() : membersOf(text);
  const bound = countIn(members, BOUNDS);
  const isRead = TOKEN_ENDPOINT.test(path);
  return {
    model: modelIn(members) ?? seenModel ?? "",
    prompt: isRead ? Math.ceil(sent / CHARACTERS_PER_TOKEN) : 0,
    completion: EMBEDDINGS.test(path)
      ? 0
      : bound === null
        ? null
        : bound * (countIn(members, COUNTS) ?? 1),
  };
}

const usageOf = (prompt: number, completion: number): Usage => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
});

/**
 * What a request may use: by its own words, and no less than the key's turns with its model used
 * lately. Null where it uses nothing that is counted.
 * @param hasBudget whether its cost is asked for
 */
export async function expectedUse(
  { config, memory, clock }: Pick<Platform, "config" | "memory" | "clock">,
  opening: OpeningTurn,
  hasBudget: boolean,
): Promise<ExpectedUse | null> {
  const { record, request, upstream } = opening;
  const path = record.bodies ?? record.endpoint;
  if (request.method !== "POST") return null;
  if (!TOKEN_ENDPOINT.test(path) && !isMediaEndpoint(path)) return null;
  const { model, prompt, completion } = askedUse(opening, path);
  const usage = usageOf(prompt, completion ?? USUAL_COMPLETION);
  const call = { model, upstream, at: new Date(clock.now()) };
  const price = hasBudget ? await findPrice(call, config.prices) : null;
  const cost = price === null ? null : costAt(usage, price).cost;
  const least = learntUse(memory, { key: record.apiKeyId, model }) ?? {
    tokens: completion === null ? prompt + UNKNOWN.tokens : 0,
    cost: completion === null || cost === null ? UNKNOWN.cost : 0,
  };
  const tokens = Math.max(usage.total_tokens, least.tokens);
  return { model, use: { tokens, cost: Math.max(cost ?? 0, least.cost) } };
}
