/**
 * Answers as clients send them back that keep no ids of items: they are known by what was said up
 * to them, as in chat completions. The id of a call is not enough: some upstreams give the same
 * ones again and again.
 */
import type { ResponsesDialectRequest } from "../dialects/responses/responses-dialect.ts";
import { isOwnItem } from "../dialects/responses/own-items.ts";
import { hashHistory } from "../openai/history-hash.ts";
import { isObject, objectsOf, textOf, type JsonObject } from "../openai/json.ts";
import { messagesOfItems } from "../openai/response-items.ts";
import { isOutput } from "./unseen-items.ts";

/** Where a client may come back without ids. */
export interface SpokenPlaces {
  /** By the index of an answer in the input: its place. */
  ofEntries: ReadonlyMap<number, string>;
  after(output: JsonObject[]): PlacesAfter;
}

/** The places of an answer that follows. */
interface PlacesAfter {
  /** In each form in which a client may send it back. */
  all: string[];
  /** Behind all of it, or null where there is nothing. */
  end: string | null;
}

const NOWHERE: SpokenPlaces = {
  ofEntries: new Map(),
  after: () => ({ all: [], end: null }),
};

const isSaid = ({ type = "message" }: JsonObject): boolean => type === "message";

/** A call that its client answers: by an id. */
const isCall = (item: JsonObject): boolean =>
  typeof item["call_id"] === "string" && !isOutput(item);

/** What a client has to run, however its kind of tool spells it. */
function spokenCall(item: JsonObject): JsonObject {
  const { type, call_id: id, name = type, arguments: args, input, action } = item;
  const text = args ?? input ?? JSON.stringify(action ?? null);
  return { role: "assistant", tool_calls: [{ id, function: { name, arguments: text } }] };
}

/** What is hashed of an item; nothing of what not every client sends back. */
function spokenMessages(item: unknown): JsonObject[] {
  if (!isObject(item) || isOwnItem(item)) return [];
  if (isSaid(item)) return messagesOfItems([item]);
  if (isCall(item)) return [spokenCall(item)];
  if (!isOutput(item)) return [];
  return [{ role: "tool", tool_call_id: item["call_id"], content: item["output"] }];
}

const wordsOf = ({ content }: JsonObject): string =>
  objectsOf(content)
    .map((part) => textOf(part["text"]) || textOf(part["refusal"]))
    .join("");

/**
 * The forms in which an answer may come back: all of its items, its calls without a word; without
 * calls one message for all, or the last one alone.
 */
function formsOf(output: JsonObject[]): JsonObject[][] {
  const calls = output.filter(isCall);
  const said = output.filter(isSaid);
  const whole = output.filter((item) => isSaid(item) || isCall(item));
  const last = said.at(-1);
  if (last === undefined) return [whole];
  if (calls.length > 0) return [whole, calls];
  if (said.length === 1) return [said];
  const joined = { role: "assistant", content: said.map(wordsOf).join("") };
  return [said, [joined], [last]];
}

/** Reads the places of a request. What upstream has the history of has none. */
export async function spokenPlaces(request: ResponsesDialectRequest): Promise<SpokenPlaces> {
  if (request.hasConversation || request.previousResponseId !== null) return NOWHERE;
  const { instructions } = request;
  const told = instructions === null ? [] : [{ role: "system", content: instructions }];
  const spoken = request.history.flatMap((item, index) =>
    spokenMessages(item).map((message) => ({ message, index })),
  );
  const messages: JsonObject[] = [...told, ...spoken.map(({ message }) => message)];
  const { places, lookupsAfter } = await hashHistory(request.endUser, messages);
  const ofEntries = new Map<number, string>();
  for (const { index, lookup } of places) {
    const entry = spoken[index - told.length]?.index;
    if (entry !== undefined) ofEntries.set(entry, lookup);
  }
  return {
    ofEntries,
    after: (output) => {
      const forms = formsOf(output).map((form) => lookupsAfter(form.flatMap(spokenMessages)));
      return { all: [...new Set(forms.flat())], end: forms[0]?.at(-1) ?? null };
    },
  };
}
