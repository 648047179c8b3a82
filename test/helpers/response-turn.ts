/**
 * A turn of the Responses API, as a strict client sees it: every promise is checked on each one.
 */
import { expect } from "vitest";
import { keyWithAdd, MODEL, type AddingKey } from "./chat-turn.ts";
import { eventFaults, specFaults } from "./openai-spec.ts";
import { proxy } from "./proxy.ts";
import type { Answer, ScriptedUpstream } from "./upstream.ts";

type Json = Record<string, unknown>;

/** A key with one tool that adds, and an upstream that follows the script. */
export interface AdderKey extends Omit<AddingKey, "name"> {
  /** The tool's name, as the model must call it. */
  add: string;
}

/** @param script the upstream's answers, one for each round; it is told the tool's name */
export async function keyWithAdder(
  script: (add: string) => Answer[],
  fields: Json = {},
): Promise<AdderKey> {
  const { name: add, ...made } = await keyWithAdd(script, {}, fields);
  return { add, ...made };
}

/** A response as its client has it. */
export interface SeenResponse extends Json {
  id: string;
  output: Json[];
}

/** Posts a request for a response, and gives the answer as it is. */
export const postResponse = (
  { key }: Pick<AdderKey, "key">,
  body: Json,
  headers: Record<string, string> = {},
): Promise<Response> =>
  fetch(`${proxy.url}/v1/responses`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
    body: JSON.stringify({ model: MODEL, ...body }),
  });

/** The events of a stream, in the spelling that every client understands. */
export function eventsOf(text: string): Json[] {
  expect(text.endsWith("\n\n"), "the stream ends at an event's end").toBe(true);
  return text
    .slice(0, -2)
    .split("\n\n")
    .filter((event) => !event.startsWith(":"))
    .map((event) => {
      const [, name, data] = /^event: (\S+)\ndata: (.*)$/s.exec(event) ?? [];
      expect(name, event).toBeDefined();
      const payload = JSON.parse(data ?? "null") as Json;
      expect(payload["type"]).toBe(name);
      return payload;
    });
}

/** An item as its events tell of it. */
interface Told {
  item: Json;
  pieces: Map<string, string>;
  isDone: boolean;
}

/**
 * Checks that each item and part is announced before its pieces, and is what they say.
 * @param isFailed whether items may have no end: they are incomplete then
 */
function toldItems(events: Json[], isFailed: boolean): Json[] {
  const items: Told[] = [];
  for (const event of events) {
    const index = event["output_index"];
    if (typeof index !== "number") continue;
    if (event["type"] === "response.output_item.added") {
      expect(index, "items are counted one by one").toBe(items.length);
      items.push({ item: event["item"] as Json, pieces: new Map(), isDone: false });
      continue;
    }
    const told = items[index];
    if (told === undefined) throw new Error(`Not announced: ${JSON.stringify(event)}`);
    expect(told.isDone, `after its end: ${JSON.stringify(event)}`).toBe(false);
    if (event["type"] === "response.output_item.done") {
      const item = event["item"] as Json;
      expect(item["id"], "one id per item").toBe(told.item["id"]);
      expect(item["type"]).toBe(told.item["type"]);
      Object.assign(told, { item, isDone: true });
      continue;
    }
    expect(event["item_id"], JSON.stringify(event)).toBe(told.item["id"]);
    readPiece(event, told);
  }
  return items.map(({ isDone, item }) => {
    expect(isDone || isFailed, JSON.stringify(item)).toBe(true);
    return isDone ? item : { id: item["id"], status: "incomplete" };
  });
}

/** Where a piece belongs in its item. */
const placeOf = ({ content_index: content, summary_index: summary }: Json) =>
  JSON.stringify(content !== undefined ? ["content", content] : ["summary", summary]);

function readPiece(event: Json, { pieces, item }: Told): void {
  const type = String(event["type"]);
  const isPart = "content_index" in event || "summary_index" in event;
  const place = isPart ? placeOf(event) : "whole";
  if (type.endsWith("part.added")) {
    expect(pieces.has(place), `announced once: ${type}`).toBe(false);
    pieces.set(place, "");
    return;
  }
  if (isPart) expect(pieces.has(place), `${type} of ${JSON.stringify(item)}`).toBe(true);
  if (type.endsWith(".delta"))
    pieces.set(place, (pieces.get(place) ?? "") + String(event["delta"]));
  const whole = event["text"] ?? event["refusal"] ?? event["arguments"];
  if (type.endsWith(".done") && typeof whole === "string")
    expect(pieces.get(place) ?? "", type).toBe(whole);
}

const ENDS = ["response.completed", "response.incomplete", "response.failed"];

/** Checks what must hold of any finished stream, and gives the response that it ends with. */
export function readResponseEvents(events: Json[]): SeenResponse {
  for (const event of events) expect(eventFaults(event), JSON.stringify(event)).toEqual([]);
  const numbers = events.map((event) => event["sequence_number"]);
  expect(numbers).toEqual(events.map((_event, index) => index));
  const types = events.map(({ type }) => String(type));
  expect(types.slice(0, 2)).toEqual(["response.created", "response.in_progress"]);
  expect(types.filter((type) => ENDS.includes(type) || type === "response.created")).toHaveLength(
    2,
  );
  expect(ENDS).toContain(types.at(-1));
  const told = events.map(({ response }) => response as Json | undefined);
  const ids = told.filter((response) => response !== undefined).map(({ id }) => id);
  expect(new Set(ids).size, "one id").toBe(1);
  const response = told.at(-1) as SeenResponse;
  const isFailed = types.at(-1) === "response.failed";
  const items = toldItems(events, isFailed);
  if (isFailed) expect(response.output).toMatchObject(items);
  else expect(response.output).toEqual(items);
  return response;
}

/** Checks what must hold of any response. */
function checkResponse(response: SeenResponse): SeenResponse {
  expect(specFaults("Response", response), JSON.stringify(response)).toEqual([]);
  expect(response.id).toMatch(/^resp_[0-9a-f]{40}$/);
  const ids = response.output.map(({ id }) => id);
  expect(new Set(ids).size, "ids of items").toBe(ids.length);
  return response;
}

/** A response's text, streamed or whole, of which every promise is checked. */
export const readResponse = (text: string, isStream: boolean): SeenResponse =>
  checkResponse(isStream ? readResponseEvents(eventsOf(text)) : (JSON.parse(text) as SeenResponse));

/** A turn, streamed or whole as the body says. */
export async function askResponse(
  key: Pick<AdderKey, "key">,
  body: Json,
  headers: Record<string, string> = {},
): Promise<SeenResponse> {
  const answer = await postResponse(key, body, headers);
  const text = await answer.text();
  expect(answer.status, text).toBe(200);
  const isStream = body["stream"] === true;
  const type = isStream ? /^text\/event-stream/ : /^application\/json/;
  expect(answer.headers.get("content-type")).toMatch(type);
  return readResponse(text, isStream);
}

/** The nth request that upstream was sent, from 0. */
export function sentBody(upstream: ScriptedUpstream, index: number): Json {
  const request = upstream.requests[index];
  if (request === undefined)
    throw new Error(`The upstream was asked ${upstream.requests.length} times only`);
  return request.json();
}

/** Its input. */
export const sentInput = (upstream: ScriptedUpstream, index: number): Json[] =>
  sentBody(upstream, index)["input"] as Json[];
