/**
 * Images and sounds of tools' results, as chat completions take them: in a message of the user,
 * because a tool's holds text only.
 */
import type { JsonObject } from "./json.ts";

/** An image or a sound that is what it says it is: its first bytes were looked at. */
export interface ToolMedia {
  kind: "image" | "audio";
  /** As its placeholder in the result's text has it: `image 2: image/png, 4.0 kB`. */
  label: string;
  /** `image/png`, `image/jpeg`, `image/gif`, `image/webp`, `audio/wav` or `audio/mp3`. */
  mediaType: string;
  /** Base64 without line breaks. */
  data: string;
}

/** How each kind is spelled in a message. */
const PARTS: Record<ToolMedia["kind"], (media: ToolMedia) => JsonObject> = {
  image: ({ mediaType, data }) => ({
    type: "image_url",
    image_url: { url: `data:${mediaType};base64,${data}` },
  }),
  audio: ({ mediaType, data }) => ({
    type: "input_audio",
    input_audio: { data, format: mediaType.replace("audio/", "") },
  }),
};

/** What a part of a message brings, by its type. */
const KINDS: Record<string, ToolMedia["kind"]> = { image_url: "image", input_audio: "audio" };

/** A content part of a user message. */
export const mediaPart = (media: ToolMedia): JsonObject => PARTS[media.kind](media);

/** Which kind of media a content part is, or null for text and all else. */
export function mediaKindOf({ type }: JsonObject): ToolMedia["kind"] | null {
  return typeof type === "string" && Object.hasOwn(KINDS, type) ? (KINDS[type] ?? null) : null;
}

/** The size that base64 text has when decoded, as people write it. */
export function decodedSize(base64: string): string {
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  const bytes = Math.max(0, Math.floor(((base64.length - padding) * 3) / 4));
  if (bytes < 1_000) return `${bytes} B`;
  return bytes < 1_000_000
    ? `${(bytes / 1_000).toFixed(1)} kB`
    : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
