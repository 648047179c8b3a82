/** What an answer says of itself, gathered from its JSON: a whole one, or that of its events. */
import { unitsOfOutput, unitsOfUsage, type BilledUnits } from "../openai/billed-units.ts";
import { readErrorMember, readErrorWords, type ErrorWords } from "../openai/error-words.ts";
import { isObject, objectsOf, ownMember as own, type JsonObject } from "../openai/json.ts";
import { mergeUsage, readUsage, type Usage } from "../openai/usage.ts";
import type { WantedValue } from "./scan-members.ts";

/** What is known of an answer from its payloads. */
export interface PayloadFacts {
  /** The last report, or all of them where it came in parts. */
  usage: Usage | null;
  /** What is billed beside tokens; null where nothing is. */
  billed: BilledUnits | null;
  model: string | null;
  /** Of the completion or response. */
  id: string | null;
  /** Choice 0's; of a response its status, or why it is incomplete. */
  finishReason: string | null;
  error: ErrorWords | null;
}

const WHOLE: WantedValue = { whole: true };

/** Members in which an answer, or the response inside an event, says something of itself. */
const HEAD: Record<string, WantedValue> = {
  id: WHOLE,
  model: WHOLE,
  modelVersion: WHOLE,
  object: WHOLE,
  type: WHOLE,
  status: WHOLE,
  incomplete_details: WHOLE,
  stop_reason: WHOLE,
  usage: WHOLE,
  usageMetadata: WHOLE,
  output: { elements: { wanted: { members: { type: WHOLE, action: WHOLE } }, max: 256 } },
  error: WHOLE,
  errors: WHOLE,
  detail: WHOLE,
  code: WHOLE,
  msg: WHOLE,
  base_resp: WHOLE,
};

const CHOICE: WantedValue = {
  members: { index: WHOLE, finish_reason: WHOLE, usage: WHOLE },
};

const PAYLOAD: Record<string, WantedValue> = {
  ...HEAD,
  response: { members: HEAD },
  // Anthropic's first event has an object here, errors have a text.
  message: { whole: true, members: HEAD },
  delta: { members: { stop_reason: WHOLE } },
  x_groq: { members: HEAD },
  choices: { elements: { wanted: CHOICE, max: 8 } },
};

/** What of a payload is read where it is too long to be parsed. Gemini answers with lists. */
export const WANTED_OF_PAYLOAD: WantedValue = {
  members: PAYLOAD,
  elements: { wanted: { members: PAYLOAD }, max: 64 },
};

const MAX_NAME_LENGTH = 256;
/** What a response's status says when there is nothing more to come. */
const ENDED = new Set(["completed", "incomplete", "failed", "cancelled"]);

const nameOf = (value: unknown): string | null =>
  typeof value === "string" && value !== "" ? value.slice(0, MAX_NAME_LENGTH) : null;

function firstName(values: unknown[]): string | null {
  for (const value of values) {
    const name = nameOf(value);
    if (name !== null) return name;
  }
  return null;
}

function ownObject(value: JsonObject, name: string): JsonObject | null {
  const member = own(value, name);
  return isObject(member) ? member : null;
}

function firstChoice(payload: JsonObject): JsonObject | null {
  const choices = objectsOf(own(payload, "choices"));
  const numbered = choices.find((choice) => (choice["index"] ?? 0) === 0);
  return numbered ?? (choices.length === 1 ? (choices[0] ?? null) : null);
}

/** How a response ended, once it has. */
function responseEnd(response: JsonObject): string | null {
  const status = nameOf(own(response, "status"));
  if (status === null || !ENDED.has(status)) return null;
  const details = ownObject(response, "incomplete_details");
  return nameOf(details?.["reason"]) ?? status;
}

/** Gathers facts, payload by payload: a whole answer is one. */
export class FactsCollector implements PayloadFacts {
  usage: Usage | null = null;
  billed: BilledUnits | null = null;
  model: string | null = null;
  id: string | null = null;
  finishReason: string | null = null;
  error: ErrorWords | null = null;

  /**
   * @param payload as parsed, or as the scanner found it
   * @param isErrorEvent whether the event's name says that it is an error
   */
  add(payload: unknown, isErrorEvent = false): void {
    if (Array.isArray(payload)) {
      for (const element of objectsOf(payload)) this.#addObject(element, isErrorEvent);
    } else if (isObject(payload)) this.#addObject(payload, isErrorEvent);
    else if (isErrorEvent && typeof payload === "string") this.#addError(payload, payload);
  }

  #addObject(payload: JsonObject, isErrorEvent: boolean): void {
    const response = ownObject(payload, "response");
    const message = ownObject(payload, "message");
    const choice = firstChoice(payload);
    const places = [payload, response, message, ownObject(payload, "x_groq"), choice];
    const known = places.filter((place) => place !== null);
    for (const place of known) {
      this.usage = mergeUsage(this.usage, readUsage(own(place, "usage")));
      this.usage = mergeUsage(this.usage, readUsage(own(place, "usageMetadata")));
    }
    this.billed = unitsOfUsage(own(payload, "usage")) ?? this.billed;
    // A response has all of its output at its end.
    const ended = own(payload, "object") === "response" ? payload : response;
    this.billed = unitsOfOutput(ended === null ? [] : own(ended, "output")) ?? this.billed;
    const heads = [payload, response, message].filter((place) => place !== null);
    this.id ??= firstName(heads.map((head) => own(head, "id")));
    const models = heads.flatMap((head) => [own(head, "model"), own(head, "modelVersion")]);
    this.model ??= firstName(models);
    this.#addEnd(payload, response, choice);
    this.#addErrors(payload, response, isErrorEvent);
  }

  #addEnd(payload: JsonObject, response: JsonObject | null, choice: JsonObject | null): void {
    const isResponse = own(payload, "object") === "response";
    const reasons = [
      choice?.["finish_reason"],
      own(payload, "stop_reason"),
      ownObject(payload, "delta")?.["stop_reason"],
      response === null ? null : responseEnd(response),
      isResponse ? responseEnd(payload) : null,
    ];
    this.finishReason = firstName(reasons) ?? this.finishReason;
  }

  #addErrors(payload: JsonObject, response: JsonObject | null, isErrorEvent: boolean): void {
    if (this.error !== null) return;
    if (isErrorEvent || own(payload, "type") === "error") this.#addError("", payload);
    else {
      const inside = response === null ? null : readErrorMember(response);
      this.error = readErrorMember(payload) ?? inside;
    }
  }

  #addError(text: string, body: unknown): void {
    this.error ??= readErrorWords(text, body) ?? { message: null, code: null };
  }
}
