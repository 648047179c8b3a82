import { isObject, type JsonObject } from "./json.ts";

/** The fields of a message, and of a delta, that carry text for the reader. */
export const TEXT_FIELDS = ["content", "refusal", "reasoning_content", "reasoning"] as const;

/** What stands between the text so far and the next round's first text. */
export function separatorAfter(text: string, wantsJson: boolean): string {
  return wantsJson || text === "" || text.endsWith("\n") ? "" : "\n\n";
}

const isTextPart = (part: unknown): part is { text: string } =>
  isObject(part) &&
  part["type"] === "text" &&
  typeof part["text"] === "string" &&
  Object.keys(part).length === 2;

/** Content that came as parts, as text where all of it is text. */
export function plainContent(content: unknown): unknown {
  if (!Array.isArray(content) || content.length === 0) return content;
  return content.every(isTextPart) ? content.map(({ text }) => text).join("") : content;
}

const asParts = (content: unknown): unknown[] =>
  Array.isArray(content)
    ? (content as unknown[])
    : typeof content === "string" && content !== ""
      ? [{ type: "text", text: content }]
      : [];

/**
 * Content, and what follows it. Text that meets parts becomes one of them: nothing of what a model
 * says is lost.
 */
export function addContent(before: unknown, more: unknown, separator = ""): unknown {
  if (more === null || more === undefined) return before ?? null;
  if (before === null || before === undefined) return more;
  if (typeof before === "string" && typeof more === "string")
    return more === "" ? before : before + separator + more;
  return [...asParts(before), ...asParts(more)];
}

/** The text fields of several messages as those of one. A field that no message has is left out. */
export function joinTexts(messages: JsonObject[], wantsJson: boolean): JsonObject {
  const joined: JsonObject = {};
  for (const message of messages) {
    for (const field of TEXT_FIELDS) {
      const [before, more] = [joined[field], message[field]];
      if (typeof more !== "string" && !Array.isArray(more)) continue;
      joined[field] = addContent(
        before,
        more,
        typeof before === "string" ? separatorAfter(before, wantsJson) : "",
      );
    }
  }
  return joined;
}
