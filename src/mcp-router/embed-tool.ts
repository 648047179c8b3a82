import { isObject, objectsOf, parseJson, type JsonObject } from "../openai/json.ts";
import { openAnswerCache } from "./answer-cache.ts";
import { failedAnswer, failedCall } from "./failed-call.ts";
import {
  textContent,
  type RouterCall,
  type RouterCaller,
  type RouterResult,
  type RouterTool,
} from "./router-tool.ts";

const DEFAULT_MODEL = "text-embedding-3-small";

/** The call as the record shows it. Vectors are not for reading. */
function shownCall({ model, input }: JsonObject & { model: string }, embeddings: unknown) {
  const [first, ...others] = Array.isArray(embeddings) ? (embeddings as unknown[]) : [];
  const numbers = Array.isArray(first) ? ` of ${first.length} numbers` : "";
  const content = Array.isArray(input)
    ? input.map((text) => ({ type: "text", text: String(text) }))
    : input;
  return {
    request: { model, messages: [{ role: "user", content }] },
    answer: `[${others.length + 1} ${others.length === 0 ? "embedding" : "embeddings"}${numbers}]`,
  };
}

/** Clients that know no structured content read the same as JSON. */
const resultOf = (structured: JsonObject): RouterResult => ({
  content: textContent(JSON.stringify(structured)),
  structuredContent: structured,
});

async function runEmbed(caller: RouterCaller, { args, signal }: RouterCall): Promise<RouterResult> {
  const { cache: wish, model, ...more } = args;
  // Numbers are what a client of tools can read; the other format is bytes in base64.
  const body: JsonObject & { model: string } = {
    ...more,
    model: typeof model === "string" ? model : DEFAULT_MODEL,
    encoding_format: "float",
  };
  const cache = openAnswerCache(caller, {
    tool: "embed",
    body,
    wish,
    isUsual: args["temperature"] === 0,
    headers: {},
    shown: ({ structuredContent }) => shownCall(body, structuredContent?.["embeddings"]),
    withFacts: (_result, facts) => resultOf(facts),
  });
  const known = await cache.find();
  if (known !== null) return known;
  const response = await caller.askProxy({
    method: "POST",
    path: "/v1/embeddings",
    body,
    headers: {},
    signal,
  });
  if (!response.ok) return failedAnswer(response);
  const answer = parseJson(await response.text());
  if (!isObject(answer) || !Array.isArray(answer["data"]))
    return failedCall("The upstream API answered with something that is no embedding.");
  const ordered = objectsOf(answer["data"]).toSorted(
    (a, b) => Number(a["index"] ?? 0) - Number(b["index"] ?? 0),
  );
  const embeddings = ordered.map(({ embedding }) => embedding);
  const result = resultOf({
    embeddings,
    model: answer["model"] ?? body.model,
    usage: answer["usage"] ?? null,
    cached: false,
  });
  await cache.keep(result);
  return result;
}

/** `embed`: vectors of texts, by `POST /v1/embeddings`. */
export const embedTool: RouterTool = {
  name: "embed",
  title: "Embed texts",
  description:
    "Turns texts into vectors with an OpenAI embedding model. Further parameters of OpenAI's embeddings are passed on.",
  inputSchema: {
    type: "object",
    properties: {
      input: {
        description: "A text, or several.",
        anyOf: [{ type: "string" }, { type: "array", items: { type: "string" }, minItems: 1 }],
      },
      model: { type: "string", default: DEFAULT_MODEL },
      dimensions: { type: "integer", minimum: 1 },
      cache: {
        type: "boolean",
        description: "Whether the vectors may be those of an earlier call of the same texts.",
      },
    },
    required: ["input"],
    additionalProperties: true,
  },
  outputSchema: {
    type: "object",
    properties: {
      embeddings: { type: "array", items: { type: "array", items: { type: "number" } } },
      model: { type: "string" },
      usage: { type: ["object", "null"] },
      cached: {
        type: "boolean",
        description: "Whether earlier vectors were given again, which cost nothing.",
      },
    },
    required: ["embeddings", "model", "usage"],
  },
  annotations: { readOnlyHint: true, openWorldHint: true },
  run: runEmbed,
};
