import {
  createChatCollector,
  readChatCompletion,
  type CollectedMessage,
} from "../openai/collect-chat-chunks.ts";
import { isObject, objectsOf, parseJson, textOrNull, type JsonObject } from "../openai/json.ts";
import { createEventReader } from "../openai/read-events.ts";

/** What a chat completion says, streamed or whole. */
export interface ChatAnswer {
  /** One for each choice. */
  texts: string[];
  calls: JsonObject[];
  model: string | null;
  finish_reason: string | null;
  usage: JsonObject | null;
  response_id: string | null;
}

/** Why an answer that began well is none. */
interface BrokenAnswer {
  error: string;
  details?: unknown;
}

const NOT_A_COMPLETION = "The upstream API answered with something that is no chat completion.";

function textOf({ content, refusal }: JsonObject): string {
  if (typeof content === "string") return content;
  const parts = objectsOf(content).flatMap(({ text }) => (typeof text === "string" ? [text] : []));
  return parts.length > 0 ? parts.join("") : (textOrNull(refusal) ?? "");
}

function answerOf(messages: CollectedMessage[], completion: JsonObject): ChatAnswer {
  return {
    texts: messages.map(({ message }) => textOf(message)),
    calls: objectsOf(messages[0]?.message["tool_calls"]),
    model: textOrNull(completion["model"]),
    finish_reason: messages[0]?.finishReason ?? null,
    usage: messages[0]?.usage ?? null,
    response_id: textOrNull(completion["id"]),
  };
}

/** Reads a completion that came whole. */
export function readWholeAnswer(body: unknown): ChatAnswer | BrokenAnswer {
  if (!isObject(body)) return { error: NOT_A_COMPLETION };
  const messages = objectsOf(body["choices"]).map((choice) =>
    readChatCompletion({ ...body, choices: [choice] }),
  );
  const read = messages.filter((message) => message !== null);
  return read.length === 0 ? { error: NOT_A_COMPLETION } : answerOf(read, body);
}

/** Reads a stream of chunks, and tells of each text as it comes. */
export async function readStreamedAnswer(
  response: Response,
  progress: ((text: string) => Promise<void>) | null,
): Promise<ChatAnswer | BrokenAnswer> {
  const collector = createChatCollector();
  let broken: BrokenAnswer | null = null;
  let news = "";
  let isAnswer = false;
  const reader = createEventReader((data) => {
    const chunk = parseJson(data);
    if (!isObject(chunk)) return;
    const { error } = chunk;
    if (isObject(error))
      broken ??= { error: textOrNull(error["message"]) ?? NOT_A_COMPLETION, details: error };
    const part = collector.add(chunk);
    isAnswer ||= part !== null && part.choice !== null;
    const text = part?.delta["content"];
    if (typeof text === "string") news += text;
  });
  for await (const bytes of response.body ?? []) {
    reader.push(bytes);
    if (news !== "") await progress?.(news);
    news = "";
  }
  reader.end();
  if (broken !== null) return broken;
  return isAnswer
    ? answerOf([collector.result()], collector.completion())
    : { error: NOT_A_COMPLETION };
}
