/**
 * Puts what a client did not see back into the history that it sends: the model must find
 * everything that it said and was told, in one consistent order.
 */
import { isObject, objectsOf, parseJson, type JsonObject } from "../../openai/json.ts";
import { memberText, readElements, setMembers } from "../../openai/json-object-text.ts";
import { NO_RESULT } from "../../openai/no-result.ts";
import { showsMedia } from "./hidden-media.ts";
import { keptItemsOf, withoutKeptItems } from "./kept-items.ts";
import type { LoopEnd } from "../dialect.ts";

/** A message of a history as the model must see it. */
export interface SeenMessage {
  /** The hidden one, as it was kept, or the client's, as parsed. */
  message: unknown;
  isHidden: boolean;
}

/** The same with its text. */
export interface SplicedMessage extends SeenMessage {
  /** As the client spelled it; null where it is a hidden one. */
  text: string | null;
}

const isResult = (message: unknown): boolean => isObject(message) && message["role"] === "tool";

const callIdOf = (message: unknown) => (isObject(message) ? message["tool_call_id"] : undefined);

const missingResult = (callId: unknown): JsonObject => ({
  role: "tool",
  tool_call_id: callId,
  content: NO_RESULT,
});

/**
 * The messages that a client did not see of a turn, in the order in which the model must see them:
 * hidden rounds, the last answer as the model gave it, and the results of its server calls. Null
 * where the client saw everything, and a message can say it.
 */
export function hiddenOf({ rounds, hidden, isMixed }: LoopEnd): JsonObject[] | null {
  const last = rounds.at(-1);
  const isSeen = hidden.length === 0 && !last?.items.some((item) => keptItemsOf(item) !== null);
  if (last === undefined || isSeen) return null;
  return isMixed ? hidden : [...hidden, ...last.items];
}

/**
 * The results of one answer's calls, in the order of the calls; then what the client sent beyond
 * them.
 */
function resultsInOrder(
  calls: JsonObject[],
  kept: JsonObject[],
  sent: SplicedMessage[],
): SplicedMessage[] {
  const unused = [...sent];
  const ordered = calls.map(({ id }): SplicedMessage => {
    const own = kept.find((result) => callIdOf(result) === id);
    if (own !== undefined) return hiddenMessage(own);
    const index = unused.findIndex(({ message }) => callIdOf(message) === id);
    const [found] = index === -1 ? [] : unused.splice(index, 1);
    return found ?? hiddenMessage(missingResult(id));
  });
  return [...ordered, ...unused];
}

const hiddenMessage = (message: JsonObject): SplicedMessage => ({
  message,
  isHidden: true,
  text: null,
});

/**
 * @param hidden JSON text of the messages of {@link hiddenOf}
 * @param sent the results that follow in the request
 */
function restore(hidden: string, sent: SplicedMessage[]): SplicedMessage[] {
  const messages = objectsOf(parseJson(hidden));
  const answer = messages.findLastIndex(({ role }) => role === "assistant");
  const before = messages.slice(0, answer + 1).map(hiddenMessage);
  const calls = objectsOf(messages[answer]?.["tool_calls"]);
  const after = messages.slice(answer + 1);
  // All results come first: between them nothing may stand.
  const shown = after.filter(showsMedia).map(hiddenMessage);
  return [...before, ...resultsInOrder(calls, after, sent), ...shown];
}

/** A request's messages: parsed, and as they were spelled. */
function sentMessages(body: string, messages: unknown[]): SplicedMessage[] {
  const list = memberText(body, "messages");
  if (list?.startsWith("[") !== true) return [];
  return readElements(list).map((text, index) => ({
    message: messages[index],
    isHidden: false,
    text,
  }));
}

/**
 * A request's messages with hidden ones in the place of the answers that the client saw.
 * @param messages the body's messages, as parsed
 * @param hidden JSON text of an array of messages, by the index of the answer in whose place they
 * go
 */
export function spliceHidden(
  body: string,
  messages: unknown[],
  hidden: ReadonlyMap<number, string>,
): SplicedMessage[] {
  const sent = sentMessages(body, messages);
  const spliced: SplicedMessage[] = [];
  for (let index = 0; index < sent.length; index++) {
    const one = sent[index];
    const kept = hidden.get(index);
    if (kept === undefined) {
      if (one !== undefined) spliced.push(one);
      continue;
    }
    let end = index + 1;
    while (end < sent.length && isResult(sent[end]?.message)) end++;
    const own = sent.slice(index + 1, end);
    spliced.push(...restore(kept, own));
    index += own.length;
  }
  return spliced;
}

const spelled = ({ text, message }: SplicedMessage): string =>
  text ?? JSON.stringify(isObject(message) ? withoutKeptItems(message) : message);

/** A body with these messages; everything else stays as spelled. */
export const withMessages = (body: string, spliced: SplicedMessage[]): string =>
  setMembers(body, { messages: `[${spliced.map(spelled).join(",")}]` });
