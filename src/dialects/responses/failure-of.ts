/** What a response says of its failure. */
import { textOrNull, type JsonObject } from "../../openai/json.ts";

/** The codes that a response's error may have. Others are words of upstream's. */
const ERROR_CODES = new Set(["server_error", "rate_limit_exceeded", "invalid_prompt"]);

/** @param error OpenAI's error object */
export function failureOf({ code: given, message }: JsonObject) {
  const code = textOrNull(given) ?? "";
  const known = ERROR_CODES.has(code) ? code : "server_error";
  const error = { code: known, message: textOrNull(message) ?? "The response failed." };
  return { status: "failed", error };
}
