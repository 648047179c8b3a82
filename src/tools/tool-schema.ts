import { Validator } from "@cfworker/json-schema";
import { isObject, parseJson, type JsonObject } from "../openai/json.ts";
import type { ResolvedTool } from "../store/resolved-key.ts";

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

const MAX_VIOLATIONS = 10;
const validators = new WeakMap<JsonObject, Validator>();

function validatorOf(parameters: JsonObject): Validator {
  const known = validators.get(parameters) ?? new Validator(parameters, "2020-12", false);
  validators.set(parameters, known);
  return known;
}

/**
 * Checks a call's arguments. Empty ones are `{}`: that is how models call a tool without
 * parameters.
 */
export function checkArguments(
  tool: Pick<ResolvedTool, "parameters">,
  text: string,
): CheckedArguments {
  const args = text.trim() === "" ? {} : parseJson(text);
  if (args === undefined)
    return {
      violation:
        "The arguments are not valid JSON. Send one JSON object that fits the tool's parameters.",
    };
  if (!isObject(args)) return { violation: "The arguments must be a JSON object." };
  const { valid, errors } = validatorOf(tool.parameters).validate(args);
  if (valid) return { args };
  const violations = errors
    .slice(0, MAX_VIOLATIONS)
    .map(({ instanceLocation, error }) => `- at ${instanceLocation}: ${error}`);
  return { violation: `The arguments do not fit the tool's parameters:\n${violations.join("\n")}` };
}
