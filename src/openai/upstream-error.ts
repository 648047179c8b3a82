/** Errors that an upstream answered with: their status, body and words are the client's to see. */
import { UpstreamFailure, type UpstreamResponse } from "../platform.ts";
import { ApiError } from "./api-error.ts";
import { readErrorWords, type ErrorWords } from "./error-words.ts";
import { isObject, type JsonObject } from "./json.ts";

/**
 * The error object of an answer, which some servers send with status 200, and some beside a choice.
 * Gemini gives it in a list.
 */
export function errorOf(body: unknown): JsonObject | null {
  if (Array.isArray(body)) return errorOf(body[0]);
  if (!isObject(body)) return null;
  const { error } = body;
  if (isObject(error)) return error;
  if (typeof error === "string" && error !== "") return { message: error };
  if (body["object"] !== "error") return null;
  const { object: _object, ...members } = body;
  return members;
}

/** What upstream said in a shape of its own, as OpenAI's error object. */
export function errorOfWords(words: ErrorWords | null): JsonObject {
  const { message, code } = words ?? NO_WORDS;
  const said = message ?? "The upstream API reported an error and did not say which.";
  return { message: said, type: "upstream_error", param: null, code };
}

const NO_WORDS = { message: null, code: null };

const codeOf = (error: JsonObject | null): string | null =>
  typeof error?.["code"] === "string" ? error["code"] : null;

/**
 * Upstream answered, and the answer is none: its own status and body are what the client should
 * see.
 */
export class UpstreamRefusal extends Error {
  readonly response: UpstreamResponse;
  /** Upstream's error object, where there is one. */
  readonly error: JsonObject | null;
  /** All that upstream said, as text; empty where it could not be read. */
  readonly words: string;
  /** What kind of error it is: `error.code`, or what upstream has in its place. */
  readonly code: string | null;
  constructor(response: UpstreamResponse, body: unknown, words = "") {
    const error = errorOf(body);
    const said = words === "" && error !== null ? JSON.stringify(body) : words;
    const { message, code } = readErrorWords(said, body ?? undefined) ?? NO_WORDS;
    super(message ?? `The upstream API answered with status ${response.status}.`);
    this.name = "UpstreamRefusal";
    this.response = response;
    this.error = error;
    this.words = said;
    this.code = code;
  }
}

/**
 * An error that came with a status of success, for a client to whom it would be no error as it
 * is: a 502 in the shape that all of OpenAI's clients read.
 */
export function refusalInside({ error, response }: UpstreamRefusal): UpstreamRefusal {
  const body = { error: { ...errorOfWords(null), ...error } };
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  const headers = { "content-type": "application/json" };
  return new UpstreamRefusal({ ...response, status: 502, headers, body: bytes }, body);
}

/** An error object that came inside a stream. */
export class UpstreamStreamError extends Error {
  readonly error: JsonObject;
  constructor(error: JsonObject) {
    super(
      typeof error["message"] === "string"
        ? error["message"]
        : "The upstream API reported an error inside its stream.",
    );
    this.name = "UpstreamStreamError";
    this.error = error;
  }
  /** `error.code`, where that is a text. */
  get code(): string | null {
    return codeOf(this.error);
  }
}

/** Whether an answer broke off because nobody wants it any more. */
export const wasAborted = (cause: unknown): boolean =>
  cause instanceof UpstreamFailure && cause.reason === "aborted";

/** What a client is told of a body that upstream did not finish. */
export function brokeOff(cause: unknown): ApiError {
  if (cause instanceof ApiError) return cause;
  if (cause instanceof UpstreamFailure && cause.reason === "timeout") {
    const message = "The upstream API stopped in the midst of its answer. Try again.";
    return new ApiError("upstream_timeout", message, { cause });
  }
  const message = "The upstream API broke off its answer. Try again.";
  return new ApiError("upstream_unreachable", message, { cause });
}
