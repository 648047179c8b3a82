/**
 * The members of a request of the Responses API that the proxy acts on. Everything else stays in
 * the text.
 */
import { isObject, textOrNull, type JsonObject } from "../../openai/json.ts";
import { clientToolNames, toolsInInput } from "./input-tools.ts";

/** A request to make a response. */
export interface ResponsesRequest {
  /** The body as it was spelled. */
  text: string;
  model: string | null;
  stream: boolean;
  /** Entries of the input, as parsed; a text is a message of the user. */
  input: unknown[];
  /** What the request says of its end user, as one text. */
  endUser: string;
  toolChoice: unknown;
  /** Names of the client's own tools; what is in a namespace has none of its own. */
  clientTools: Set<string>;
  /** The client's own tools that its input brings. */
  inputTools: JsonObject[];
  /** Whether the answer must be JSON: then the last round's document is the answer alone. */
  wantsJson: boolean;
  /** Whether upstream is to keep the response: it does where nothing is said. */
  isStored: boolean;
  /** The members of `include`. */
  include: unknown[];
  previousResponseId: string | null;
  /** Whether upstream has the history in a conversation of its own. */
  hasConversation: boolean;
  /** How many calls of tools that are not the client's it takes; Infinity where it does not say. */
  maxToolCalls: number;
  /** Whether the answer is made while nobody waits for it. */
  isBackground: boolean;
  /** The id of the answer, where the proxy itself makes it in the background; else null. */
  backgroundId: string | null;
  /** Which of the members are there that some models do not take tools beside. */
  traits: string;
  /** The members that a response repeats. */
  repeated: JsonObject;
}

/** Members beside which some upstreams refuse tools. */
const BESIDE_TOOLS = ["text", "reasoning", "tools", "tool_choice", "prompt", "top_logprobs"];

/** What a response says of its request, where upstream says nothing of it. */
const REPEATED: Record<string, unknown> = {
  background: false,
  instructions: null,
  max_output_tokens: null,
  max_tool_calls: null,
  metadata: {},
  parallel_tool_calls: true,
  reasoning: { effort: null, summary: null },
  store: true,
  temperature: 1,
  text: { format: { type: "text" } },
  tool_choice: "auto",
  tools: [],
  top_p: 1,
  truncation: "disabled",
};

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

function inputOf(input: unknown): unknown[] {
  if (typeof input === "string") return [{ role: "user", content: input }];
  return Array.isArray(input) ? (input as unknown[]) : [];
}

/** A response's word for its request, by the request's. */
const repeatedOf = (body: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(REPEATED).map(([name, usual]) => [
      name,
      isGiven(body[name]) ? body[name] : usual,
    ]),
  );

/** Reads a request body, or null where it is no JSON object: upstream will say so. */
export function readResponsesRequest(text: string, body: unknown): ResponsesRequest | null {
  if (!isObject(body)) return null;
  const format = isObject(body["text"]) ? body["text"]["format"] : undefined;
  const kind = isObject(format) ? format["type"] : undefined;
  const max = body["max_tool_calls"];
  const inputTools = toolsInInput(body["input"]);
  return {
    text,
    model: textOrNull(body["model"]),
    stream: body["stream"] === true,
    input: inputOf(body["input"]),
    endUser: JSON.stringify([body["user"], body["safety_identifier"]]),
    toolChoice: body["tool_choice"],
    clientTools: clientToolNames(body["tools"], inputTools),
    inputTools,
    wantsJson: kind === "json_object" || kind === "json_schema",
    isStored: body["store"] !== false,
    include: Array.isArray(body["include"]) ? (body["include"] as unknown[]) : [],
    previousResponseId: textOrNull(body["previous_response_id"]),
    hasConversation: isGiven(body["conversation"]),
    maxToolCalls: typeof max === "number" ? max : Number.POSITIVE_INFINITY,
    isBackground: body["background"] === true,
    backgroundId: null,
    traits: BESIDE_TOOLS.filter((name) => isGiven(body[name])).join(" "),
    repeated: repeatedOf(body),
  };
}
