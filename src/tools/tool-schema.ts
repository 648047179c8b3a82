import { isObject, readJson, type JsonObject } from "../openai/json.ts";
import { BeyondBounds } from "../openai/json-bounds.ts";
import { MAX_ARGUMENTS_LENGTH } from "../openai/track-calls.ts";
import type { HeavyWork, Platform } from "../platform.ts";
import type { ResolvedTool } from "../store/resolved-key.ts";
import { sizeOf, sizeUpTo } from "./schema-cost.ts";
import {
  createValidator,
  TooManySteps,
  type ArgumentsValidator,
  type StepLimit,
} from "./validate-arguments.ts";

/**
 * A schema as a tool keeps it: of an object, and without what names the document. Values that are
 * no schemas, which some servers put among the properties, are left out. What OpenAI refuses beyond
 * that is `functionDefinition`'s.
 */
export function importedSchema(parameters: JsonObject): JsonObject {
  const { $schema: _schema, $id: _id, ...rest } = parameters;
  const properties = Object.entries(isObject(rest["properties"]) ? rest["properties"] : {});
  const schemas = properties.filter(
    ([, schema]) => isObject(schema) || typeof schema === "boolean",
  );
  return { ...rest, type: "object", properties: Object.fromEntries(schemas) };
}

/** What a model sent as arguments, checked, or the sentence that it is told. */
export type CheckedArguments = { args: JsonObject } | { violation: string };

/** What a check may take. */
interface CheckBounds {
  /** Of the arguments' text, in characters. */
  length: number;
  /** Schemas that are come to, and what is as much work: see `createValidator`. */
  steps: number;
}

/** A check within these takes 10 ms or less (measured), and is done at once. */
const SMALL: CheckBounds = { length: 16_384, steps: 5000 };
/** What may be done at once where there is no thread for it: 0.3 s or less. */
const WITHOUT_THREAD: CheckBounds = { length: 1_000_000, steps: 50_000 };
/** How long a thread may take, in milliseconds. */
const HEAVY_LIMIT_MS = 1000;

const UNCHECKED =
  "The tool was not run, because its arguments could not be checked against its parameters";
const TOO_LONG = `${UNCHECKED} in time. Send shorter or simpler arguments.`;

/** A call's arguments, and whose they are. */
interface ArgumentsToCheck {
  tool: Pick<ResolvedTool, "parameters">;
  text: string;
  /** Threads are shared fairly between owners. */
  owner: string;
}

const validators = new WeakMap<JsonObject, ArgumentsValidator>();

function validatorOf(parameters: JsonObject): ArgumentsValidator {
  const known = validators.get(parameters) ?? createValidator(parameters);
  validators.set(parameters, known);
  return known;
}

/** Violations, or null where the check takes more than it may. */
function violationsWithin(
  parameters: JsonObject,
  args: JsonObject,
  limit: StepLimit,
): string[] | null {
  try {
    return validatorOf(parameters).violations(args, limit);
  } catch (error) {
    // Schemas that refer to one another can be deeper than the stack.
    if (error instanceof TooManySteps || error instanceof RangeError) return null;
    throw error;
  }
}

/** Violations as far as they can be found at once, or null. */
function violationsAtOnce(
  { tool: { parameters }, text }: ArgumentsToCheck,
  args: JsonObject,
  { length, steps }: CheckBounds,
): string[] | null {
  if (text.length > length) return null;
  // Most are cheap however the text's length is shared out; only for others is that looked at.
  return (
    violationsWithin(parameters, args, { steps, size: sizeUpTo(text.length) }) ??
    violationsWithin(parameters, args, { steps, size: sizeOf(args) })
  );
}

/** The arguments as an object. Empty ones are `{}`: that is how models call without parameters. */
async function readArguments(text: string): Promise<CheckedArguments> {
  if (text.length > MAX_ARGUMENTS_LENGTH)
    return {
      violation: `The arguments are longer than ${MAX_ARGUMENTS_LENGTH} characters. Send less.`,
    };
  try {
    const args = text.trim() === "" ? {} : await readJson(text);
    if (args === undefined)
      return {
        violation:
          "The arguments are not valid JSON. Send one JSON object that fits the tool's parameters.",
      };
    return isObject(args) ? { args } : { violation: "The arguments must be a JSON object." };
  } catch (error) {
    if (!(error instanceof BeyondBounds)) throw error;
    return { violation: `The arguments' JSON ${error.message}.` };
  }
}

async function heavyViolations(
  heavy: HeavyWork,
  { tool, text, owner }: ArgumentsToCheck,
): Promise<string[] | string> {
  const task = { parameters: tool.parameters, text, owner };
  const outcome = await heavy.validate(task, HEAVY_LIMIT_MS);
  if ("violations" in outcome) return outcome.violations;
  return outcome.failure === "crash" ? `${UNCHECKED}: ${outcome.message}` : TOO_LONG;
}

/**
 * Checks a call's arguments. What a check may cost is judged first: a small one is done at once,
 * any other in a thread with a time limit, or, where the runtime has none, within stricter bounds.
 */
export async function checkArguments(
  { heavy }: Pick<Platform, "heavy">,
  call: ArgumentsToCheck,
): Promise<CheckedArguments> {
  const read = await readArguments(call.text);
  if ("violation" in read) return read;
  const { args } = read;
  const violations =
    violationsAtOnce(call, args, heavy === null ? WITHOUT_THREAD : SMALL) ??
    (heavy === null ? TOO_LONG : await heavyViolations(heavy, call));
  if (typeof violations === "string") return { violation: violations };
  if (violations.length === 0) return { args };
  return { violation: `The arguments do not fit the tool's parameters:\n${violations.join("\n")}` };
}
