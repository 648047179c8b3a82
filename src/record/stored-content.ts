/**
 * Message content as it is stored: images, sounds and files by hash and size, or nothing at all.
 */
import { sha256Hex } from "#sha256";
import { isObject, objectsOf, type JsonObject } from "../openai/json.ts";
import { sha256Aside } from "../openai/sha256-aside.ts";

/** What is kept of bytes: enough to recognise them. */
interface StoredBytes {
  /** Of the decoded bytes, in hexadecimal. */
  sha256: string;
  bytes: number;
  mediaType: string | null;
}

/** Shorter texts are kept as they are: a hash would be no shorter. In characters. */
const SHORT = 256;
const DATA_URL = /^data:([^;,]*)(?:;[^,]*)?,/;
/**
 * Members that hold base64 without saying so: `input_audio.data`, `audio.data`, `file.file_data`,
 * image `b64_json`.
 */
const BASE64_MEMBERS = new Set(["data", "file_data", "b64_json"]);

function decodedBytes(base64: string): Uint8Array<ArrayBuffer> | null {
  try {
    const decoded = atob(base64);
    const bytes = new Uint8Array(decoded.length);
    for (let index = 0; index < decoded.length; index++) bytes[index] = decoded.charCodeAt(index);
    return bytes;
  } catch {
    // No base64 after all: then its own characters are what is hashed.
    return null;
  }
}

function storedBytes(text: string, mediaType: string | null): StoredBytes {
  const bytes = decodedBytes(text) ?? new TextEncoder().encode(text);
  return { sha256: sha256Hex(bytes), bytes: bytes.byteLength, mediaType };
}

function storedText(name: string, text: string): unknown {
  if (text.length < SHORT) return text;
  const header = DATA_URL.exec(text);
  if (header !== null)
    return { stored: storedBytes(text.slice(header[0].length), header[1] || null) };
  return BASE64_MEMBERS.has(name) ? { stored: storedBytes(text, null) } : text;
}

/** What stands in the place of what is nested deeper than anything that people write. */
const TOO_DEEP = "[nested too deep to be kept]";
/** The database's own limit is some 6000 levels, the stack's some 10,000. */
const MAX_DEPTH = 64;

/** The same value with each text changed, by the member that it is, or is in. */
function withTexts(
  value: unknown,
  change: (name: string, text: string) => unknown,
  name = "",
  depth = 0,
): unknown {
  if (typeof value === "string") return name === "" ? value : change(name, value);
  if (typeof value !== "object" || value === null) return value;
  if (depth === MAX_DEPTH) return TOO_DEEP;
  if (Array.isArray(value))
    return value.map((element) => withTexts(element, change, name, depth + 1));
  const members = Object.entries(value).map(([member, part]: [string, unknown]) => [
    member,
    member === "text" && typeof part === "string"
      ? part
      : withTexts(part, change, member, depth + 1),
  ]);
  return Object.fromEntries(members);
}

/**
 * A message's content, or another member of it, with `{stored: StoredBytes}` in the place of bytes
 * that came inside, and no deeper than the record takes. Addresses of images stay.
 * @param name of the member that it is
 */
export const withoutBytes = (value: unknown, name = ""): unknown =>
  withTexts(value, storedText, name);

/** The same value, no deeper than the record takes. */
export const withinDepth = (value: unknown): unknown => withTexts(value, (_name, text) => text);

const textOrNothing = (value: unknown) => (typeof value === "string" ? value : undefined);

/** Calls without what they were called with. */
export function withoutArguments(calls: unknown): unknown {
  if (!Array.isArray(calls)) return null;
  return calls.filter(isObject).map((call): JsonObject => {
    const { id, type } = call;
    const definition = isObject(call["function"])
      ? call["function"]
      : isObject(call["custom"])
        ? call["custom"]
        : {};
    return {
      id: textOrNothing(id),
      type: textOrNothing(type),
      function: { name: textOrNothing(definition["name"]) },
    };
  });
}

const DATA_MEMBERS: Record<string, string> = { image_url: "url", input_audio: "data" };

/** One content part with `{stored: StoredBytes}` in the place of its image or sound. */
async function storedPart(part: JsonObject): Promise<JsonObject> {
  const [type, member] = Object.entries(DATA_MEMBERS).find(([name]) => name === part["type"]) ?? [];
  const held = type === undefined ? undefined : part[type];
  if (
    type === undefined ||
    member === undefined ||
    !isObject(held) ||
    typeof held[member] !== "string"
  )
    return part;
  const [header = "", mediaType] = DATA_URL.exec(held[member]) ?? [];
  const text = held[member].slice(header.length);
  const bytes = decodedBytes(text) ?? new TextEncoder().encode(text);
  const hash = await sha256Aside(bytes);
  const stored: StoredBytes = {
    sha256: hash,
    bytes: bytes.byteLength,
    mediaType: mediaType ?? null,
  };
  return { ...part, [type]: { ...held, [member]: { stored } } };
}

/**
 * A hidden message with `{stored: StoredBytes}` in the place of images and sounds of tools, hashed
 * off the main thread where the runtime has another: the record of a turn must not be as large as
 * what its tools showed.
 */
export async function withoutMedia(message: JsonObject): Promise<JsonObject> {
  const { role, content } = message;
  if (role !== "user" || !Array.isArray(content)) return message;
  return { ...message, content: await Promise.all(objectsOf(content).map(storedPart)) };
}
