/**
 * Tools of a client's that are in its input: some of codex's models are given them so, and what was
 * found by a search for tools is there too.
 */
import { objectsOf, textOf, type JsonObject } from "../../openai/json.ts";

/** Types of items that bring tools. */
const BRING_TOOLS = ["additional_tools", "tool_search_output"];

/** Whether an item of the input brings tools. */
export const bringsTools = ({ type }: JsonObject): boolean => BRING_TOOLS.includes(textOf(type));

/** Whether a body may have such items: it is read for them only then. */
export const mayBringTools = (body: string): boolean =>
  BRING_TOOLS.some((type) => body.includes(`"${type}"`));

/** The tools in an input, in its order. */
export const toolsInInput = (input: unknown): JsonObject[] =>
  objectsOf(input)
    .filter(bringsTools)
    .flatMap(({ tools }) => objectsOf(tools));

/** In this namespace functions are that OpenAI's models have no other namespace for. */
const FUNCTIONS = "functions";

const plainNames = (tools: JsonObject[]): string[] =>
  tools
    .filter(({ type }) => type !== "namespace")
    .map(({ name }) => textOf(name))
    .filter((name) => name !== "");

const isOfFunctions = ({ type, name }: JsonObject): boolean =>
  type === "namespace" && name === FUNCTIONS;

/**
 * What a client may call by a plain name.
 * @param tools of the request
 * @param inInput of its input: {@link toolsInInput}
 */
export function clientToolNames(tools: unknown, inInput: JsonObject[]): Set<string> {
  const functions = inInput.filter(isOfFunctions).flatMap((space) => objectsOf(space["tools"]));
  return new Set(plainNames([...objectsOf(tools), ...inInput, ...functions]));
}

/** Words for a model of what was found by a search for tools. */
export function foundWords({ tools }: JsonObject): string {
  const names = objectsOf(tools).map(({ name }) => textOf(name));
  return names.length === 0 ? "No tools were found." : `Found tools: ${names.join(", ")}`;
}
