/**
 * The fields of a chat completion request that the proxy acts on. Everything else stays in the
 * text.
 */
import { isObject, objectsOf, parseJson, type JsonObject } from "./json.ts";

export interface ChatRequest {
  /** The body as the client spelled it. */
  text: string;
  model: string | null;
  /**
   * As parsed. Empty where there is no array of messages: upstream will say what is wrong with it.
   */
  messages: unknown[];
  /** What the request says of its end user, as one text. */
  endUser: string;
  stream: boolean;
  /** `stream_options.include_usage` */
  includeUsage: boolean;
  /** How many answers are asked for. */
  n: number;
  toolChoice: unknown;
  /** Names of the client's own tools. */
  clientTools: Set<string>;
  /** Whether it uses the deprecated `functions` or `function_call`. */
  usesFunctions: boolean;
  /**
   * Whether the answer must be JSON, so that nothing may be put between the texts of two rounds.
   */
  wantsJson: boolean;
  streamOptions: JsonObject;
  /** Which of the members are there that some models do not take tools beside. */
  traits: string;
}

/** Members beside which some upstreams refuse tools. */
const BESIDE_TOOLS = [
  "response_format",
  "prediction",
  "reasoning_effort",
  "reasoning",
  "modalities",
  "audio",
  "web_search_options",
  "logprobs",
  "tools",
  "tool_choice",
];

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

/** The deprecated members count where they say something. */
const isUsed = (value: unknown): boolean =>
  isGiven(value) && !(Array.isArray(value) && value.length === 0);

/** The name of a tool, or of a call of one. */
export function toolName(tool: JsonObject): string | undefined {
  const definition = tool[typeof tool["type"] === "string" ? tool["type"] : "function"];
  return isObject(definition) && typeof definition["name"] === "string"
    ? definition["name"]
    : undefined;
}

/**
 * Reads a request body, or null where it is not a JSON object: upstream will say what is wrong with
 * it.
 * @param body the parsed text, where it was parsed before; null where it is no JSON
 */
export function readChatRequest(text: string, body = parseJson(text)): ChatRequest | null {
  if (!isObject(body)) return null;
  const format = isObject(body["response_format"]) ? body["response_format"]["type"] : undefined;
  const streamOptions = isObject(body["stream_options"]) ? body["stream_options"] : {};
  return {
    text,
    model: typeof body["model"] === "string" ? body["model"] : null,
    messages: Array.isArray(body["messages"]) ? body["messages"] : [],
    endUser: JSON.stringify([body["user"], body["safety_identifier"]]),
    stream: body["stream"] === true,
    includeUsage: streamOptions["include_usage"] === true,
    n: typeof body["n"] === "number" ? body["n"] : 1,
    toolChoice: body["tool_choice"],
    clientTools: new Set(
      objectsOf(body["tools"])
        .map(toolName)
        .filter((name) => name !== undefined),
    ),
    usesFunctions: isUsed(body["functions"]) || isUsed(body["function_call"]),
    wantsJson: format === "json_object" || format === "json_schema",
    streamOptions,
    traits: BESIDE_TOOLS.filter((name) => isGiven(body[name])).join(" "),
  };
}
