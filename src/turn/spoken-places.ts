/**
 * Answers as clients send them back that keep no ids: they are known by all that was said up to
 * them. Their place stands beside the ids of a response's items.
 */
import type { ResponsesDialectRequest } from "../dialects/responses/responses-dialect.ts";
import { isOwnItem } from "../dialects/responses/own-items.ts";
import { hashHistory } from "../openai/history-hash.ts";
import { isObject, objectsOf, textOf, type JsonObject } from "../openai/json.ts";
import { messagesOfItems } from "../openai/response-items.ts";

/** Where a client may come back without ids. */
export interface SpokenPlaces {
  /** By the index of an answer in the input: its place. */
  ofEntries: ReadonlyMap<number, string>;
  /** The places of an answer that follows, in each form in which a client may send it back. */
  after(output: JsonObject[]): Promise<string[]>;
}

const NOWHERE: SpokenPlaces = { ofEntries: new Map(), after: async () => [] };

const isSaid = ({ type = "message" }: JsonObject): boolean => type === "message";

/** What is hashed of an item; nothing of what not every client sends back. */
function spokenMessages(item: unknown): JsonObject[] {
  if (!isObject(item) || isOwnItem(item)) return [];
  const { type = "message" } = item;
  const isSpoken = isSaid(item) || /_call(?:_output)?$/.test(textOf(type));
  return isSpoken ? messagesOfItems([item]) : [];
}

const wordsOf = ({ content }: JsonObject): string =>
  objectsOf(content)
    .map((part) => textOf(part["text"]) || textOf(part["refusal"]))
    .join("");

/** A message for each, one for all, and the last one alone. */
function formsOf(said: JsonObject[]): JsonObject[][] {
  const last = said.at(-1);
  if (last === undefined) return [];
  if (said.length === 1) return [said];
  const whole = { role: "assistant", content: said.map(wordsOf).join("") };
  return [said, [whole], [last]];
}

/** Answers to whole histories; those with calls have ids. */
const isAnswer = (lookup: string): boolean => lookup.startsWith("answer:");

/** Reads the places of a request. What upstream has the history of has none. */
export async function spokenPlaces(request: ResponsesDialectRequest): Promise<SpokenPlaces> {
  if (request.hasConversation || request.previousResponseId !== null) return NOWHERE;
  const { instructions } = request;
  const told = instructions === null ? [] : [{ role: "system", content: instructions }];
  const spoken = request.history.flatMap((item, index) =>
    spokenMessages(item).map((message) => ({ message, index })),
  );
  const messages: JsonObject[] = [...told, ...spoken.map(({ message }) => message)];
  const { places } = await hashHistory(request.endUser, messages);
  const ofEntries = new Map<number, string>();
  for (const { index, lookup } of places) {
    const entry = spoken[index - told.length]?.index;
    if (entry !== undefined && isAnswer(lookup)) ofEntries.set(entry, lookup);
  }
  const placesAfter = async (answer: JsonObject[]): Promise<string[]> => {
    const hashed = await hashHistory(request.endUser, [...messages, ...answer]);
    return hashed.places
      .filter(({ index }) => index >= messages.length)
      .map(({ lookup }) => lookup);
  };
  return {
    ofEntries,
    after: async (output) => {
      const said = output.filter(isSaid);
      const found: string[] = [];
      for (const form of formsOf(said)) found.push(...(await placesAfter(messagesOfItems(form))));
      return [...new Set(found)];
    },
  };
}
