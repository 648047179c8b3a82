import { Validator } from "@cfworker/json-schema";
import { isObject, type JsonObject } from "../openai/json.ts";
import { costsOf, type Cost, type ValueSize } from "./schema-cost.ts";

/** A check that takes more steps than it may. */
export class TooManySteps extends Error {}

const MAX_VIOLATIONS = 10;
/** Comparisons that take as long as one step, about 2 µs (measured). */
const COST_PER_STEP = 40;

/**
 * The validator reads the type of each schema that it comes to, so that is where its steps are
 * counted, before it does them. Which members of a schema are schemas need not be known for it: a
 * type reads as before.
 * @param charge hears of each step, and what it costs
 */
function countReads(value: unknown, charge: (costs: Cost[]) => void): void {
  if (typeof value !== "object" || value === null) return;
  for (const inner of Object.values(value)) countReads(inner, charge);
  if (!isObject(value)) return;
  const { type } = value;
  const costs = costsOf(value);
  Object.defineProperty(value, "type", {
    enumerable: Object.hasOwn(value, "type"),
    get: () => {
      charge(costs);
      return type;
    },
  });
}

/** What a check may take. */
export interface StepLimit {
  steps: number;
  /** The size of the arguments, at most. */
  size: ValueSize;
}

/** Checks values against one schema. */
export interface ArgumentsValidator {
  /**
   * What does not fit, a line each; empty where all does.
   * @param limit null: none
   * @throws TooManySteps
   */
  violations(args: JsonObject, limit: StepLimit | null): string[];
}

/** A validator of a tool's parameters. */
export function createValidator(parameters: JsonObject): ArgumentsValidator {
  let limit: StepLimit | null = null;
  let left = 0;
  const schema = JSON.parse(JSON.stringify(parameters)) as JsonObject;
  countReads(schema, (costs) => {
    if (limit === null) return;
    left -= 1;
    for (const cost of costs) left -= cost(limit.size) / COST_PER_STEP;
    if (left < 0) throw new TooManySteps("The check takes too many steps.");
  });
  const validator = new Validator(schema, "2020-12", false);
  return {
    violations: (args, given) => {
      limit = given;
      left = given?.steps ?? 0;
      const { valid, errors } = validator.validate(args);
      if (valid) return [];
      return errors
        .slice(0, MAX_VIOLATIONS)
        .map(({ instanceLocation, error }) => `- at ${instanceLocation}: ${error}`);
    },
  };
}
