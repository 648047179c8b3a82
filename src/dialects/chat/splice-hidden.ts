/**
 * Puts what a client did not see back into the history that it sends: the model must find
 * everything that it said and was told, in one consistent order.
 */
import { isObject, objectsOf, parseJson, type JsonObject } from "../../openai/json.ts";
import { memberText, readElements, setMembers } from "../../openai/json-object-text.ts";
import { showsMedia } from "./hidden-media.ts";
import type { LoopEnd } from "../dialect.ts";

/** A message of the request: parsed, and as it was spelled. */
interface SentMessage {
  message: unknown;
  text: string;
}

const callIdOf = (message: unknown) => (isObject(message) ? message["tool_call_id"] : undefined);

/**
 * What the model is told of a call for which its application brought no result: a call without one
 * is refused by upstreams.
 */
function missingResult(callId: unknown): string {
  return JSON.stringify({
    role: "tool",
    tool_call_id: callId,
    content: "Error: the application returned no result for this call.",
  });
}

/**
 * The messages that a client did not see of a turn, in the order in which the model must see them:
 * hidden rounds, the last answer as the model gave it, and the results of its server calls. Null
 * where the client saw everything.
 */
export function hiddenOf({ rounds, hidden, isMixed }: LoopEnd): JsonObject[] | null {
  const last = rounds.at(-1);
  if (last === undefined || hidden.length === 0) return null;
  return isMixed ? hidden : [...hidden, ...last.items];
}

/**
 * The results of one answer's calls, in the order of the calls; then what the client sent beyond
 * them.
 */
function resultsInOrder(calls: JsonObject[], kept: JsonObject[], sent: SentMessage[]): string[] {
  const unused = [...sent];
  const ordered = calls.map(({ id }) => {
    const own = kept.find((result) => callIdOf(result) === id);
    if (own !== undefined) return JSON.stringify(own);
    const index = unused.findIndex(({ message }) => callIdOf(message) === id);
    return index === -1 ? missingResult(id) : (unused.splice(index, 1)[0]?.text ?? "");
  });
  return [...ordered, ...unused.map(({ text }) => text)];
}

/**
 * @param hidden JSON text of the messages of {@link hiddenOf}
 * @param sent the results that follow in the request
 */
function restore(hidden: string, sent: SentMessage[]): string[] {
  const messages = objectsOf(parseJson(hidden));
  const answer = messages.findLastIndex(({ role }) => role === "assistant");
  const before = messages.slice(0, answer + 1).map((message) => JSON.stringify(message));
  const calls = objectsOf(messages[answer]?.["tool_calls"]);
  const after = messages.slice(answer + 1);
  // All results come first: between them nothing may stand.
  const shown = after.filter(showsMedia).map((message) => JSON.stringify(message));
  return [...before, ...resultsInOrder(calls, after, sent), ...shown];
}

/**
 * A request's body with hidden messages in the place of the answers that the client saw. Everything
 * else stays as spelled.
 * @param messages the body's messages, as parsed
 * @param hidden JSON text of an array of messages, by the index of the answer in whose place they
 * go
 */
export function spliceHidden(
  body: string,
  messages: unknown[],
  hidden: ReadonlyMap<number, string>,
): string {
  const sent = readElements(memberText(body, "messages") ?? "[]").map((text, index) => ({
    text,
    message: messages[index],
  }));
  const spliced: string[] = [];
  for (let index = 0; index < sent.length; index++) {
    const kept = hidden.get(index);
    if (kept === undefined) {
      spliced.push(sent[index]?.text ?? "");
      continue;
    }
    const results = sent.slice(index + 1);
    const end = results.findIndex(
      ({ message }) => !isObject(message) || message["role"] !== "tool",
    );
    const own = end === -1 ? results : results.slice(0, end);
    spliced.push(...restore(kept, own));
    index += own.length;
  }
  return setMembers(body, { messages: `[${spliced.join(",")}]` });
}
