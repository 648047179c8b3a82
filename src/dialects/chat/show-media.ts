/**
 * Shows a model the images and sounds of its tools. A tool's message may hold text only (in
 * OpenAI's API; strict servers answer 400 to anything else, qwen-code#3616), so they follow in one
 * message of the user after all results of the round.
 */
import type { JsonObject } from "../../openai/json.ts";
import { mediaPart, type ToolMedia } from "../../openai/tool-media.ts";
import type { CallResult } from "../dialect.ts";
import { createResultShow, type ShownResult } from "../show-results.ts";

/** What a result shows, each after words that say whose it is. */
const shownParts = ({ call, media }: ShownResult): JsonObject[] =>
  media.flatMap((one) => [
    {
      type: "text",
      text: `[from the result of the tool ${call.name}, call ${call.id}: ${one.label}]`,
    },
    mediaPart(one),
  ]);

/** The messages of one round after another. */
export function createMediaShow(
  takes: (kind: ToolMedia["kind"]) => boolean,
): (results: CallResult[]) => JsonObject[] {
  const show = createResultShow(takes);
  return (results) => {
    const shown = show(results);
    const messages = shown.map(({ call, text }): JsonObject => {
      return { role: "tool", tool_call_id: call.id, content: text };
    });
    const parts = shown.flatMap(shownParts);
    return parts.length === 0 ? messages : [...messages, { role: "user", content: parts }];
  };
}
