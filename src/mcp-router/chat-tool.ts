import type { AuthenticatedKey } from "../auth/authenticate.ts";
import { isObject, parseJson, type JsonObject } from "../openai/json.ts";
import type { Platform } from "../platform.ts";
import { openAnswerCache } from "./answer-cache.ts";
import { failedAnswer, failedCall } from "./failed-call.ts";
import { readStreamedAnswer, readWholeAnswer, type ChatAnswer } from "./read-chat-answer.ts";
import {
  textContent,
  textsIn,
  type RouterCall,
  type RouterCaller,
  type RouterResult,
  type RouterTool,
} from "./router-tool.ts";

const PATH = "/v1/chat/completions";

/**
 * What any model can be asked. Root-level `anyOf` is left out, because OpenAI refuses it when a
 * client offers this tool to a model.
 */
const PROPERTIES: JsonObject = {
  prompt: { type: "string", description: "What to ask. Beside `messages` it is the last of them." },
  messages: {
    type: "array",
    description: "A whole conversation in the format of OpenAI's chat completions.",
    items: { type: "object", properties: { role: { type: "string" } }, required: ["role"] },
    minItems: 1,
  },
  temperature: { type: "number" },
  max_tokens: { type: "integer", minimum: 1 },
  response_format: {
    type: "object",
    description: 'For example {"type": "json_object"}, or a JSON schema as OpenAI takes it.',
  },
  conversation_id: {
    type: "string",
    description:
      "Keeps several calls together on the proxy's record: the id of an earlier result, or any name.",
  },
  cache: {
    type: "boolean",
    description:
      "Whether the answer may be that of an earlier call of the same question. Left out: only with temperature 0 and no tools.",
  },
};

const nullable = (type: string) => ({ type: [type, "null"] });

const OUTPUT_SCHEMA: JsonObject = {
  type: "object",
  properties: {
    text: { type: "string", description: "The answer, as in `content`." },
    model: nullable("string"),
    finish_reason: nullable("string"),
    usage: {
      ...nullable("object"),
      description: "Tokens, as OpenAI counts them; of all rounds, where tools of the proxy ran.",
    },
    response_id: nullable("string"),
    conversation_id: nullable("string"),
    cached: {
      type: "boolean",
      description: "Whether an earlier answer was given again, which cost nothing.",
    },
    tool_calls: {
      type: "array",
      items: { type: "object" },
      description: "Calls of tools that were sent as `tools`: they are the caller's to run.",
    },
  },
  required: ["text", "model", "finish_reason", "usage", "response_id", "conversation_id"],
};

/**
 * The model for calls that name none: `MODEL`, or the first that the key may use where it may not
 * use that.
 */
function defaultModel(
  { config }: Pick<Platform, "config">,
  { allowedModels }: AuthenticatedKey,
): string {
  return allowedModels === null || allowedModels.includes(config.model)
    ? config.model
    : (allowedModels[0] ?? config.model);
}

/**
 * The request body. What the proxy has to decide itself is not the caller's: whether and how the
 * answer is streamed.
 */
function chatBody(caller: RouterCaller, { args }: RouterCall): JsonObject & { model: string } {
  const { prompt, messages, model, ...others } = args;
  const {
    conversation_id: _conversation,
    cache: _cache,
    stream: _stream,
    stream_options: _options,
    ...more
  } = others;
  const asked = typeof prompt === "string" ? [{ role: "user", content: prompt }] : [];
  return {
    ...more,
    model: typeof model === "string" ? model : defaultModel(caller.scope.platform, caller.key),
    messages: [...(Array.isArray(messages) ? (messages as unknown[]) : []), ...asked],
  };
}

const STREAMED = { stream: true, stream_options: { include_usage: true } };

/** With tools an answer may be about now, and different each time. */
const isRepeatable = ({ key }: RouterCaller, { temperature, tools }: JsonObject) =>
  temperature === 0 && key.tools.length === 0 && tools === undefined;

function resultOf(
  { texts, calls, ...facts }: ChatAnswer,
  conversation: string | null,
): RouterResult {
  return {
    content: texts.flatMap(textContent),
    structuredContent: {
      text: texts[0] ?? "",
      ...facts,
      conversation_id: conversation,
      cached: false,
      ...(calls.length === 0 ? {} : { tool_calls: calls }),
    },
  };
}

/** Progress of a text: what is new of it is the message, and all its characters count. */
function textTeller(
  progress: NonNullable<RouterCall["progress"]>,
): (text: string) => Promise<void> {
  let characters = 0;
  return (text) => {
    characters += text.length;
    return progress({ progress: characters, message: text });
  };
}

async function runChat(caller: RouterCaller, call: RouterCall): Promise<RouterResult> {
  const { args, signal, progress } = call;
  const tell = progress === null ? null : textTeller(progress);
  if (args["prompt"] === undefined && args["messages"] === undefined)
    return failedCall("Give a prompt, or messages.", { param: "prompt" });
  const name = args["conversation_id"];
  const headers: Record<string, string> =
    typeof name === "string" ? { "x-conversation-id": name } : {};
  const body = chatBody(caller, call);
  const cache = openAnswerCache(caller, {
    tool: "chat",
    body,
    wish: args["cache"],
    isUsual: isRepeatable(caller, body),
    headers,
    shown: ({ content }) => ({ request: body, answer: textsIn(content).join("\n") }),
    withFacts: (result, structuredContent) => ({ ...result, structuredContent }),
  });
  const known = await cache.find();
  if (known !== null) {
    for (const text of textsIn(known.content)) await tell?.(text);
    return known;
  }
  const asked = progress === null ? body : { ...body, ...STREAMED };
  const response = await caller.askProxy({
    method: "POST",
    path: PATH,
    body: asked,
    headers,
    signal,
  });
  if (!response.ok) return failedAnswer(response);
  const isStream = (response.headers.get("content-type") ?? "")
    .toLowerCase()
    .startsWith("text/event-stream");
  const answer = isStream
    ? await readStreamedAnswer(response, tell)
    : readWholeAnswer(parseJson(await response.text()));
  if ("error" in answer)
    return failedCall(answer.error, isObject(answer.details) ? answer.details : {});
  const result = resultOf(answer, response.headers.get("x-proxy-conversation-id"));
  // A call of the client's own tool is the beginning of something that goes on.
  if (answer.calls.length === 0) await cache.keep(result);
  return result;
}

/**
 * `chat`: asks a model, by the same way as `POST /v1/chat/completions`, the key's tools included.
 */
export function chatTool(platform: Pick<Platform, "config">, key: AuthenticatedKey): RouterTool {
  const model = defaultModel(platform, key);
  const allowed =
    key.allowedModels === null
      ? "list_models names those that there are."
      : `One of: ${key.allowedModels.join(", ")}.`;
  return {
    name: "chat",
    title: "Ask a model",
    description: `Asks an OpenAI model and gives its answer. Further parameters of OpenAI's chat completions are passed on.${
      key.tools.length === 0 ? "" : " The model can use the tools that this API key has."
    }`,
    inputSchema: {
      type: "object",
      properties: {
        ...PROPERTIES,
        model: { type: "string", default: model, description: `Which model to ask. ${allowed}` },
      },
      additionalProperties: true,
    },
    outputSchema: OUTPUT_SCHEMA,
    annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: true },
    run: runChat,
  };
}
