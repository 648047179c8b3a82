/** What the events of a response say to a client of any dialect. */
import { isObject, objectsOf, textOf, type JsonObject } from "../../openai/json.ts";
import type { AnswerFacts, RoundEvent } from "../dialect.ts";
import { isToldCall, type EventCollector } from "./collect-events.ts";
import { PART_KINDS, type PartKind } from "./event-parts.ts";
import type { ItemEvent } from "./open-item.ts";

/** What a response says of itself. */
export function factsOf(response: JsonObject): AnswerFacts {
  const { model, created_at: createdAt, service_tier: serviceTier } = response;
  return {
    ...(typeof model === "string" ? { model } : {}),
    ...(typeof createdAt === "number" ? { createdAt: Math.floor(createdAt) } : {}),
    ...(typeof serviceTier === "string" ? { serviceTier } : {}),
  };
}

const withBytes = (token: JsonObject): JsonObject => ({ bytes: null, ...token });

/** Log probabilities as chat completions spell them: with bytes, which may be unknown. */
const logprobsOf = (logprobs: unknown): JsonObject[] =>
  objectsOf(logprobs).map((token) => ({
    ...withBytes(token),
    top_logprobs: objectsOf(token["top_logprobs"]).map(withBytes),
  }));

/** A piece of a text. The parts of a message are one text, those of reasoning are several. */
function textEvent(event: ItemEvent, { field, index }: PartKind): RoundEvent {
  const item = textOf(event["item_id"]);
  const part = field === "reasoning" ? `${item} ${index} ${String(event[index])}` : item;
  const logprobs = logprobsOf(event["logprobs"]);
  return {
    type: "text",
    field,
    text: String(event["delta"]),
    part,
    ...(logprobs.length === 0 ? {} : { logprobs }),
  };
}

/** A citation is an object in an object there. */
function annotationsOf(item: JsonObject): JsonObject[] {
  const all = objectsOf(item["content"]).flatMap((part) => objectsOf(part["annotations"]));
  const cited = all.filter(({ type }) => type === "url_citation");
  return cited.map(({ type, ...citation }) => ({ type, url_citation: citation }));
}

const CALL_EVENT = /^response\.(?:function_call_arguments|custom_tool_call_input)\./;

/** The events that one of upstream's is; the first has upstream's own. */
export function roundEvents(event: ItemEvent, collector: EventCollector): RoundEvent[] {
  const kind = PART_KINDS.find(({ delta }) => delta === event.type);
  if (kind !== undefined) return [{ ...textEvent(event, kind), raw: event }];
  const { item, response } = event;
  const isCall = CALL_EVENT.test(event.type) || (isObject(item) && isToldCall(item));
  if (isCall) return [{ type: "calls", calls: collector.calls(), raw: event }];
  if (event.type === "response.created" && isObject(response))
    return [{ type: "facts", facts: factsOf(response), raw: event }];
  const isEnd = event.type === "response.output_item.done" && isObject(item);
  const annotations = isEnd ? annotationsOf(item) : [];
  if (annotations.length > 0) return [{ type: "annotations", annotations, raw: event }];
  return [{ type: "other", raw: event }];
}
