import { isObject, objectsOf, parseJson } from "../openai/json.ts";
import { failedAnswer, failedCall } from "./failed-call.ts";
import {
  textContent,
  type RouterCall,
  type RouterCaller,
  type RouterResult,
  type RouterTool,
} from "./router-tool.ts";

async function runListModels(
  { askProxy, key, scope }: RouterCaller,
  { signal }: RouterCall,
): Promise<RouterResult> {
  const response = await askProxy({ method: "GET", path: "/v1/models", headers: {}, signal });
  if (!response.ok) return failedAnswer(response);
  const body = parseJson(await response.text());
  if (!isObject(body) || !Array.isArray(body["data"]))
    return failedCall("The upstream API answered with something that is no list of models.");
  const ids = objectsOf(body["data"]).flatMap(({ id }) => (typeof id === "string" ? [id] : []));
  const models = ids.filter((id) => key.allowedModels?.includes(id) ?? true).toSorted();
  return {
    content: textContent(models.join("\n")),
    structuredContent: { models, default_model: scope.platform.config.model },
  };
}

/** `list_models`: the models that upstream has and the key may use. */
export const listModelsTool: RouterTool = {
  name: "list_models",
  title: "List models",
  description: "Names the models that can be asked with this API key.",
  inputSchema: { type: "object", properties: {}, additionalProperties: false },
  outputSchema: {
    type: "object",
    properties: {
      models: { type: "array", items: { type: "string" } },
      default_model: { type: "string" },
    },
    required: ["models", "default_model"],
  },
  annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: true },
  run: runListModels,
};
