import { describe, expect, it } from "vitest";
import { ConfigError, readConfig } from "../../src/config/read-config.ts";
import type { CountedRound } from "../../src/record/count-rounds.ts";
import { parsePriceOverrides } from "../../src/record/price-overrides.ts";
import { priceRounds } from "../../src/record/price-rounds.ts";

const OPENAI = "https://api.openai.com/v1";
const OPENROUTER = "https://openrouter.ai/api/v1";
const GATEWAY = "https://llm.example.com/v1";
const AT = new Date("2026-11-21T12:00:00Z");
const MILLION = 1_000_000;

type Usage = Record<string, unknown>;
const tokens = (prompt: number, completion: number, more: Usage = {}) => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
  ...more,
});

function round(usage: ReturnType<typeof tokens> | null): CountedRound {
  const timing = { timeToFirstTokenMs: 1, durationMs: 2 };
  return {
    round: 1,
    status: "completed",
    usage,
    tokensEstimated: false,
    finishReason: "stop",
    error: null,
    ...timing,
  };
}

interface Call {
  upstream?: string | null;
  at?: Date;
  prices?: unknown;
}

/** What one round with this usage costs. */
async function price(
  model: string | null,
  usage: ReturnType<typeof tokens> | null,
  { upstream = OPENAI, at = AT, prices }: Call = {},
) {
  const parsed = parsePriceOverrides(JSON.stringify(prices ?? { models: {} }));
  expect(parsed.faults).toEqual([]);
  const [priced] = await priceRounds([round(usage)], { model, upstream, at }, parsed.prices);
  if (priced === undefined) throw new Error("A round went missing");
  const { cost, costIncomplete, cachedTokens, reasoningTokens } = priced;
  return {
    cost: cost === null ? null : Number(cost.toPrecision(12)),
    costIncomplete,
    cachedTokens,
    reasoningTokens,
  };
}

const costOf = async (model: string | null, usage: ReturnType<typeof tokens>, call?: Call) =>
  (await price(model, usage, call)).cost;

/** A million tokens each way. */
const both = tokens(MILLION, MILLION);
/** At OpenAI's prices of `gpt-4.1-mini`: 0.40 in, 0.10 in from the cache, 1.60 out. */
const MINI = 2;

describe("the cost of a round", () => {
  it("is that of its tokens, whichever of its names the model is called by", async () => {
    for (const model of ["gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", "openai/gpt-4.1-mini"]) {
      expect(await costOf(model, both), model).toBe(MINI);
      expect(await costOf(model, both, { upstream: GATEWAY }), model).toBe(MINI);
      expect(await costOf(model, both, { upstream: null }), model).toBe(MINI);
    }
    expect(await costOf("openai/gpt-4.1-mini", both, { upstream: OPENROUTER })).toBe(MINI);
    expect(
      await costOf("gpt-4.1-mini", both, { upstream: "https://my.openai.azure.com/openai/v1" }),
    ).toBe(MINI);
    expect(
      await costOf("models/gemini-2.5-flash", both, {
        upstream: "https://generativelanguage.googleapis.com/v1beta/openai",
      }),
    ).toBe(2.8);
  });

  it("is known for OpenAI's embeddings wherever they are asked for", async () => {
    const read = tokens(MILLION, 0);
    for (const upstream of [OPENAI, GATEWAY, null])
      expect(await costOf("text-embedding-3-small", read, { upstream })).toBe(0.02);
  });

  it("is unknown, and not 0, where the model is", async () => {
    const unknown = { cost: null, costIncomplete: true, cachedTokens: null, reasoningTokens: null };
    for (const model of ["gpt-test", "gpt-4.1-mini-of-mine", "", null])
      expect(await price(model, both), String(model)).toEqual(unknown);
  });

  it("is unknown for an open model at an address that nobody knows: it may run on one's own machine", async () => {
    for (const model of [
      "deepseek-r1",
      "gpt-oss-120b",
      "openai/gpt-oss-120b",
      "mistral-small-latest",
      "glm-4.5",
      "kimi-k2",
    ])
      expect(
        await costOf(model, both, { upstream: "http://127.0.0.1:11434/v1" }),
        model,
      ).toBeNull();
    expect(
      await costOf("deepseek-v3.2-exp", both, { upstream: "https://api.deepseek.com/v1" }),
    ).toBe(0.68);
  });

  it("is 0 where the model is known to be free", async () => {
    const free = { cost: 0, costIncomplete: false };
    expect(
      await price("meta-llama/llama-3.3-70b-instruct:free", both, { upstream: OPENROUTER }),
    ).toMatchObject(free);
    expect(
      await price("mine", both, {
        prices: { models: { mine: { inputPerMillion: 0, outputPerMillion: 0 } } },
      }),
    ).toMatchObject(free);
  });

  it("is a fine-tuned model's own, or unknown", async () => {
    expect(await costOf("ft:gpt-4o-mini-2024-07-18:org::id", both)).toBe(1.5);
    expect(await costOf("ft:gpt-4.1-mini:org::id", both)).toBeNull();
  });

  it("is null where there are no tokens, and nothing is missing then", async () => {
    expect(await price("gpt-test", null)).toEqual({
      cost: null,
      costIncomplete: false,
      cachedTokens: null,
      reasoningTokens: null,
    });
    expect(await price("gpt-4.1-mini", tokens(0, 0))).toMatchObject({
      cost: 0,
      costIncomplete: false,
    });
  });

  it("is that of the day on which it was asked for", async () => {
    expect(await costOf("o3", both, { at: new Date("2025-06-01") })).toBe(50);
    expect(await costOf("o3", both)).toBe(10);
  });

  it("goes by the length of the whole prompt where the price does", async () => {
    expect(await costOf("gpt-5.4", tokens(200_000, 0))).toBe(0.5);
    expect(await costOf("gpt-5.4", tokens(300_000, 0))).toBe(1.5);
  });

  it("is each round's own", async () => {
    const priced = await priceRounds([round(both), round(null), round(tokens(MILLION, 0))], {
      model: "gpt-4.1-mini",
      upstream: OPENAI,
      at: AT,
    });
    expect(priced.map(({ cost }) => cost)).toEqual([MINI, null, 0.4]);
  });
});

