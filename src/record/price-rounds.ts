/** What a turn's rounds cost: by upstream's own account, or by their tokens. */
import type { BilledUnits } from "../openai/billed-units.ts";
import { isObject } from "../openai/json.ts";
import type { Usage } from "../openai/usage.ts";
import type { CountedRound } from "./count-rounds.ts";
import { findPrice, type ModelPrice, type PricedCall } from "./model-prices.ts";
import type { PriceOverrides } from "./price-overrides.ts";
import type { RoundRecord } from "./turn-record.ts";

/** A round whose cost is known, as far as it can be. */
export interface PricedRound extends CountedRound {
  /** Part of the prompt tokens; null where upstream did not say. */
  cachedTokens: number | null;
  /** Part of the completion tokens; null where upstream did not say. */
  reasoningTokens: number | null;
  /** US dollars; null where there are no tokens, or none whose price is known. */
  cost: number | null;
  /** Whether it has tokens whose price is not known. */
  costIncomplete: boolean;
}

/** Tokens of one kind, each counted once. */
interface TokenPart {
  tokens: number;
  /** Names of its price, in the order of preference. */
  prices: string[];
}

/** The first count among these places of a usage object; a dot goes into a member. */
function countAt(usage: Usage, ...places: string[]): number | null {
  for (const place of places) {
    const value = place
      .split(".")
      .reduce<unknown>((inner, name) => (isObject(inner) ? inner[name] : undefined), usage);
    if (typeof value === "number" && value >= 0 && Number.isFinite(value)) return value;
  }
  return null;
}

/** OpenAI's spelling, DeepSeek's, and Anthropic's as gateways pass it on. */
const cachedIn = (usage: Usage) =>
  countAt(
    usage,
    "prompt_tokens_details.cached_tokens",
    "input_tokens_details.cached_tokens",
    "prompt_cache_hit_tokens",
    "cache_read_input_tokens",
    "cached_tokens",
  );
const writtenIn = (usage: Usage) =>
  countAt(
    usage,
    "prompt_tokens_details.cache_write_tokens",
    "cache_creation_input_tokens",
    "prompt_tokens_details.cache_creation_tokens",
  );
const reasoningIn = (usage: Usage) =>
  countAt(
    usage,
    "completion_tokens_details.reasoning_tokens",
    "output_tokens_details.reasoning_tokens",
    "reasoning_tokens",
  );

/**
 * All tokens that are billed. Some upstreams leave parts out of the counts: Anthropic's own
 * spelling has no cached tokens in the prompt's, xAI and Gemini no reasoning in the completion's.
 * Then the parts add up to the total.
 */
function billedTokens(usage: Usage): { input: number; output: number } {
  const { prompt_tokens: input, completion_tokens: output, total_tokens: total } = usage;
  const missing = total - input - output;
  const aside =
    (countAt(usage, "cache_read_input_tokens") ?? 0) +
    (countAt(usage, "cache_creation_input_tokens") ?? 0);
  if (aside > input || (aside > 0 && missing === aside)) return { input: input + aside, output };
  return { input, output: missing > 0 ? output + missing : output };
}

/**
 * Divides a whole: each part takes no more than what the parts before have left. What remains is
 * the last part's.
 */
function divide(whole: number, parts: (TokenPart | string[])[]): TokenPart[] {
  let left = whole;
  return parts.map((part) => {
    const { tokens, prices } = Array.isArray(part) ? { tokens: left, prices: part } : part;
    const taken = Math.min(tokens, left);
    left -= taken;
    return { tokens: taken, prices };
  });
}

function partsOf(usage: Usage): TokenPart[] {
  const { input, output } = billedTokens(usage);
  const details = (name: string) => countAt(usage, name) ?? 0;
  return [
    ...divide(input, [
      { tokens: cachedIn(usage) ?? 0, prices: ["cache_read_mtok", "input_mtok"] },
      { tokens: writtenIn(usage) ?? 0, prices: ["cache_write_mtok", "input_mtok"] },
      { tokens: details("prompt_tokens_details.audio_tokens"), prices: ["input_audio_mtok"] },
      {
        tokens: details("prompt_tokens_details.image_tokens"),
        prices: ["input_image_mtok", "input_mtok"],
      },
      ["input_mtok"],
    ]),
    ...divide(output, [
      { tokens: details("completion_tokens_details.audio_tokens"), prices: ["output_audio_mtok"] },
      {
        tokens: details("completion_tokens_details.image_tokens"),
        prices: ["output_image_mtok", "output_mtok"],
      },
      { tokens: reasoningIn(usage) ?? 0, prices: ["output_reasoning_mtok", "output_mtok"] },
      ["output_mtok"],
    ]),
  ].filter(({ tokens }) => tokens > 0);
}

