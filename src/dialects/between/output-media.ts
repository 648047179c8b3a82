/**
 * Images in the outputs of calls. A message of a tool holds text only, so they follow in a message
 * of the user after all results of a round: in the very words in which `chat/show-media.ts` puts
 * them, so that what a turn showed is in the next one what it was.
 */
import { isObject, objectsOf, textOf, type JsonObject } from "../../openai/json.ts";
import { isText, joinedTexts, spelledParts } from "./content-parts.ts";

/** Words before what a result shows, and the call's id in them. */
const LABEL = /^\[from the result of the tool .+?, call (.+?)(?:: .*)?\]$/s;

const isLabel = (part: JsonObject | undefined): boolean =>
  part !== undefined && isText(part) && LABEL.test(textOf(part["text"]));

/** An output as chat completions have it. */
export interface SpelledOutput {
  text: string;
  /** Parts for the message that follows. */
  shown: JsonObject[];
  refused: string[];
}

/** What is told where there are no words beside an image. */
const SHOWN_BELOW = "(The result is shown in the message that follows the results.)";

function outputParts(output: unknown): ReturnType<typeof spelledParts> {
  if (isObject(output) && typeof output["image_url"] === "string")
    return spelledParts([{ type: "input_image", ...output }]);
  if (typeof output === "string" || Array.isArray(output)) return spelledParts(output);
  return spelledParts(output === undefined || output === null ? "" : JSON.stringify(output));
}

/** @param call whose output it is */
export function spelledOutput(output: unknown, call: { id: string; name: string }): SpelledOutput {
  const { parts, refused } = outputParts(output);
  const texts: JsonObject[] = [];
  const shown: JsonObject[] = [];
  for (const [index, part] of parts.entries()) {
    const isShownNext = parts[index + 1] !== undefined && !isText(parts[index + 1] ?? {});
    if (isText(part) && !(isLabel(part) && isShownNext)) texts.push(part);
    if (isText(part)) continue;
    const before = parts[index - 1];
    const usual = `[from the result of the tool ${call.name}, call ${call.id}]`;
    const label = isLabel(before) ? textOf(before?.["text"]) : usual;
    shown.push({ type: "text", text: label }, part);
  }
  const text = joinedTexts(texts, "\n\n");
  return { text: text === "" && shown.length > 0 ? SHOWN_BELOW : text, shown, refused };
}

const outputTexts = (output: unknown): JsonObject[] =>
  Array.isArray(output) ? objectsOf(output) : [{ type: "input_text", text: output }];

/** An image as an output has it; of other media the words before it stay. */
function inputImage({ image_url: image }: JsonObject): JsonObject[] {
  if (!isObject(image)) return [];
  return [{ type: "input_image", image_url: image["url"], detail: "auto" }];
}

/**
 * Puts what a message of the user shows of tools' results back into their outputs.
 * @param items among which the outputs are
 * @returns false where it shows something else
 */
export function putIntoOutputs(message: JsonObject, items: JsonObject[]): boolean {
  const parts = objectsOf(message["content"]);
  const isOutput = ({ type }: JsonObject) => type === "function_call_output";
  let output: JsonObject | undefined;
  if (!isLabel(parts[0])) return false;
  for (const part of parts) {
    const id = isText(part) ? LABEL.exec(textOf(part["text"]))?.[1] : undefined;
    if (id !== undefined)
      output = items.findLast((item) => isOutput(item) && item["call_id"] === id);
    if (output === undefined) return false;
    const added = isText(part) ? [{ type: "input_text", text: part["text"] }] : inputImage(part);
    output["output"] = [...outputTexts(output["output"]), ...added];
  }
  return true;
}
