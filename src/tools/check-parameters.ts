/**
 * Whether a value is a JSON Schema of an object, by the shapes that draft 2020-12's meta-schema
 * demands. Draft 7's spellings (`definitions`, `items` as a list) pass too, because MCP servers
 * write them.
 * https://json-schema.org/draft/2020-12/json-schema-validation
 */
import { isObject, type JsonObject } from "../openai/json.ts";
import { messageOf } from "../openai/error-message.ts";

/** Where and why a schema is none, or null. */
type Fault = string | null;

interface Place {
  root: JsonObject;
  path: string;
  depth: number;
}

const MAX_DEPTH = 64;
const TYPES = new Set(["array", "boolean", "integer", "null", "number", "object", "string"]);

const inside = (place: Place, step: string | number): Place => ({
  ...place,
  path: `${place.path}.${step}`,
  depth: place.depth + 1,
});

/** The first fault among many checks. */
function firstOf<Item>(items: Iterable<Item>, check: (item: Item) => Fault): Fault {
  for (const item of items) {
    const fault = check(item);
    if (fault !== null) return fault;
  }
  return null;
}

type Check = (value: unknown, place: Place) => Fault;

const demand =
  (holds: (value: unknown) => boolean, what: string): Check =>
  (value, { path }) =>
    holds(value) ? null : `${path} must be ${what}`;

const isStrings = (value: unknown) =>
  Array.isArray(value) && value.every((item) => typeof item === "string");
const isCount = (value: unknown) => Number.isInteger(value) && Number(value) >= 0;

const count = demand(isCount, "a whole number, 0 or more");
const number = demand((value) => typeof value === "number", "a number");
const text = demand((value) => typeof value === "string", "a string");
const flag = demand((value) => typeof value === "boolean", "true or false");
const list = demand(Array.isArray, "an array");
const strings = demand(isStrings, "an array of strings");

const type: Check = (value, { path }) => {
  const names: unknown[] = Array.isArray(value) ? value : [value];
  const isKnown =
    names.length > 0 && names.every((name) => typeof name === "string" && TYPES.has(name));
  return isKnown ? null : `${path} must be one of ${[...TYPES].join(", ")}, or an array of them`;
};

/** With the flag `u`, as the check of arguments compiles it. */
const pattern: Check = (value, { path }) => {
  if (typeof value !== "string") return `${path} must be a string`;
  try {
    return new RegExp(value, "u").unicode ? null : `${path} is not a regular expression`;
  } catch (error) {
    return `${path} is not a regular expression: ${messageOf(error)}`;
  }
};

const schema: Check = (value, place) => {
  if (typeof value === "boolean") return null;
  if (!isObject(value)) return `${place.path} must be a JSON Schema: an object, true or false`;
  if (place.depth > MAX_DEPTH) return `${place.path} is nested deeper than ${MAX_DEPTH} levels`;
  return firstOf(
    Object.entries(value),
    ([keyword, part]) => KEYWORDS.get(keyword)?.(part, inside(place, keyword)) ?? null,
  );
};

const schemas: Check = (value, place) => {
  if (!Array.isArray(value) || value.length === 0)
    return `${place.path} must be an array of JSON Schemas with at least one`;
  return firstOf(value.entries(), ([index, item]) => schema(item, inside(place, index)));
};

const schemaMap: Check = (value, place) => {
  if (!isObject(value)) return `${place.path} must be an object whose values are JSON Schemas`;
  return firstOf(Object.entries(value), ([name, item]) => schema(item, inside(place, name)));
};

const patternMap: Check = (value, place) =>
  firstOf(isObject(value) ? Object.keys(value) : [], (name) =>
    pattern(name, inside(place, name)),
  ) ?? schemaMap(value, place);

const stringsMap: Check = (value, place) => {
  if (!isObject(value)) return `${place.path} must be an object whose values are arrays of strings`;
  return firstOf(Object.entries(value), ([name, item]) => strings(item, inside(place, name)));
};

function follow(root: unknown, pointer: string): unknown {
  const steps = pointer
    .split("/")
    .slice(1)
    .map((step) => decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~"));
  return steps.reduce<unknown>((value, step) => {
    if (Array.isArray(value)) return value[Number(step)];
    return isObject(value) && Object.hasOwn(value, step) ? value[step] : undefined;
  }, root);
}

/** A call must not fail later over a reference that leads nowhere, and the proxy fetches none. */
const reference: Check = (value, { root, path }) => {
  if (typeof value !== "string" || !value.startsWith("#"))
    return `${path} must point into this schema, like #/$defs/name`;
  if (value !== "#" && !value.startsWith("#/")) return null;
  try {
    return follow(root, value.slice(1)) === undefined
      ? `${path} points to "${value}", which is not there`
      : null;
  } catch (error) {
    if (error instanceof URIError) return `${path} is not a valid pointer`;
    throw error;
  }
};

const rows = (check: Check, keywords: string) =>
  keywords.split(" ").map((keyword): [string, Check] => [keyword, check]);

/**
 * What each keyword must look like. Other keywords may hold anything, as the specification says.
 */
const KEYWORDS = new Map<string, Check>([
  ...rows(
    schema,
    "additionalProperties propertyNames unevaluatedProperties unevaluatedItems additionalItems",
  ),
  ...rows(schema, "contains not if then else"),
  ...rows(schemas, "allOf anyOf oneOf prefixItems"),
  ...rows(schemaMap, "properties $defs definitions dependentSchemas"),
  ...rows(
    count,
    "minLength maxLength minItems maxItems minProperties maxProperties minContains maxContains",
  ),
  ...rows(number, "minimum maximum exclusiveMinimum exclusiveMaximum"),
  ...rows(text, "format title description"),
  ...rows(flag, "deprecated uniqueItems"),
  ...rows(list, "enum examples"),
  ["type", type],
  ["required", strings],
  ["dependentRequired", stringsMap],
  ["pattern", pattern],
  ["patternProperties", patternMap],
  ["multipleOf", demand((value) => typeof value === "number" && value > 0, "a number above 0")],
  [
    "items",
    (value, place) => (Array.isArray(value) ? schemas(value, place) : schema(value, place)),
  ],
  ["$ref", reference],
]);

/**
 * Why a value is no JSON Schema of an object, as a sentence that names the place, or null where it
 * is one.
 */
export function checkParameters(parameters: unknown): string | null {
  if (!isObject(parameters)) return "parameters must be a JSON Schema of an object.";
  if (parameters["type"] !== "object")
    return 'parameters must be a JSON Schema of an object: its type must be "object".';
  const fault = schema(parameters, { root: parameters, path: "parameters", depth: 0 });
  return fault === null ? null : `${fault}.`;
}
