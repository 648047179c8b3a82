/** Tools of chat completions, and what may be called, as the Responses API spells them. */
import {
  isObject,
  objectsOf,
  ownMember,
  parseJson,
  textOf,
  type JsonObject,
} from "../../openai/json.ts";
import { memberText, readElements, setMembers } from "../../openai/json-object-text.ts";

/** A function whose request says nothing of its parameters has none. */
const NO_PARAMETERS = '{"type":"object","properties":{}}';

/** A member's text, where it says something. */
function givenText(text: string, name: string): string | undefined {
  const value = memberText(text, name);
  return value === "null" ? undefined : value;
}

/**
 * A function's definition, as it was spelled. Chat completions are not strict where nothing is
 * said, and the Responses API is.
 */
function functionText(tool: string): string {
  const definition = memberText(tool, "function") ?? "{}";
  return setMembers(definition, {
    type: '"function"',
    parameters: givenText(definition, "parameters") ?? NO_PARAMETERS,
    strict: givenText(definition, "strict") ?? "false",
  });
}

function formatOf(format: unknown): unknown {
  if (!isObject(format) || !isObject(format["grammar"])) return format;
  const { grammar, ...others } = format;
  return { ...others, ...grammar };
}

function customText(tool: string): string {
  const definition = memberText(tool, "custom") ?? "{}";
  const format = memberText(definition, "format");
  const changes =
    format === undefined ? {} : { format: JSON.stringify(formatOf(parseJson(format))) };
  return setMembers(definition, { type: '"custom"', ...changes });
}

/** By a tool's type. */
const TOOLS = new Map([
  ["function", functionText],
  ["custom", customText],
]);

const typeOf = ({ type }: JsonObject): string => (type === undefined ? "function" : textOf(type));

/** Tools as JSON text; what is no list is upstream's to refuse. @param text the request's */
export function toolsText(text: string): string {
  if (!text.startsWith("[")) return text;
  const tools = readElements(text).map((tool) => {
    const parsed = parseJson(tool);
    const spell = isObject(parsed) ? TOOLS.get(typeOf(parsed)) : undefined;
    return spell?.(tool) ?? tool;
  });
  return `[${tools.join(",")}]`;
}

/** The first type of tools that has no counterpart, or null. */
export function foreignTool(tools: unknown): string | null {
  const found = objectsOf(tools).find((tool) => !TOOLS.has(typeOf(tool)));
  return found === undefined ? null : `tools of the type ${typeOf(found) || "(none)"}`;
}

/** A tool that is named, without its definition's own object. */
function namedTool(tool: JsonObject): JsonObject {
  const type = typeOf(tool);
  const definition = ownMember(tool, type);
  return isObject(definition) ? { type, name: definition["name"] } : tool;
}

/** What may be called. `any` is Mistral's word for `required`. */
export function toolChoiceOf(choice: unknown): unknown {
  if (choice === "any") return "required";
  if (!isObject(choice)) return choice;
  if (choice["type"] !== "allowed_tools") return namedTool(choice);
  const { mode, tools } = isObject(choice["allowed_tools"]) ? choice["allowed_tools"] : choice;
  return { type: "allowed_tools", mode, tools: objectsOf(tools).map(namedTool) };
}