describe("tokens of other prices", () => {
  it("are taken out of the prompt's where they came from the cache, in every spelling", async () => {
    const cached = 750_000;
    for (const usage of [
      { prompt_tokens_details: { cached_tokens: cached } },
      { prompt_cache_hit_tokens: cached, prompt_cache_miss_tokens: MILLION - cached },
      { cache_read_input_tokens: cached, cache_creation_input_tokens: 0 },
      { cached_tokens: cached },
    ])
      expect(
        await price("gpt-4.1-mini", tokens(MILLION, 0, usage)),
        JSON.stringify(usage),
      ).toMatchObject({
        cost: 0.175,
        cachedTokens: cached,
      });
  });

  it("are no more than there are", async () => {
    const usage = tokens(MILLION, 0, {
      prompt_tokens_details: { cached_tokens: 5 * MILLION, audio_tokens: 7 },
    });
    expect(await costOf("gpt-4.1-mini", usage)).toBe(0.1);
  });

  it("cost what writing into the cache costs, in OpenAI's spelling and in Anthropic's", async () => {
    // Claude Sonnet 4: 3 in, 3.75 into the cache, 0.30 from the cache.
    const written = { cache_creation_input_tokens: 400_000, cache_read_input_tokens: 500_000 };
    expect(
      await costOf("claude-sonnet-4-0", tokens(MILLION, 0, written), {
        upstream: "https://api.anthropic.com/v1",
      }),
    ).toBe(0.3 + 1.5 + 0.15);
    const openai = {
      prompt_tokens_details: { cache_write_tokens: 400_000, cached_tokens: 500_000 },
    };
    expect(
      await costOf("claude-sonnet-4-0", tokens(MILLION, 0, openai), { upstream: GATEWAY }),
    ).toBe(0.3 + 1.5 + 0.15);
  });

  it("are added where the prompt's count leaves cached ones out", async () => {
    const usage = tokens(100_000, 0, {
      cache_creation_input_tokens: 400_000,
      cache_read_input_tokens: 500_000,
    });
    expect(await costOf("claude-sonnet-4-0", usage, { upstream: GATEWAY })).toBe(0.3 + 1.5 + 0.15);
  });

  it("are counted once where they are reasoning within the answer, and added where the answer's count leaves them out", async () => {
    const reasoning = { completion_tokens_details: { reasoning_tokens: 600_000 } };
    expect(await price("gpt-5", tokens(0, MILLION, reasoning))).toMatchObject({
      cost: 10,
      reasoningTokens: 600_000,
    });
    const aside = { ...tokens(0, 400_000, reasoning), total_tokens: MILLION };
    expect(await price("grok-4", aside, { upstream: "https://api.x.ai/v1" })).toMatchObject({
      cost: 15,
      reasoningTokens: 600_000,
    });
  });

  it("cost what audio costs, and are left out, and said to be, where nobody knows what it costs", async () => {
    const usage = tokens(MILLION, MILLION, {
      prompt_tokens_details: { audio_tokens: 500_000 },
      completion_tokens_details: { audio_tokens: 500_000 },
    });
    expect(await price("gpt-audio", usage)).toMatchObject({
      cost: 1.25 + 16 + 5 + 32,
      costIncomplete: false,
    });
    expect(await price("gpt-4.1-mini", usage)).toMatchObject({
      cost: 0.2 + 0.8,
      costIncomplete: true,
    });
  });
});

