/** Parts of messages of chat completions as parts of items of the Responses API. */
import { isObject, objectsOf, textOf, type JsonObject } from "../../openai/json.ts";

/** What a kind of part becomes. */
interface PartRow {
  part(part: JsonObject): JsonObject;
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

/** A part with a mark of the prompt cache where the client's has one. */
const marked = (from: JsonObject, part: JsonObject): JsonObject => {
  const { prompt_cache_breakpoint: mark } = from;
  return isGiven(mark) ? { ...part, prompt_cache_breakpoint: mark } : part;
};

/** The parts that there are, by what chat completions call them. */
const PARTS = new Map<unknown, PartRow>([
  ["text", { part: (part) => marked(part, { type: "input_text", text: textOf(part["text"]) }) }],
  [
    "image_url",
    {
      part: (part) => {
        const image = isObject(part["image_url"]) ? part["image_url"] : { url: part["image_url"] };
        const { url, detail = "auto" } = image;
        return marked(part, { type: "input_image", image_url: url, detail });
      },
    },
  ],
  [
    "file",
    {
      part: (part) => {
        const file = isObject(part["file"]) ? part["file"] : {};
        const { file_id: id, filename, file_data: data } = file;
        return marked(part, {
          type: "input_file",
          ...(isGiven(id) ? { file_id: id } : {}),
          ...(isGiven(filename) ? { filename } : {}),
          ...(isGiven(data) ? { file_data: data } : {}),
        });
      },
    },
  ],
]);

/** The first part that has no counterpart, by its type; null where each has one. */
export function foreignPart(content: unknown): string | null {
  const found = objectsOf(content).find(({ type }) => !PARTS.has(type));
  return found === undefined ? null : textOf(found["type"]);
}

/** Content of a user, of instructions or of a result; what has no counterpart is left out. */
export function inputContent(content: unknown): unknown {
  if (!Array.isArray(content)) return content ?? "";
  return objectsOf(content).flatMap((part) => {
    const row = PARTS.get(part["type"]);
    return row === undefined ? [] : [row.part(part)];
  });
}

/** What an answer says, as the API takes it back: a text, or parts where it refuses something. */
export function answerContent({ content, refusal }: JsonObject): string | JsonObject[] {
  const parts = typeof content === "string" ? [{ text: content }] : objectsOf(content);
  const text = parts.map((part) => textOf(part["text"])).join("");
  const refusals = [...parts.map((part) => part["refusal"]), refusal];
  const refused = refusals.map(textOf).join("");
  if (refused === "") return text;
  const said = text === "" ? [] : [{ type: "output_text", annotations: [], logprobs: [], text }];
  return [...said, { type: "refusal", refusal: refused }];
}
