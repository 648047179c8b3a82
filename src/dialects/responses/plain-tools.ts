/**
 * A client's own tools as functions with plain names, for a dialect that knows nothing else: those
 * of a namespace have its name before theirs, and custom tools take their text as one argument.
 */
import { isObject, objectsOf, textOf, type JsonObject } from "../../openai/json.ts";

/** A tool of the client's. */
export interface PlainTool {
  /** Unlike that of any other of the request's tools. */
  name: string;
  type: "function" | "custom";
  /** As the client knows it. */
  ownName: string;
  namespace: string | null;
  definition: JsonObject;
}

/** What names of functions may have, everywhere. */
const MAX_NAME_LENGTH = 64;
const NOT_IN_NAMES = /[^\w-]/g;

/** The name of a tool of a namespace, where no other is called so. */
export const plainName = (namespace: string | null, name: string): string =>
  namespace === null
    ? name
    : `${namespace}__${name}`.replace(NOT_IN_NAMES, "_").slice(0, MAX_NAME_LENGTH);

function freeName(name: string, taken: ReadonlySet<string>): string {
  let free = name;
  for (let count = 2; taken.has(free); count++) {
    const end = `_${count}`;
    free = `${name.slice(0, MAX_NAME_LENGTH - end.length)}${end}`;
  }
  return free;
}

const isPlain = ({ type }: JsonObject): boolean => type === "function" || type === "custom";

/** The argument of a function that stands for a custom tool. */
const INPUT = "input";

/** What a custom tool says of the text that it takes, in words: no schema has a grammar. */
function formatWords(format: unknown): string {
  if (!isObject(format) || format["type"] !== "grammar") return "";
  const { syntax, definition } = format;
  return `\n\nIts input must follow this ${textOf(syntax)} grammar:\n${textOf(definition)}`;
}

function customDefinition({ description, format }: JsonObject): JsonObject {
  const about = `${textOf(description)}${formatWords(format)}`.trim();
  const input = { type: "string", description: "All of the input, as plain text." };
  const parameters = {
    type: "object",
    properties: { [INPUT]: input },
    required: [INPUT],
    additionalProperties: false,
  };
  return { ...(about === "" ? {} : { description: about }), parameters };
}

const DEFINITION = ["description", "parameters", "strict"];

function functionDefinition(tool: JsonObject): JsonObject {
  const isGiven = (name: string) => tool[name] !== undefined && tool[name] !== null;
  return Object.fromEntries(DEFINITION.filter(isGiven).map((name) => [name, tool[name]]));
}

/** A tool as it was spelled, and where. */
interface SpelledTool {
  tool: JsonObject;
  namespace: string | null;
}

function plainTool({ tool, namespace }: SpelledTool, taken: Set<string>): PlainTool {
  const ownName = textOf(tool["name"]);
  const isCustom = tool["type"] === "custom";
  const base = plainName(namespace, ownName);
  const name = namespace === null ? base : freeName(base, taken);
  taken.add(name);
  const definition = isCustom ? customDefinition(tool) : functionDefinition(tool);
  const type = isCustom ? "custom" : "function";
  return { name, type, ownName, namespace, definition };
}

/** The functions and custom tools of a list, those of namespaces too. */
const spelledTools = (tools: unknown): SpelledTool[] =>
  objectsOf(tools).flatMap((tool): SpelledTool[] => {
    if (isPlain(tool)) return [{ tool, namespace: null }];
    if (tool["type"] !== "namespace") return [];
    const namespace = textOf(tool["name"]);
    const members = objectsOf(tool["tools"]).filter(isPlain);
    return members.map((member) => ({ tool: member, namespace }));
  });

const keyOf = ({ tool, namespace }: SpelledTool): string =>
  JSON.stringify([namespace, textOf(tool["name"])]);

/**
 * The functions and custom tools of a request, in its order.
 * @param tools of its body
 * @param inInput of its input, which may bring one again: the last one counts
 */
export function plainTools(tools: unknown, inInput: JsonObject[] = []): PlainTool[] {
  const brought = new Map(spelledTools(inInput).map((tool) => [keyOf(tool), tool]));
  const own = spelledTools(tools).map((tool) => brought.get(keyOf(tool)) ?? tool);
  const known = new Set(own.map(keyOf));
  const others = [...brought].filter(([key]) => !known.has(key)).map(([, tool]) => tool);
  const all = [...own, ...others];
  const unspaced = all.filter(({ namespace }) => namespace === null);
  const taken = new Set(unspaced.map(({ tool }) => textOf(tool["name"])));
  return all.map((tool) => plainTool(tool, taken));
}

/** The text of a custom tool's call as the arguments of a function. */
export const customArguments = (input: string): string => JSON.stringify({ [INPUT]: input });

/** The text that such arguments are; what a model wrote instead of them is the text itself. */
export function customInput(args: string): string {
  let said: unknown;
  try {
    said = JSON.parse(args);
  } catch {
    return args;
  }
  if (typeof said === "string") return said;
  return isObject(said) && typeof said[INPUT] === "string" ? said[INPUT] : args;
}
