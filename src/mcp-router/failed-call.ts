import type { ApiError } from "../openai/api-error.ts";
import { isObject, parseJson, type JsonObject } from "../openai/json.ts";
import { textContent, type RouterResult } from "./router-tool.ts";

/**
 * Where a result's `_meta` holds the error as OpenAI spells it, for programs that branch on its
 * code.
 */
const ERROR_META = "openai-proxy-server/error";

/** A failure that the model, or the person before it, can do something about. */
export function failedCall(message: string, error: JsonObject = {}): RouterResult {
  return {
    content: textContent(message),
    isError: true,
    _meta: { [ERROR_META]: { message, ...error } },
  };
}

/** What is known of an answer that is an error: OpenAI's message, or the body where it has none. */
export async function failedAnswer(response: Response): Promise<RouterResult> {
  const text = await response.text();
  const body = parseJson(text);
  const error = isObject(body) ? body["error"] : undefined;
  const { message: _message, ...more } = isObject(error) ? error : {};
  const spoken = isObject(error) ? error["message"] : error;
  const message =
    typeof spoken === "string" && spoken !== ""
      ? spoken
      : `The upstream API answered with status ${response.status}: ${text.slice(0, 1000)}`;
  const retryAfter = response.headers.get("retry-after");
  return failedCall(message, {
    status: response.status,
    ...more,
    ...(retryAfter === null ? {} : { retry_after: Number(retryAfter) }),
  });
}

/** A refusal of ours as a result. */
export function failedError(error: ApiError): RouterResult {
  const { message, ...more } = error.body.error;
  const retryAfter = error.headers["retry-after"];
  return failedCall(message, {
    status: error.status,
    ...more,
    ...(retryAfter === undefined ? {} : { retry_after: Number(retryAfter) }),
  });
}
