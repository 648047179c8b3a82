/** What a model costs: by the operator's own prices, or by those that ship in a package. */
import type { ModelPrice, PriceOptions } from "@pydantic/genai-prices";
import { forgetOldest } from "../memory.ts";
import { findOverride, type ModelPrices, type PriceOverrides } from "./price-overrides.ts";

export type { ModelPrice };

/** Which call is priced. */
export interface PricedCall {
  /** As the client named it; null where it named none. */
  model: string | null;
  /** Base URL that it went to: the same model has a price at each provider. */
  upstream: string | null;
  /** Prices change, some with the hour. */
  at: Date;
}

/**
 * Makers whose models nobody else serves under these names. At an address that no provider is known
 * by (a gateway, a company's own proxy) theirs is the price. Names of open models say nothing
 * there: `deepseek-r1` may run on one's own machine.
 */
const MAKERS = [
  {
    providerId: "openai",
    models:
      /^(?:ft:)?(?:gpt-(?!oss)|chatgpt-|codex-|text-embedding-(?:3|ada)-|whisper-1$|o\d(?:-|$))/,
  },
  { providerId: "anthropic", models: /^claude-/ },
  { providerId: "google", models: /^gemini-/ },
  { providerId: "x-ai", models: /^grok-/ },
];

/** Names of prices are the package's: US dollars for a million tokens. */
function ownPrice(prices: ModelPrices): ModelPrice {
  return {
    input_mtok: prices.inputPerMillion,
    output_mtok: prices.outputPerMillion,
    cache_read_mtok: prices.cachedInputPerMillion,
    cache_write_mtok: prices.cacheWritePerMillion,
    input_audio_mtok: prices.audioInputPerMillion,
    output_audio_mtok: prices.audioOutputPerMillion,
  };
}

/**
 * The price that ships in the package. It is loaded when first needed: 0.83 MB, 30 ms and 4 MB of
 * memory (measured 2026-11).
 */
async function shippedPrice(
  model: string,
  { upstream, at }: PricedCall,
): Promise<ModelPrice | null> {
  const { calcPrice, findProvider } = await import("@pydantic/genai-prices");
  const priceOf = (name: string, provider: PriceOptions) =>
    calcPrice({}, name, { ...provider, timestamp: at })?.model_price ?? null;
  const atHome = upstream === null ? undefined : findProvider({ providerApiUrl: upstream });
  // Gateways put the maker's name in front (`openai/gpt-4.1-mini`), Google puts `models/`.
  const name = model.slice(model.lastIndexOf("/") + 1).toLowerCase();
  if (atHome !== undefined)
    return priceOf(model, { providerId: atHome.id }) ?? priceOf(name, { providerId: atHome.id });
  const maker = MAKERS.find(({ models }) => models.test(name));
  return maker === undefined ? null : priceOf(name, { providerId: maker.providerId });
}

/** A price, as it was in one minute. */
interface FoundPrice {
  minute: number;
  price: Promise<ModelPrice | null>;
}

const MINUTE_MS = 60_000;
const MAX_FOUND = 1000;
/** No model's name is longer; foreign ones may be, and are not remembered. */
const MAX_NAME_LENGTH = 200;

/** By the operator's own prices, by upstream and model: finding one costs 25 to 45 µs. */
const found = new WeakMap<PriceOverrides, Map<string, FoundPrice>>();

async function newlyFound(
  model: string,
  call: PricedCall,
  overrides: PriceOverrides,
): Promise<ModelPrice | null> {
  const own = findOverride(overrides, model);
  return own === null ? shippedPrice(model, call) : ownPrice(own);
}

/**
 * The price of a call's tokens, or null where nobody knows it. A free model has a price without
 * members.
 */
export async function findPrice(
  call: PricedCall,
  overrides: PriceOverrides,
): Promise<ModelPrice | null> {
  const { model, upstream, at } = call;
  if (model === null) return null;
  if (model.length > MAX_NAME_LENGTH) return newlyFound(model, call, overrides);
  const known = found.get(overrides) ?? new Map<string, FoundPrice>();
  found.set(overrides, known);
  const name = `${upstream} ${model}`;
  const minute = Math.floor(at.getTime() / MINUTE_MS);
  const last = known.get(name);
  if (last?.minute === minute) return last.price;
  const price = newlyFound(model, call, overrides);
  known.delete(name);
  known.set(name, { minute, price });
  forgetOldest(known, MAX_FOUND);
  return price;
}