describe("upstream's own account of a cost", () => {
  it("wins, for models that nobody else knows too", async () => {
    for (const model of ["gpt-4.1-mini", "who/knows"])
      expect(
        await price(model, tokens(10, 5, { cost: 0.0123 }), { upstream: OPENROUTER }),
      ).toMatchObject({
        cost: 0.0123,
        costIncomplete: false,
      });
    expect(
      await costOf(
        "sonar",
        tokens(10, 5, { cost: { input_tokens_cost: 0.001, total_cost: 0.006 } }),
      ),
    ).toBe(0.006);
  });

  it("has what a provider bills to the user's own account beside it", async () => {
    const usage = tokens(10, 5, {
      cost: 0.01,
      is_byok: true,
      cost_details: { upstream_inference_cost: 0.2 },
    });
    expect(await costOf("who/knows", usage, { upstream: OPENROUTER })).toBe(0.21);
  });

  it("is not believed where it is no cost", async () => {
    for (const cost of ["0.1", -1, null, {}])
      expect(await costOf("gpt-4.1-mini", tokens(MILLION, MILLION, { cost }))).toBe(MINI);
  });
});

describe("an operator's prices", () => {
  const own = (inputPerMillion: number, more = {}) => ({
    inputPerMillion,
    outputPerMillion: 0,
    ...more,
  });

  it("win over those that ship, exact names before patterns, the first pattern before others", async () => {
    const prices = {
      models: { "*": own(9), "gpt-*": own(8), "gpt-4.1-mini": own(7), "a.b": own(6) },
    };
    const found = async (model: string) => costOf(model, tokens(MILLION, 0), { prices });
    expect(await found("gpt-4.1-mini")).toBe(7);
    expect(await found("gpt-4.1")).toBe(9);
    expect(await found("axb")).toBe(9);
    expect(
      await costOf("gpt-9", tokens(MILLION, 0), {
        prices: { models: { "gpt-*": own(8), "*": own(9) } },
      }),
    ).toBe(8);
    expect(
      await costOf("constructor", tokens(MILLION, 0), { prices: { models: { "gpt-*": own(8) } } }),
    ).toBeNull();
  });

  it("have prices of cached tokens and audio, or the price of others, or none", async () => {
    const usage = tokens(MILLION, 0, { prompt_tokens_details: { cached_tokens: 500_000 } });
    expect(
      await costOf("mine", usage, {
        prices: { models: { mine: own(4, { cachedInputPerMillion: 1 }) } },
      }),
    ).toBe(2.5);
    expect(await costOf("mine", usage, { prices: { models: { mine: own(4) } } })).toBe(4);
    const audio = tokens(MILLION, 0, { prompt_tokens_details: { audio_tokens: MILLION } });
    expect(
      await costOf("mine", audio, {
        prices: { models: { mine: own(4, { audioInputPerMillion: 40 }) } },
      }),
    ).toBe(40);
    expect(await price("mine", audio, { prices: { models: { mine: own(4) } } })).toMatchObject({
      cost: null,
      costIncomplete: true,
    });
  });

  it("are read from PRICES", () => {
    expect(
      readConfig({ PRICES: '{"models":{"m":{"inputPerMillion":1,"outputPerMillion":2}}}' }).prices,
    ).toEqual({
      models: { m: { inputPerMillion: 1, outputPerMillion: 2 } },
    });
    expect(readConfig({}).prices).toEqual({ models: {} });
  });

  it("stop the start with all their faults, in words, where they are not right", () => {
    const faults = (text: string) => {
      try {
        readConfig({ PRICES: text });
      } catch (error) {
        if (error instanceof ConfigError) return error.faults.join("\n");
      }
      return "none";
    };
    expect(faults("{")).toMatch(/PRICES.*PRICES_FILE.*not valid JSON/);
    expect(faults("[]")).toMatch(/PRICES/);
    const wrong = {
      m: { inputPerMillion: "1", outputPerMillion: -2, cachedPerMillion: 3 },
      n: { inputPerMillion: 1 },
    };
    const said = faults(JSON.stringify({ models: wrong }));
    for (const word of [
      "m → inputPerMillion: must be a number",
      "m → outputPerMillion: must not be less",
      '"cachedPerMillion"',
      "n → outputPerMillion: is missing",
    ])
      expect(said).toContain(word);
  });
});
