/**
 * Prices that an operator gives by file: `{"models": {"my-model": {"inputPerMillion": 0.4,
 * "outputPerMillion": 1.6}, "gpt-*": …}}`.
 */
import { z } from "zod";
import { parseJson } from "../openai/json.ts";

const price = z
  .number({
    error: ({ input }) => (input === undefined ? "is missing" : "must be a number of US dollars"),
  })
  .min(0, "must not be less than 0");

const modelPrices = z.strictObject({
  inputPerMillion: price,
  outputPerMillion: price,
  /** Prompt tokens that upstream took from its cache. Without it they cost what others cost. */
  cachedInputPerMillion: price.optional(),
  /** Prompt tokens that upstream wrote into its cache. Without it they cost what others cost. */
  cacheWritePerMillion: price.optional(),
  /** Without it the price of audio is unknown. */
  audioInputPerMillion: price.optional(),
  audioOutputPerMillion: price.optional(),
});

const overridesFile = z.strictObject({
  models: z.record(z.string().min(1, "must not be empty"), modelPrices),
});

/** An operator's price of one model, in US dollars for a million tokens. */
export type ModelPrices = z.infer<typeof modelPrices>;

/** An operator's prices by model name; a name may have `*` in it, which stands for any text. */
export type PriceOverrides = z.infer<typeof overridesFile>;

function faultOf(issue: z.core.$ZodIssue): string {
  const place = issue.path.join(" → ");
  if (issue.code === "unrecognized_keys")
    return `${place}: there is no field ${issue.keys.map((key) => `"${key}"`).join(", ")}`;
  const reason = issue.message.replace(/\.$/, "");
  return place === "" ? reason : `${place}: ${reason}`;
}

/** The prices in a JSON text, or sentences about what is wrong with it. */
export function parsePriceOverrides(text: string): { prices: PriceOverrides; faults: string[] } {
  const none = { models: {} };
  const value = parseJson(text);
  if (value === undefined) return { prices: none, faults: ["it is not valid JSON"] };
  const { success, data, error } = overridesFile.safeParse(value);
  return success
    ? { prices: data, faults: [] }
    : { prices: none, faults: error.issues.map(faultOf) };
}

const isPattern = (name: string) => name.includes("*");

function matches(pattern: string, model: string): boolean {
  const parts = pattern
    .split("*")
    .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join(".*")}$`, "s").test(model);
}

/**
 * The operator's price of a model: under its exact name, or under the first pattern that it
 * matches.
 */
export function findOverride({ models }: PriceOverrides, model: string): ModelPrices | null {
  if (Object.hasOwn(models, model)) return models[model] ?? null;
  const name = Object.keys(models).find((name) => isPattern(name) && matches(name, model));
  return name === undefined ? null : (models[name] ?? null);
}
