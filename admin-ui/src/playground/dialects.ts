/** How each dialect is asked, and how its stream is read. */
import { itemsOf, type RequestMessage } from "../conversations/request-of.ts";
import { isObject, textOf, type Members } from "../conversations/read-record.ts";
import { TOOL_EVENT, withPiece, withToolEvent, type Answer, type Piece } from "./answer.ts";

/** What is asked. */
interface Asked {
  model: string;
  /** May be empty. */
  system: string;
  said: RequestMessage[];
}

/** One wire format. */
interface PlaygroundDialect {
  label: string;
  /** Below `/v1`. */
  path: string;
  bodyOf(asked: Asked): object;
  withChunk(answer: Answer, chunk: unknown): Answer;
}

const countOf = (value: unknown): number => (typeof value === "number" ? value : 0);

/** A reader of chunks; tools that run are told of in all of them. */
const reading =
  (pieceOf: (chunk: Members) => Piece) =>
  (answer: Answer, chunk: unknown): Answer => {
    if (!isObject(chunk)) return answer;
    return chunk["type"] === TOOL_EVENT
      ? withToolEvent(answer, chunk)
      : withPiece(answer, pieceOf(chunk));
  };

function deltaOf(chunk: Members): Members {
  const [choice] = Array.isArray(chunk["choices"]) ? (chunk["choices"] as unknown[]) : [];
  return isObject(choice) && isObject(choice["delta"]) ? choice["delta"] : {};
}

function chatPiece(chunk: Members): Piece {
  const { error, usage } = chunk;
  if (isObject(error)) return { error: textOf(error["message"]) };
  const delta = deltaOf(chunk);
  return {
    text: textOf(delta["content"]) + textOf(delta["refusal"]),
    reasoning: textOf(delta["reasoning_content"]) || textOf(delta["reasoning"]),
    ...(isObject(usage)
      ? {
          tokens: {
            prompt: countOf(usage["prompt_tokens"]),
            completion: countOf(usage["completion_tokens"]),
          },
        }
      : {}),
  };
}

/** How a response ended: what it used, and why it failed. */
function endPiece({ response }: Members): Piece {
  if (!isObject(response)) return {};
  const { usage, error } = response;
  const tokens = isObject(usage)
    ? { prompt: countOf(usage["input_tokens"]), completion: countOf(usage["output_tokens"]) }
    : null;
  return {
    ...(tokens === null ? {} : { tokens }),
    ...(isObject(error) ? { error: textOf(error["message"]) } : {}),
  };
}

const deltaText = ({ delta }: Members): Piece => ({ text: textOf(delta) });
const deltaReasoning = ({ delta }: Members): Piece => ({ reasoning: textOf(delta) });

/** Events of a response that add to what is shown. */
const RESPONSE_EVENTS = new Map<string, (event: Members) => Piece>([
  ["response.output_text.delta", deltaText],
  ["response.refusal.delta", deltaText],
  ["response.reasoning_text.delta", deltaReasoning],
  ["response.reasoning_summary_text.delta", deltaReasoning],
  ["response.completed", endPiece],
  ["response.incomplete", endPiece],
  ["response.failed", endPiece],
  ["error", (event) => ({ error: textOf(event["message"]) })],
]);

/** By name, as the key's `upstreamDialect` has it. */
export const DIALECTS = {
  chat: {
    label: "Chat",
    path: "/chat/completions",
    bodyOf: ({ model, system, said }) => {
      const told = system.trim() === "" ? [] : [{ role: "system", content: system }];
      return { model, messages: [...told, ...said], stream_options: { include_usage: true } };
    },
    withChunk: reading(chatPiece),
  },
  responses: {
    label: "Responses",
    path: "/responses",
    bodyOf: ({ model, system, said }) => ({
      model,
      ...(system.trim() === "" ? {} : { instructions: system }),
      input: itemsOf(said),
      store: false,
    }),
    withChunk: reading((event) => RESPONSE_EVENTS.get(textOf(event["type"]))?.(event) ?? {}),
  },
} satisfies Record<string, PlaygroundDialect>;

/** A dialect that the playground speaks. */
export type DialectName = keyof typeof DIALECTS;

/** All of them, to choose one. */
export const DIALECT_CHOICES = (Object.keys(DIALECTS) as DialectName[]).map((value) => ({
  value,
  label: DIALECTS[value].label,
}));
