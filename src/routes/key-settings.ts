/**
 * What an operator sets of a key: a row for each column, with what a caller may write and what is
 * answered. Its meaning is in the schema, and its SQL is made from there.
 */
import { z } from "zod";
import { UPSTREAM_DIALECTS } from "../config/variable.ts";
import { httpUrl, moment, plainText } from "./admin-input.ts";

/** What an integer column holds. */
const MAX_PER_MINUTE = 2 ** 31 - 1;
/** In seconds. */
const YEAR = 365 * 86_400;

const perMinute = () => z.int().min(1).max(MAX_PER_MINUTE).nullish();
const modelName = plainText(200).trim().min(1, "must not be empty");

/** Ids of tools, as a key has them. */
export const toolIds = z.array(z.string().max(100)).max(1000);

/** A setting that is answered as it is written, or as null where there is none. */
const same = <Schema extends z.ZodType>(write: Schema, read: z.ZodType) => ({ write, read });
/** One that is never answered. */
const secret = <Schema extends z.ZodType>(write: Schema) => ({ write, read: null });

const SETTINGS = {
  name: same(plainText(200).trim().min(1, "must not be empty"), z.string()),
  isActive: same(z.boolean().optional(), z.boolean()),
  toolIds: same(toolIds.optional(), z.array(z.string().meta({ format: "uuid" }))),
  expiresAt: same(moment.nullish(), z.string().meta({ format: "date-time" }).nullable()),
  openaiApiKey: secret(
    z
      .string()
      .trim()
      .max(1000)
      .regex(/^[\x21-\x7e]+$/, "must be ASCII characters without spaces")
      .nullish(),
  ),
  openaiBaseUrl: same(
    httpUrl()
      .transform((text) => text.replace(/\/+$/, ""))
      .nullish(),
    z.string().nullable(),
  ),
  upstreamDialect: same(
    z.enum(UPSTREAM_DIALECTS, `must be one of ${UPSTREAM_DIALECTS.join(", ")}`).nullish(),
    z.enum(UPSTREAM_DIALECTS).nullable().meta({
      description: "In which dialect upstream is asked; null: UPSTREAM_DIALECT",
    }),
  ),
  allowedModels: same(z.array(modelName).max(1000).nullish(), z.array(z.string()).nullable()),
  toolMemory: same(z.boolean().optional(), z.boolean()),
  toolMaxRounds: same(z.int().min(1).max(100).nullish(), z.int().nullable()),
  logContent: same(
    z.enum(["full", "metadata"], 'must be "full" or "metadata"').optional(),
    z.enum(["full", "metadata"]),
  ),
  requestsPerMinute: same(perMinute(), z.int().nullable()),
  tokensPerMinute: same(perMinute(), z.int().nullable()),
  monthlyBudget: same(
    z.number().positive("must be more than 0, in US dollars").max(1e9).nullish(),
    z.number().nullable().meta({ description: "US dollars" }),
  ),
  answerCacheSeconds: same(z.int().min(0).max(YEAR).nullish(), z.int().nullable()),
  unpriced: same(
    z.enum(["allow", "refuse"], 'must be "allow" or "refuse"').optional(),
    z
      .enum(["allow", "refuse"])
      .meta({ description: "Whether requests are served whose price is not known" }),
  ),
};

type Settings = typeof SETTINGS;

/** What may be written, by name. */
const KEY_INPUT = Object.fromEntries(
  Object.entries(SETTINGS).map(([name, { write }]) => [name, write]),
) as { [Name in keyof Settings]: Settings[Name]["write"] };

/** What is answered, by name. */
export const KEY_ANSWER: Record<string, z.ZodType> = Object.fromEntries(
  Object.entries(SETTINGS).flatMap(([name, { read }]) => (read === null ? [] : [[name, read]])),
);

const isToCome = (time: Date | null | undefined) => !time || time.getTime() > Date.now();

/** A key to create: one that has expired already would be of no use to anybody. */
export const newKeyBody = z.strictObject({
  ...KEY_INPUT,
  expiresAt: KEY_INPUT.expiresAt.refine(isToCome, "must be a time that is still to come"),
});

/** What of a key is to be changed. */
export const keyChangesBody = z.strictObject({
  ...KEY_INPUT,
  name: KEY_INPUT.name.optional(),
});
