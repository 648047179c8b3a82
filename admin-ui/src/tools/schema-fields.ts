/** A JSON Schema as a form: one field for each argument. */
import { isObject, type Members } from "../conversations/read-record.ts";
import { own } from "../own.ts";

/** How an argument is entered. */
export interface SchemaField {
  name: string;
  kind: "text" | "number" | "boolean" | "choice" | "json";
  isRequired: boolean;
  description: string;
  /** Of a choice: what can be chosen, as JSON texts. */
  choices: string[];
  /** JSON type, as a hint. */
  type: string;
}

/** A JSON object, or nothing where the text is none. */
export function readObject(text: string): Members {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch (error) {
    // It is being typed.
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

const KINDS: Record<string, SchemaField["kind"]> = {
  string: "text",
  number: "number",
  integer: "number",
  boolean: "boolean",
};

function fieldOf(name: string, schema: unknown, isRequired: boolean): SchemaField {
  const members = isObject(schema) ? schema : {};
  const given = members["type"];
  const type = String(
    Array.isArray(given) ? given.find((one) => one !== "null") : (given ?? "any"),
  );
  const choices = Array.isArray(members["enum"])
    ? members["enum"].map((choice) => JSON.stringify(choice))
    : [];
  const description = typeof members["description"] === "string" ? members["description"] : "";
  return {
    name,
    kind: choices.length > 0 ? "choice" : (own(KINDS, type) ?? "json"),
    isRequired,
    description,
    choices,
    type,
  };
}

const propertiesOf = (schema: Members): Members =>
  isObject(schema["properties"]) ? schema["properties"] : {};

/** The fields of a schema's properties. */
export function fieldsOfSchema(schema: Members): SchemaField[] {
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  return Object.entries(propertiesOf(schema)).map(([name, property]) =>
    fieldOf(name, property, required.includes(name)),
  );
}

/** Names of the arguments, while the schema is a text. */
export const argumentNamesOf = (text: string): string[] =>
  Object.keys(propertiesOf(readObject(text)));

function valueOf({ name, kind }: SchemaField, text: string): unknown {
  if (kind === "text") return text;
  if (kind === "number") return Number(text);
  if (kind === "boolean") return text === "true";
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Error(
      `${name} is not JSON: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

/**
 * What was entered, as arguments; what was left empty is not among them.
 * @throws Error that names the argument
 */
export function argumentsOf(fields: SchemaField[], entered: Record<string, string>): Members {
  const given = fields.filter(({ name }) => (own(entered, name) ?? "") !== "");
  return Object.fromEntries(
    given.map((field) => [field.name, valueOf(field, own(entered, field.name) ?? "")]),
  );
}
