/** Tools of Responses, and what the model may call of them, as chat completions have them. */
import { isObject, objectsOf, textOf, type JsonObject } from "../../openai/json.ts";
import { toolsInInput } from "../responses/input-tools.ts";
import { plainTools, type PlainTool } from "../responses/plain-tools.ts";

/** Tools as chat completions have them, and what became of the others. */
export interface SpelledTools {
  /** The client's own that have a counterpart. */
  plain: PlainTool[];
  /** Undefined where there are none. */
  tools: JsonObject[] | undefined;
  choice: unknown;
  /** Types of tools that only the Responses API has. */
  dropped: Set<string>;
  refused: string | null;
}

const spelledTool = ({ name, definition }: PlainTool): JsonObject => ({
  type: "function",
  function: { name, ...definition },
});

const HAVE_COUNTERPARTS = new Set<unknown>(["function", "custom", "namespace"]);

/** Whether a reference to a tool, as a choice has it, is to this one. */
const isNamed = (tool: PlainTool, { type, name, namespace }: JsonObject): boolean => {
  if (type === "namespace") return tool.namespace === name;
  const space = typeof namespace === "string" ? namespace : tool.namespace;
  return tool.type === type && tool.ownName === name && tool.namespace === space;
};

/** What a choice allows or demands that has no counterpart, in words. */
const only = (type: unknown): string =>
  `tool_choice demands the tool '${textOf(type)}', which only the Responses API has`;

/** A choice of one tool, or of one of several. */
function spelledChoice(choice: unknown, plain: PlainTool[]): unknown {
  if (!isObject(choice)) return choice ?? undefined;
  const tool = plain.find((one) => isNamed(one, choice));
  const name = tool?.name ?? choice["name"];
  return { type: "function", function: { name } };
}

/**
 * @param body of the request
 */
export function spelledTools(body: JsonObject): SpelledTools {
  const { tools, tool_choice: choice } = body;
  const inInput = toolsInInput(body["input"]);
  const plain = plainTools(tools, inInput);
  const types = [...objectsOf(tools), ...inInput].map(({ type }) => type);
  const dropped = new Set(types.filter((type) => !HAVE_COUNTERPARTS.has(type)).map(textOf));
  const spelled = (offered: PlainTool[], itsChoice: unknown, refused: string | null) => ({
    plain,
    tools: offered.length === 0 ? undefined : offered.map(spelledTool),
    choice: itsChoice,
    dropped,
    refused,
  });
  const isLeft = plain.length > 0 || dropped.size === 0;
  if (choice === "required" && !isLeft)
    return spelled(plain, choice, only([...dropped].join("', '")));
  if (!isObject(choice)) return spelled(plain, choice ?? undefined, null);
  if (choice["type"] === "allowed_tools") {
    const allowed = objectsOf(choice["tools"]);
    const offered = plain.filter((tool) => allowed.some((one) => isNamed(tool, one)));
    const mode = textOf(choice["mode"]) || "auto";
    const others = allowed.filter(({ type }) => !HAVE_COUNTERPARTS.has(type));
    const isDemanded = mode === "required" && offered.length === 0 && others.length > 0;
    return spelled(offered, mode, isDemanded ? only(others[0]?.["type"]) : null);
  }
  const isKnown = choice["type"] === "function" || choice["type"] === "custom";
  return isKnown
    ? spelled(plain, spelledChoice(choice, plain), null)
    : spelled(plain, undefined, only(choice["type"]));
}
