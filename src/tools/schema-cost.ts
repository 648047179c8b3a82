/** What a check against a JSON Schema may cost at most, told before it is done. */
import type { JsonObject } from "../openai/json.ts";
import { patternCost } from "./pattern-cost.ts";

/** What of a value decides what its check costs. */
export interface ValueSize {
  /** In characters. */
  longestString: number;
  longestArray: number;
}

/** The size that no value of a JSON text exceeds. @param length of the text, in characters */
export const sizeUpTo = (length: number): ValueSize => ({
  longestString: length,
  longestArray: length / 2,
});

function note(value: unknown, size: ValueSize): void {
  if (typeof value === "string") size.longestString = Math.max(size.longestString, value.length);
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) size.longestArray = Math.max(size.longestArray, value.length);
  for (const [name, inner] of Object.entries(value)) {
    size.longestString = Math.max(size.longestString, name.length);
    note(inner, size);
  }
}

/** The size of a value, member by member. */
export function sizeOf(value: unknown): ValueSize {
  const size = { longestString: 0, longestArray: 0 };
  note(value, size);
  return size;
}

/** Comparisons for one value: of characters, items or an `enum`'s values. 50 ns or less each. */
export type Cost = (size: ValueSize) => number;

/** An `enum` may have objects, whose comparison looks into them. */
const COST_OF_VALUE = 8;

/** Formats whose regular expressions go back, and how often; the others read a text once. */
const FORMAT_DEGREES = new Map([
  ["email", 2],
  ["hostname", 2],
  ["uri", 2],
  ["uri-reference", 2],
  ["uri-template", 2],
  ["url", 3],
]);

const costOfPattern = (pattern: string): Cost => {
  const cost = patternCost(pattern);
  return ({ longestString }) => cost(longestString);
};

/** The keywords whose check of one value is more than a step, and what each takes at most. */
const COSTLY: Record<string, (value: unknown) => Cost[]> = {
  pattern: (value) => (typeof value === "string" ? [costOfPattern(value)] : []),
  patternProperties: (value) => Object.keys(Object(value) as JsonObject).map(costOfPattern),
  format: (value) => {
    if (typeof value !== "string") return [];
    const degree = FORMAT_DEGREES.get(value) ?? 1;
    return [({ longestString }) => longestString ** degree];
  },
  uniqueItems: (value) => (value === true ? [({ longestArray }) => longestArray ** 2] : []),
  enum: (value) => (Array.isArray(value) ? [() => value.length * COST_OF_VALUE] : []),
};

/** What a schema's own keywords cost, without those of the schemas in it. */
export const costsOf = (schema: JsonObject): Cost[] =>
  Object.entries(COSTLY).flatMap(([keyword, costs]) => costs(schema[keyword]));
