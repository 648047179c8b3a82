/**
 * Shows a model the images and sounds of its tools. A tool's message may hold text only (in
 * OpenAI's API; strict servers answer 400 to anything else, qwen-code#3616), so they follow in one
 * message of the user after all results of the round.
 */
import type { JsonObject } from "../../openai/json.ts";
import { mediaPart, type ToolMedia } from "../../openai/tool-media.ts";
import type { CallResult } from "../dialect.ts";
import { areArguments } from "./chat-round.ts";

/** In one round. */
const MAX_MEDIA = 8;
/**
 * Of base64, in characters: of one, of those of one round, and of those of one turn, which every
 * further round sends again.
 */
const MAX_LENGTH = 5 * 1024 * 1024;
const MAX_ROUND_LENGTH = 15 * 1024 * 1024;
const MAX_TURN_LENGTH = 20 * 1024 * 1024;

/** What was shown so far. */
interface Shown {
  count: number;
  length: number;
  turnLength: number;
}

/** Why one more is not shown, or null. Each row is a limit. */
function refusal({ data }: ToolMedia, { count, length, turnLength }: Shown): string | null {
  if (data.length > MAX_LENGTH) return `larger than ${MAX_LENGTH / 1024 / 1024} MB`;
  if (count >= MAX_MEDIA) return `one of more than ${MAX_MEDIA} at a time`;
  if (length + data.length > MAX_ROUND_LENGTH || turnLength + data.length > MAX_TURN_LENGTH)
    return "too large together with the others";
  return null;
}

/** Of bad arguments that are quoted to the model, in characters. */
const MAX_QUOTED = 2000;

/**
 * A result as the model reads it. Never blank, which some upstreams refuse; and where the history
 * could not take the model's arguments, they are quoted here.
 */
function wordsOf({ arguments: sent }: CallResult["call"], text: string): string {
  const words = text.trim() === "" ? "(The tool gave an empty result.)" : text;
  if (sent.trim() === "" || areArguments(sent)) return words;
  const quoted = sent.length > MAX_QUOTED ? `${sent.slice(0, MAX_QUOTED)}…` : sent;
  return `${words}\nYour arguments were no JSON object: ${quoted}`;
}

/** The messages of one round after another. */
export function createMediaShow(
  takes: (kind: ToolMedia["kind"]) => boolean,
): (results: CallResult[]) => JsonObject[] {
  let turnLength = 0;
  return (results) => {
    const shown: Shown = { count: 0, length: 0, turnLength };
    const parts: JsonObject[] = [];
    const messages = results.map(({ call, text, media }): JsonObject => {
      const notes: string[] = [];
      for (const one of media.filter(({ kind }) => takes(kind))) {
        const refused = refusal(one, shown);
        if (refused !== null)
          notes.push(`\n[${one.label}: not shown to you, because it is ${refused}]`);
        else {
          shown.count++;
          shown.length += one.data.length;
          shown.turnLength += one.data.length;
          parts.push(
            {
              type: "text",
              text: `[from the result of the tool ${call.name}, call ${call.id}: ${one.label}]`,
            },
            mediaPart(one),
          );
        }
      }
      return { role: "tool", tool_call_id: call.id, content: wordsOf(call, text) + notes.join("") };
    });
    turnLength = shown.turnLength;
    return parts.length === 0 ? messages : [...messages, { role: "user", content: parts }];
  };
}
