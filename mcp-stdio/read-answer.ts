/** What the proxy answers to a message. */
import { createParser } from "eventsource-parser";
import { objectAt, parseJson, type Json } from "./json.ts";

/** JSON-RPC's code for what went wrong on the way. */
export const INTERNAL_ERROR = -32603;

/** The messages of an answer, streamed or whole. */
export async function* messagesOf(response: Response): AsyncGenerator<string> {
  const type = response.headers.get("content-type") ?? "";
  if (!type.startsWith("text/event-stream")) {
    const text = await response.text();
    if (text !== "") yield text;
    return;
  }
  const found: string[] = [];
  const parser = createParser({ onEvent: ({ data }) => found.push(data) });
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    parser.feed(decoder.decode(bytes, { stream: true }));
    yield* found.splice(0).filter((data) => data !== "");
  }
}

/** The error of a refusal, whichever shape its body has. */
export function refusalOf(status: number, text: string): Json {
  const error = objectAt(parseJson(text), "error");
  if (typeof error["message"] !== "string")
    return { code: INTERNAL_ERROR, message: `The proxy answered with status ${status}.` };
  return { ...error, code: typeof error["code"] === "number" ? error["code"] : INTERNAL_ERROR };
}
