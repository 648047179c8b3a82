import type { JsonObject } from "./json.ts";

/** The fields of a message, and of a delta, that carry text for the reader. */
export const TEXT_FIELDS = ["content", "refusal", "reasoning_content", "reasoning"] as const;

/** What stands between the text so far and the next round's first text. */
export function separatorAfter(text: string, wantsJson: boolean): string {
  return wantsJson || text === "" || text.endsWith("\n") ? "" : "\n\n";
}

/** The text fields of several messages as those of one. A field that no message has as text is left out. */
export function joinTexts(messages: JsonObject[], wantsJson: boolean): Record<string, string> {
  const joined: Record<string, string> = {};
  for (const message of messages) {
    for (const field of TEXT_FIELDS) {
      const text = message[field];
      if (typeof text !== "string") continue;
      const before = joined[field] ?? "";
      joined[field] = text === "" ? before : before + separatorAfter(before, wantsJson) + text;
    }
  }
  return joined;
}
