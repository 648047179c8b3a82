/** Parts of an item's content as parts of a message of chat completions. */
import { objectsOf, textOf, type JsonObject } from "../../openai/json.ts";

/** What a part becomes: parts, or why it has no counterpart. */
type Spelled = JsonObject[] | string;

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

/** Levels of detail that chat completions know, by those of Responses. */
const DETAILS = new Map([
  ["low", "low"],
  ["high", "high"],
  ["original", "high"],
]);

function image(part: JsonObject): Spelled {
  const url = textOf(part["image_url"]);
  if (url === "") return "input has an input_image without an image_url";
  const detail = DETAILS.get(textOf(part["detail"]));
  return [{ type: "image_url", image_url: { url, ...(detail === undefined ? {} : { detail }) } }];
}

function file({ file_data: data, file_id: id, file_url: url, filename }: JsonObject): Spelled {
  if (isGiven(url)) return "input has an input_file with a file_url";
  const named = isGiven(filename) ? { filename } : {};
  const given = isGiven(data) ? { file_data: data } : { file_id: id };
  return [{ type: "file", file: { ...given, ...named } }];
}

const text = (part: JsonObject): Spelled => [{ type: "text", text: textOf(part["text"]) }];

/** By type; what is not here is passed as it is. */
const PARTS: Record<string, (part: JsonObject) => Spelled> = {
  input_text: text,
  output_text: text,
  reasoning_text: text,
  summary_text: text,
  refusal: ({ refusal }) => [{ type: "text", text: textOf(refusal) }],
  input_image: image,
  computer_screenshot: image,
  input_file: file,
};

/** Parts, and why some of them have no counterpart. */
export interface SpelledParts {
  parts: JsonObject[];
  refused: string[];
}

/** A content, or an output, as parts. */
export function spelledParts(content: unknown): SpelledParts {
  if (typeof content === "string") return { parts: [{ type: "text", text: content }], refused: [] };
  const parts: JsonObject[] = [];
  const refused: string[] = [];
  for (const part of objectsOf(content)) {
    const type = textOf(part["type"]);
    const spelled = Object.hasOwn(PARTS, type) ? PARTS[type]?.(part) : undefined;
    if (typeof spelled === "string") refused.push(spelled);
    else parts.push(...(spelled ?? [part]));
  }
  return { parts, refused };
}

export const isText = ({ type }: JsonObject): boolean => type === "text";

/** Texts in the order of the parts. @param separator what stands between two */
export const joinedTexts = (parts: JsonObject[], separator: string): string =>
  parts
    .filter(isText)
    .map((part) => textOf(part["text"]))
    .join(separator);

/**
 * Content as most servers take it: a text where it is nothing else. Several texts are paragraphs of
 * one.
 */
export const plainestContent = (parts: JsonObject[]): string | JsonObject[] =>
  parts.every(isText) ? joinedTexts(parts, "\n\n") : parts;
