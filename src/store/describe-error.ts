import { DrizzleQueryError } from "drizzle-orm/errors";
import { isObject } from "../openai/json.ts";
import { causesOf } from "./database-error.ts";

/** An error as it may be logged. */
export interface ErrorDescription {
  name: string;
  message: string;
  code?: string;
  /** Frames only: the first lines of `stack` repeat the message. */
  stack?: string[];
}

const MAX_MESSAGE_LENGTH = 1000;
const MAX_FRAMES = 12;

/**
 * An error and its causes, for a log line. The message of a failed query is left out but for the
 * statement: drizzle puts every value into it, hashes, sealed secrets and message bodies among
 * them.
 */
export function describeError(error: unknown): ErrorDescription[] {
  return causesOf(error).map((cause) => {
    if (!(cause instanceof Error)) return { name: typeof cause, message: cut(String(cause)) };
    const message =
      cause instanceof DrizzleQueryError ? `Failed query: ${cause.query}` : cause.message;
    const code =
      isObject(cause) && typeof cause["code"] === "string" ? { code: cause["code"] } : {};
    const frames = cause.stack?.split("\n").filter((line) => /^\s+at /.test(line)) ?? [];
    return {
      name: cause.name,
      message: cut(message),
      ...code,
      stack: frames.slice(0, MAX_FRAMES).map((line) => line.trim()),
    };
  });
}

const cut = (text: string) =>
  text.length <= MAX_MESSAGE_LENGTH ? text : `${text.slice(0, MAX_MESSAGE_LENGTH)}…`;
