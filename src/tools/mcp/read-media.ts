/**
 * Recognises the images and sounds that models take, by their first bytes: what calls itself PNG
 * and is none makes upstream refuse this round and, because it stays in the history, every later
 * one (openclaw#90710, claude-code#58330).
 */
import { decodedSize, type ToolMedia } from "../../openai/tool-media.ts";

interface Format {
  kind: ToolMedia["kind"];
  mediaType: string;
  /** @param start the first bytes, each as one character */
  matches(start: string): boolean;
}

/** What OpenAI lists: https://platform.openai.com/docs/guides/images-vision and /guides/audio. */
const FORMATS: Format[] = [
  {
    kind: "image",
    mediaType: "image/png",
    matches: (start) => start.startsWith("\u0089PNG\r\n\u001A\n"),
  },
  {
    kind: "image",
    mediaType: "image/jpeg",
    matches: (start) => start.startsWith("\u00FF\u00D8\u00FF"),
  },
  { kind: "image", mediaType: "image/gif", matches: (start) => /^GIF8[79]a/.test(start) },
  { kind: "image", mediaType: "image/webp", matches: (start) => /^RIFF[^]{4}WEBP/.test(start) },
  { kind: "audio", mediaType: "audio/wav", matches: (start) => /^RIFF[^]{4}WAVE/.test(start) },
  // A tag, or the first frame of layer III: eleven bits of synchronisation, a version, a layer.
  {
    kind: "audio",
    mediaType: "audio/mp3",
    matches: (start) => /^(?:ID3|\u00FF[\u00E2\u00E3\u00F2\u00F3\u00FA\u00FB])/.test(start),
  },
];

/** Bytes that tell a format, as base64. */
const START_LENGTH = 24;

const PLAIN = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * Base64 as JSON APIs take it: without line breaks, in the usual alphabet, padded. Null where it is
 * none.
 */
function plainBase64(sent: string): string | null {
  const text = sent.startsWith("data:") ? sent.slice(sent.indexOf(",") + 1) : sent;
  // As a rule it is, and megabytes need not be copied.
  if (text.length % 4 === 0 && PLAIN.test(text)) return text;
  const plain = text
    .replace(/\s+/g, "")
    .replaceAll("-", "+")
    .replaceAll("_", "/")
    .replace(/=+$/, "");
  if (plain.length % 4 === 1 || !PLAIN.test(plain)) return null;
  return plain + "=".repeat((4 - (plain.length % 4)) % 4);
}

/** What the bytes of a content block are. */
interface ReadMedia {
  /** Type and decoded size, for a placeholder. */
  description: string;
  /** Null where no model takes it. */
  media: Omit<ToolMedia, "label"> | null;
}

/**
 * Reads the bytes of a content block.
 * @param data base64, or what a server sent in its place
 * @param declared the media type that the server names; what the bytes say counts
 */
export function readMedia(kind: ToolMedia["kind"], data: unknown, declared: string): ReadMedia {
  const text = typeof data === "string" ? data : "";
  const base64 = plainBase64(text);
  const start = base64 === null ? "" : atob(base64.slice(0, START_LENGTH));
  const format = FORMATS.find((candidate) => candidate.kind === kind && candidate.matches(start));
  const description = `${format?.mediaType ?? (declared || "unknown type")}, ${decodedSize(base64 ?? text)}`;
  return {
    description,
    media:
      format === undefined || base64 === null
        ? null
        : { kind, mediaType: format.mediaType, data: base64 },
  };
}
