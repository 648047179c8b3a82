/** OpenAI's published specification as a judge: https://github.com/openai/openai-openapi */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";

/** The schemas that requests and answers are judged by. */
type SchemaName =
  | "CreateChatCompletionRequest"
  | "CreateChatCompletionStreamResponse"
  | "CreateChatCompletionResponse"
  | "CreateResponse"
  | "Response"
  | "ResponseItemList"
  | "ResponseStreamEvent";

/** What of the specification is judged by, word for word but for its descriptions. */
const FIXTURES = resolve(import.meta.dirname, "../fixtures");
const pathOf = (name: SchemaName): string =>
  `${FIXTURES}/openai-${name.includes("Chat") ? "chat" : "responses"}-schemas.json`;

/**
 * The document says it is OpenAPI 3.1, and still has words of 3.0: `nullable` (ignored by JSON
 * Schema 2020-12) and boolean `exclusiveMinimum`; discriminators are left out, as `oneOf` says the
 * same.
 */
function adapted(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(adapted);
  if (typeof schema !== "object" || schema === null) return schema;
  const {
    nullable,
    discriminator: _discriminator,
    $recursiveRef: recursive,
    $recursiveAnchor: _anchor,
    ...rest
  } = schema as Record<string, unknown>;
  const members = Object.entries({
    ...rest,
    ...(recursive === undefined ? {} : { $ref: recursive }),
  });
  const plain = Object.fromEntries(
    members
      .filter(
        ([name, value]) => !(/^exclusiveM(?:in|ax)imum$/.test(name) && typeof value === "boolean"),
      )
      .map(([name, value]) => [
        name,
        name === "enum" || name === "const" || name === "example" || name === "default"
          ? value
          : adapted(value),
      ]),
  );
  return nullable === true ? { anyOf: [plain, { type: "null" }] } : plain;
}

/**
 * The specification knows no custom tools in a stream; the API streams their calls all the same,
 * with `type: "custom"`.
 */
function withCustomCalls(schemas: Record<string, unknown>): Record<string, unknown> {
  const chunk = schemas["ChatCompletionMessageToolCallChunk"] as
    | { properties: Record<string, unknown> }
    | undefined;
  if (chunk === undefined) return schemas;
  const type = { type: "string", enum: ["function", "custom"] };
  return {
    ...schemas,
    ChatCompletionMessageToolCallChunk: { ...chunk, properties: { ...chunk.properties, type } },
  };
}

interface Schemas {
  [name: string]: { properties?: Record<string, { enum?: string[] }>; allOf?: unknown[] };
}

/** A response has no usage before its end: the document's own example of an event says null. */
function withoutUsageYet(schemas: Schemas): Schemas {
  const usage = schemas["ResponseUsage"];
  const named: Schemas = { ...schemas };
  if (usage !== undefined) Object.assign(named, { ResponseUsage: nullable(usage) });
  return named;
}

const nullable = (schema: object) => ({ anyOf: [schema, { type: "null" }] });

const validators = new Map<string, ValidateFunction>();

function readSchemas(name: SchemaName): Schemas {
  const text = readFileSync(pathOf(name), "utf8");
  return (JSON.parse(text) as { components: { schemas: Schemas } }).components.schemas;
}

/** @param definition the name of a schema that the named one refers to */
function compile(name: SchemaName, definition: string = name): ValidateFunction {
  const schemas = withoutUsageYet(readSchemas(name));
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: true });
  formats.default(ajv);
  ajv.addFormat("unixtime", { type: "number", validate: Number.isInteger });
  ajv.addSchema(adapted({ components: { schemas: withCustomCalls(schemas) } }) as object, "spec");
  return ajv.compile({ $ref: `spec#/components/schemas/${definition}` });
}

/** The schema of a stream's event, by its type. */
function eventSchema(type: unknown): string {
  const found = Object.entries(readSchemas("ResponseStreamEvent")).find(
    ([name, { properties }]) =>
      /^Response.*Event$/.test(name) && properties?.["type"]?.enum?.[0] === type,
  );
  return found?.[0] ?? "ResponseStreamEvent";
}

/** Where an event of the Responses API is not what the specification says of its type, in words. */
export function eventFaults(event: Record<string, unknown>): string[] {
  const key = `event ${String(event["type"])}`;
  const validate =
    validators.get(key) ?? compile("ResponseStreamEvent", eventSchema(event["type"]));
  validators.set(key, validate);
  return faultsOf(validate, event);
}

/** Where a value is not what the specification says, in words. */
export function specFaults(name: SchemaName, value: unknown): string[] {
  const validate = validators.get(name) ?? compile(name);
  validators.set(name, validate);
  return faultsOf(validate, value);
}

function faultsOf(validate: ValidateFunction, value: unknown): string[] {
  if (validate(value)) return [];
  const errors = validate.errors ?? [];
  return errors.map(({ instancePath, message }) => `${instancePath} ${message ?? ""}`);
}
