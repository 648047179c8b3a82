/**
 * A tool as OpenAI takes it. What its API refuses in a function, as its errors tell (facts of MCP,
 * 5.2), is put otherwise: the model may then know less than the tool's schema says, and is told
 * when its arguments do not fit that.
 */
import { isObject, objectsOf, ownMember, setMember, type JsonObject } from "../openai/json.ts";
import type { ResolvedTool } from "../store/resolved-key.ts";

/** "Expected a string with maximum length 1024" (sentry-mcp#106, OpenHands#4838). */
const MAX_DESCRIPTION = 1024;
/** Longer rules are not put into words. */
const MAX_RULES = 2000;

/**
 * "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top
 * level"
 */
const NOT_AT_ROOT = ["allOf", "anyOf", "oneOf", "not", "enum", "const"];

const SCHEMA_MAPS = new Set([
  "properties",
  "patternProperties",
  "$defs",
  "definitions",
  "dependentSchemas",
]);
const SCHEMAS = new Set(
  "items prefixItems additionalProperties additionalItems unevaluatedProperties unevaluatedItems contains propertyNames not if then else allOf anyOf oneOf".split(
    " ",
  ),
);
/** Words for others than the model: of the document, and of MCP's transport. */
const NOT_FOR_MODELS = new Set(["$schema", "x-mcp-header"]);

const isSchema = (value: unknown) => isObject(value) || typeof value === "boolean";

function cleanMap(value: unknown): JsonObject {
  const entries = Object.entries(isObject(value) ? value : {}).filter(([, schema]) =>
    isSchema(schema),
  );
  return Object.fromEntries(entries.map(([name, schema]) => [name, clean(schema)]));
}

/** A schema at any depth, without what is refused there. */
function clean(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(clean);
  if (!isObject(value)) return value;
  const schema: JsonObject = {};
  for (const [keyword, part] of Object.entries(value)) {
    if (SCHEMA_MAPS.has(keyword)) setMember(schema, keyword, cleanMap(part));
    else if (!NOT_FOR_MODELS.has(keyword))
      setMember(schema, keyword, SCHEMAS.has(keyword) ? clean(part) : part);
  }
  const { type, properties, required } = schema;
  // "array schema missing items"
  if (
    (type === "array" || (Array.isArray(type) && type.includes("array"))) &&
    !("items" in schema || "prefixItems" in schema)
  )
    schema["items"] = {};
  if (Array.isArray(required) && isObject(properties))
    schema["required"] = required.filter(
      (name) => typeof name === "string" && Object.hasOwn(properties, name),
    );
  return schema;
}

/** What a `$ref` into the same schema points to, or the schema itself where it has none. */
function resolved(schema: JsonObject, root: JsonObject, depth = 0): JsonObject {
  const { $ref: reference, ...rest } = schema;
  if (typeof reference !== "string" || !reference.startsWith("#/") || depth > 8) return schema;
  const target = reference
    .slice(2)
    .split("/")
    .map((step) => decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce<unknown>((value, step) => (isObject(value) ? ownMember(value, step) : undefined), root);
  return isObject(target) ? merged(resolved(target, root, depth + 1), rest) : rest;
}

const namesIn = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** A schema that asks for both. */
function merged(first: JsonObject, second: JsonObject): JsonObject {
  const properties = { ...cleanMap(first["properties"]), ...cleanMap(second["properties"]) };
  const required = [...new Set([...namesIn(first["required"]), ...namesIn(second["required"])])];
  return { ...first, ...second, properties, required };
}

/** What all of some schemas, of which one has to fit, ask for. */
function common(schemas: JsonObject[]): JsonObject {
  const [first, ...others] = schemas;
  const required = namesIn(first?.["required"]).filter((name) =>
    others.every((other) => namesIn(other["required"]).includes(name)),
  );
  const properties: JsonObject = {};
  for (const [name, schema] of schemas.flatMap((each) =>
    Object.entries(cleanMap(each["properties"])),
  )) {
    const known = ownMember(properties, name);
    const choices =
      known === undefined
        ? []
        : isObject(known) && Object.keys(known).join() === "anyOf"
          ? objectsOf(known["anyOf"])
          : [known];
    const isKnown = choices.some((choice) => JSON.stringify(choice) === JSON.stringify(schema));
    if (isKnown) continue;
    setMember(properties, name, choices.length === 0 ? schema : { anyOf: [...choices, schema] });
  }
  return { properties, required };
}

/** The root of a schema as an object with properties, and what of it could not be said that way. */
function plainRoot(parameters: JsonObject): { root: JsonObject; rules: JsonObject } {
  const { $id: _id, ...whole } = resolved(parameters, parameters);
  const rules = Object.fromEntries(
    NOT_AT_ROOT.filter((keyword) => Object.hasOwn(whole, keyword)).map((keyword) => [
      keyword,
      whole[keyword],
    ]),
  );
  let root = Object.fromEntries(
    Object.entries(whole).filter(([keyword]) => !Object.hasOwn(rules, keyword)),
  );
  const branches = (keyword: string) =>
    objectsOf(whole[keyword]).map((branch) => resolved(branch, parameters));
  for (const { properties, required } of branches("allOf"))
    root = merged({ properties, required }, root);
  for (const keyword of ["anyOf", "oneOf"])
    if (Object.hasOwn(whole, keyword)) root = merged(common(branches(keyword)), root);
  return { root, rules };
}

/**
 * The parameters of a function as OpenAI takes them.
 * @param more words that belong to its description
 */
function functionParameters(parameters: JsonObject, more: string): JsonObject {
  const { root, rules } = plainRoot(parameters);
  const told =
    Object.keys(rules).length === 0
      ? ""
      : `The arguments must also fit: ${JSON.stringify(clean(rules))}`;
  const words = [more, root["description"], told.length > MAX_RULES ? "" : told].filter(
    (text) => typeof text === "string" && text !== "",
  );
  const { required, ...schema } = clean({
    ...root,
    type: "object",
    properties: root["properties"] ?? {},
  }) as JsonObject;
  return {
    ...schema,
    ...(namesIn(required).length === 0 ? {} : { required }),
    ...(words.length === 0 ? {} : { description: words.join("\n") }),
  };
}

/**
 * A tool's definition in a chat completion request. `strict` is never there: without it OpenAI
 * takes any schema, and no optional parameter has to become a required one. A long description goes
 * on in that of the parameters.
 */
export function functionDefinition({
  name,
  description,
  parameters,
}: Pick<ResolvedTool, "name" | "description" | "parameters">): JsonObject {
  if (description.length <= MAX_DESCRIPTION)
    return { name, description, parameters: functionParameters(parameters, "") };
  const space = description.lastIndexOf(" ", MAX_DESCRIPTION - 1);
  const end = space > MAX_DESCRIPTION / 2 ? space : MAX_DESCRIPTION - 1;
  const [start, rest] = [
    description.slice(0, end).toWellFormed(),
    description.slice(end).toWellFormed(),
  ];
  return { name, description: `${start}…`, parameters: functionParameters(parameters, `…${rest}`) };
}
