/** OpenAI's published specification as a judge: https://github.com/openai/openai-openapi */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";

/** The schemas that requests and answers are judged by. */
type SchemaName =
  | "CreateChatCompletionRequest"
  | "CreateChatCompletionStreamResponse"
  | "CreateChatCompletionResponse";

/** What of the specification is judged by, word for word but for its descriptions. */
const PATH = resolve(import.meta.dirname, "../fixtures/openai-chat-schemas.json");

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
  const chunk = schemas["ChatCompletionMessageToolCallChunk"] as {
    properties: Record<string, unknown>;
  };
  const type = { type: "string", enum: ["function", "custom"] };
  return {
    ...schemas,
    ChatCompletionMessageToolCallChunk: { ...chunk, properties: { ...chunk.properties, type } },
  };
}

const validators = new Map<SchemaName, ValidateFunction>();

function compile(name: SchemaName): ValidateFunction {
  const document = JSON.parse(readFileSync(PATH, "utf8")) as {
    components: { schemas: Record<string, unknown> };
  };
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: true });
  formats.default(ajv);
  ajv.addFormat("unixtime", { type: "number", validate: Number.isInteger });
  ajv.addSchema(
    adapted({ components: { schemas: withCustomCalls(document.components.schemas) } }) as object,
    "spec",
  );
  return ajv.compile({ $ref: `spec#/components/schemas/${name}` });
}

/** Where a value is not what the specification says, in words. */
export function specFaults(name: SchemaName, value: unknown): string[] {
  const validate = validators.get(name) ?? compile(name);
  validators.set(name, validate);
  return validate(value)
    ? []
    : (validate.errors ?? []).map(
        ({ instancePath, message }) => `${instancePath} ${message ?? ""}`,
      );
}