/** A price for a million: it may depend on how long the whole prompt is. */
function perMillion(price: ModelPrice[string], input: number): number | null {
  if (price === undefined || typeof price === "number") return price ?? null;
  return price.tiers.reduce((found, tier) => (input > tier.start ? tier.price : found), price.base);
}

type Cost = Pick<PricedRound, "cost" | "costIncomplete">;

/** What is billed beside tokens: each by a thousand or an hour, and the names of its price. */
function unitCosts(usage: Usage, units: BilledUnits, price: ModelPrice): (number | null)[] {
  const { audioSeconds = 0, fileSearches = 0 } = units;
  // Anthropic counts them in its usage.
  const { webSearches = countAt(usage, "server_tool_use.web_search_requests") ?? 0 } = units;
  const parts: [count: number, ...names: string[]][] = [
    [audioSeconds / 3600, "input_audio_hours", "audio_hours"],
    [webSearches / 1000, "web_searches_kcount"],
    [fileSearches / 1000, "storage_searches_kcount"],
  ];
  return parts
    .filter(([count]) => count > 0)
    .map(([count, ...names]) => {
      const known = names.map((name) => perMillion(price[name], 0)).find((found) => found !== null);
      return known === undefined ? null : count * known;
    });
}

/** What a use costs at a price. */
export function costAt(usage: Usage, price: ModelPrice, units: BilledUnits = {}): Cost {
  // A free model has no prices at all; one that has some may lack just the one that is needed.
  if (Object.keys(price).length === 0) return { cost: 0, costIncomplete: false };
  const { input } = billedTokens(usage);
  const tokenCosts = partsOf(usage).map(({ tokens, prices }) => {
    const known = prices
      .map((name) => perMillion(price[name], input))
      .find((found) => found !== null);
    return known === undefined ? null : (tokens * known) / 1_000_000;
  });
  const costs = [...tokenCosts, ...unitCosts(usage, units, price)];
  const known = costs.filter((cost) => cost !== null);
  if (known.length === 0 && costs.length > 0) return { cost: null, costIncomplete: true };
  const perRequest = (perMillion(price["requests_kcount"], input) ?? 0) / 1000;
  return {
    cost: known.reduce((sum, cost) => sum + cost, perRequest),
    costIncomplete: known.length < costs.length,
  };
}

/**
 * What upstream itself says that it costs: OpenRouter's `usage.cost`, to which comes what its
 * provider bills to the user's own account (https://openrouter.ai/docs/use-cases/usage-accounting);
 * Perplexity's is an object.
 */
function reportedCost(usage: Usage): number | null {
  const cost = countAt(usage, "cost", "cost.total_cost");
  if (cost === null || usage["is_byok"] !== true) return cost;
  return cost + (countAt(usage, "cost_details.upstream_inference_cost") ?? 0);
}

const NO_TOKENS: Usage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };

/** Whether a round used something that has a price. */
export const isUsed = ({ usage, billed }: Pick<RoundRecord, "usage" | "billed">): boolean =>
  usage !== null || billed !== undefined;

/** A round of which nobody knows the price. */
export const unpriced = (round: CountedRound): PricedRound => ({
  ...round,
  cachedTokens: null,
  reasoningTokens: null,
  cost: null,
  costIncomplete: isUsed(round),
});

/**
 * Prices rounds. What nobody knows the price of costs null, never 0.
 * @param overrides the operator's own prices
 */
export async function priceRounds(
  rounds: CountedRound[],
  call: PricedCall,
  overrides: PriceOverrides = { models: {} },
): Promise<PricedRound[]> {
  const isReported = ({ usage }: CountedRound) => usage !== null && reportedCost(usage) !== null;
  const isPriced = (round: CountedRound) => isUsed(round) && !isReported(round);
  const price = rounds.some(isPriced) ? await findPrice(call, overrides) : null;
  return rounds.map((round) => {
    if (!isUsed(round)) return unpriced(round);
    const usage = round.usage ?? NO_TOKENS;
    const reported = reportedCost(usage);
    const unknown: Cost = { cost: null, costIncomplete: true };
    const cost =
      reported === null
        ? price === null
          ? unknown
          : costAt(usage, price, round.billed)
        : { cost: reported, costIncomplete: false };
    return {
      ...round,
      cachedTokens: cachedIn(usage),
      reasoningTokens: reasoningIn(usage),
      ...cost,
    };
  });
}
