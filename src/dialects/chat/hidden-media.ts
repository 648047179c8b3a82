/**
 * Images and sounds in messages that clients do not see. Of those, every message of the user is one
 * of `show-media.ts`.
 */
import { isObject, objectsOf, parseJson, type JsonObject } from "../../openai/json.ts";
import { decodedSize, mediaKindOf } from "../../openai/tool-media.ts";
import type { ToolMedia } from "../dialect.ts";

type Takes = (kind: ToolMedia["kind"]) => boolean;

/** Whether a text of hidden messages can show something: most do not, and need not be read. */
const mayShow = (text: string): boolean => /"(?:image_url|input_audio)"/.test(text);

/** Whether a hidden message shows a tool's images or sounds. */
export const showsMedia = (message: JsonObject): boolean => message["role"] === "user";

/** The base64 of a part, with what is in front of it in a data URL. */
function dataOf(part: JsonObject): { type: string; data: string } {
  const { image_url: image, input_audio: audio } = part;
  const [url, data] = [
    isObject(image) ? image["url"] : undefined,
    isObject(audio) ? audio["data"] : undefined,
  ];
  const [, type, base64] =
    /^data:([^;,]*);base64,(.*)$/s.exec(typeof url === "string" ? url : "") ?? [];
  return {
    type: type ?? (isObject(audio) ? `audio/${String(audio["format"])}` : ""),
    data: base64 ?? (typeof data === "string" ? data : ""),
  };
}

/** Another message for each that shows media, or none. */
const mapMedia = (
  messages: JsonObject[],
  change: (parts: JsonObject[]) => JsonObject[],
): JsonObject[] =>
  messages.flatMap((message) => {
    if (!showsMedia(message)) return [message];
    const content = change(objectsOf(message["content"]));
    return content.length === 0 ? [] : [{ ...message, content }];
  });

/** Without what a model does not take, and the words before it. */
const withoutUnsupported = (messages: JsonObject[], takes: Takes): JsonObject[] =>
  mapMedia(messages, (parts) => {
    const isTaken = (part: JsonObject | undefined) => {
      const kind = part === undefined ? null : mediaKindOf(part);
      return kind === null || takes(kind);
    };
    return parts.filter(
      (part, index) => isTaken(part) && (mediaKindOf(part) !== null || isTaken(parts[index + 1])),
    );
  });

/**
 * With words in the place of what is beyond a length of base64: the newest stay.
 * @param left characters; what stays is taken from it
 */
function limitMedia(messages: JsonObject[], left: { length: number }): JsonObject[] {
  const limited = mapMedia(messages.toReversed(), (parts) =>
    parts
      .toReversed()
      .map((part) => {
        if (mediaKindOf(part) === null) return part;
        const { type, data } = dataOf(part);
        if (data.length <= left.length) {
          left.length -= data.length;
          return part;
        }
        return {
          type: "text",
          text: `[${type}, ${decodedSize(data)}: too large to be kept in the history]`,
        };
      })
      .toReversed(),
  );
  return limited.toReversed();
}

/**
 * Hidden messages without those that show media; the same text where there are none.
 * @param text JSON text of an array
 */
export function wordsOnly(text: string): string {
  return mayShow(text)
    ? JSON.stringify(objectsOf(parseJson(text)).filter((message) => !showsMedia(message)))
    : text;
}

/**
 * Of base64 in hidden messages, in characters: what the model has seen already, and what it is to
 * see when its client is back.
 */
const MAX_SEEN_LENGTH = 1024 * 1024;
const MAX_UNSEEN_LENGTH = 6 * 1024 * 1024;

/** Hidden messages as they are kept: with small media, and words in the place of large ones. */
export function keptMedia(messages: JsonObject[]): JsonObject[] {
  const answer = messages.findLastIndex(({ role }) => role === "assistant");
  return [
    ...limitMedia(messages.slice(0, answer + 1), { length: MAX_SEEN_LENGTH }),
    ...limitMedia(messages.slice(answer + 1), { length: MAX_UNSEEN_LENGTH }),
  ];
}

/** Of base64 that is put back into one request, in characters. */
const MAX_RESTORED_LENGTH = 10 * 1024 * 1024;

/**
 * Hidden messages by place, as they are put back: what the model takes, and of many only the
 * newest.
 */
export function restoredMedia(
  hidden: ReadonlyMap<number, string>,
  takes: Takes,
): Map<number, string> {
  const left = { length: MAX_RESTORED_LENGTH };
  const places = [...hidden].toSorted(([a], [b]) => b - a);
  const restored = places.map(([index, text]): [number, string] => {
    if (!mayShow(text)) return [index, text];
    return [
      index,
      JSON.stringify(limitMedia(withoutUnsupported(objectsOf(parseJson(text)), takes), left)),
    ];
  });
  return new Map(restored.toReversed());
}
