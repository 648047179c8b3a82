/** Message content as it is stored: images, sounds and files by hash and size, or nothing at all. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { isObject, type JsonObject } from "../openai/json.ts";

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
/** Members that hold base64 without saying so: `input_audio.data`, `audio.data`, `file.file_data`, image `b64_json`. */
const BASE64_MEMBERS = new Set(["data", "file_data", "b64_json"]);

function decodedBytes(base64: string): Uint8Array | null {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    // No base64 after all: then its own characters are what is hashed.
    return null;
  }
}

function storedBytes(text: string, mediaType: string | null): StoredBytes {
  const bytes = decodedBytes(text) ?? new TextEncoder().encode(text);
  return { sha256: bytesToHex(sha256(bytes)), bytes: bytes.byteLength, mediaType };
}

function storedText(name: string, text: string): unknown {
  if (text.length < SHORT) return text;
  const header = DATA_URL.exec(text);
  if (header !== null) return { stored: storedBytes(text.slice(header[0].length), header[1] || null) };
  return BASE64_MEMBERS.has(name) ? { stored: storedBytes(text, null) } : text;
}

/**
 * A message's content, or another member of it, with `{stored: StoredBytes}` in the place of bytes that came inside.
 * Addresses of images stay.
 */
export function withoutBytes(value: unknown, name = ""): unknown {
  if (typeof value === "string") return name === "" ? value : storedText(name, value);
  if (Array.isArray(value)) return value.map((element) => withoutBytes(element, name));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([member, part]) => [member, member === "text" ? part : withoutBytes(part, member)]));
}

/** Calls without what they were called with. */
export function withoutArguments(calls: unknown): unknown {
  if (!Array.isArray(calls)) return null;
  return calls.filter(isObject).map((call): JsonObject => {
    const { id, type } = call;
    const definition = isObject(call["function"]) ? call["function"] : isObject(call["custom"]) ? call["custom"] : {};
    return { id, type, function: { name: definition["name"] } };
  });
}
