/** What was said in a chat completion that passed through. */
import {
  createChatCollector,
  readChatCompletion,
  type CollectedMessage,
} from "../openai/collect-chat-chunks.ts";
import { isObject, objectsOf, parseJson } from "../openai/json.ts";
import { looksLikeEvents, readEvents } from "../openai/read-events.ts";
import type { TurnRecord } from "./turn-record.ts";

/** An answer's text, as far as it is kept. */
export type KeptAnswer = NonNullable<TurnRecord["response"]>;

/** Whether an answer is a stream of events, by its type or its first line. */
export const isEventStream = ({ contentType, text }: KeptAnswer): boolean =>
  contentType.toLowerCase().startsWith("text/event-stream") || looksLikeEvents(text.slice(0, 16));

function wholeAnswers(text: string): CollectedMessage[] {
  const body = parseJson(text);
  if (!isObject(body)) return [];
  return objectsOf(body["choices"])
    .map((choice) => readChatCompletion({ ...body, choices: [choice] }))
    .filter((answer) => answer !== null);
}

function streamedAnswers(text: string): CollectedMessage[] {
  const chunks = readEvents(text).map(parseJson).filter(isObject);
  const first = createChatCollector();
  const others = new Map<unknown, typeof first>();
  for (const chunk of chunks) {
    first.add(chunk);
    for (const choice of objectsOf(chunk["choices"])) {
      const index = choice["index"] ?? 0;
      if (index === 0) continue;
      const collector = others.get(index) ?? createChatCollector();
      others.set(index, collector);
      collector.add({ choices: [{ ...choice, index: 0 }] });
    }
  }
  return chunks.length === 0
    ? []
    : [first, ...others.values()].map((collector) => collector.result());
}

/** What was answered, streamed or whole: one message for each choice, as far as they came. */
export function readChatAnswers(answer: KeptAnswer): CollectedMessage[] {
  return isEventStream(answer) ? streamedAnswers(answer.text) : wholeAnswers(answer.text);
}

/** How many events may come before one that names the model. */
const MAX_HEAD_EVENTS = 8;

/** The model that an answer names: of a chat completion, a response, and others alike. */
export function answerModel(answer: KeptAnswer): string | null {
  const isStream = isEventStream(answer);
  const payloads = isStream ? readEvents(answer.text).slice(0, MAX_HEAD_EVENTS) : [answer.text];
  for (const payload of payloads.map(parseJson).filter(isObject)) {
    const response = isObject(payload["response"]) ? payload["response"] : {};
    const model = payload["model"] ?? response["model"];
    if (typeof model === "string" && model !== "") return model;
  }
  return null;
}
