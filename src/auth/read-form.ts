import { readMediaType, type MediaType } from "./media-type.ts";
import { cannotTell } from "./model-refusal.ts";

/** A part of a multipart form. */
export interface FormPart {
  name: string;
  /** Whether it has the name of a file. */
  isFile: boolean;
  value: Uint8Array;
}

const BOUNDARY = /^[\w'()+,./:=?-]{1,70}$/;
/** The name comes first, nothing is escaped, nothing comes twice: no two parsers differ on it. */
const DISPOSITION =
  /^form-data; ?name=(?:"([\w.[\]-]+)"|([\w.-]+))(?:; ?filename=(?:"[^"\\;\p{Cc}]*"|[\w.-]+))?(?:; ?filename\*=utf-8''[\w.%~!$&+^`|-]*)?$/iu;
/** Other encodings (base64, quoted-printable) are undone by some parsers alone. */
const PLAIN_ENCODING = /^(?:7bit|8bit|binary)$/i;
const HEADER = /^([\w-]+):[ \t]*([^\r\n\0]*?)[ \t]*$/;
const MAX_PARTS = 1000;
const MAX_HEAD_BYTES = 16 * 1024;
/** After so many bytes others have their turn. */
const BYTES_PER_TURN = 1024 * 1024;
const [CR, LF] = [13, 10];

const twoReadings = (why: string) =>
  cannotTell(`the multipart body can be read in different ways: ${why}`);

/** How far a text that broke off at each place may have begun anew (Knuth, Morris, Pratt). */
function restarts(pattern: Uint8Array): Uint8Array {
  const table = new Uint8Array(pattern.length);
  for (let at = 1, matched = 0; at < pattern.length; at++) {
    while (matched > 0 && pattern[at] !== pattern[matched]) matched = table[matched - 1] ?? 0;
    if (pattern[at] === pattern[matched]) matched++;
    table[at] = matched;
  }
  return table;
}

/** Where the pattern stands, in time that no bytes can stretch. */
async function placesOf(pattern: Uint8Array, bytes: Uint8Array): Promise<number[]> {
  const table = restarts(pattern);
  const places: number[] = [];
  let pauseAt = BYTES_PER_TURN;
  for (let at = 0, matched = 0; at < bytes.length; at++) {
    if (matched === 0) at = bytes.indexOf(pattern[0] ?? 0, at);
    if (at === -1) break;
    while (matched > 0 && bytes[at] !== pattern[matched]) matched = table[matched - 1] ?? 0;
    if (bytes[at] === pattern[matched]) matched++;
    if (matched === pattern.length) {
      places.push(at + 1 - matched);
      matched = 0;
      if (places.length > MAX_PARTS) throw cannotTell(`the form has more than ${MAX_PARTS} parts`);
    }
    if (at < pauseAt) continue;
    pauseAt = at + BYTES_PER_TURN;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return places;
}

const isLineEnd = (bytes: Uint8Array, at: number) => bytes[at] === CR && bytes[at + 1] === LF;

/**
 * What stands between the delimiters. Each is a line of its own, the first one begins the body, the
 * last one ends it.
 */
async function splitParts(bytes: Uint8Array, boundary: string): Promise<Uint8Array[]> {
  const delimiter = new TextEncoder().encode(`--${boundary}`);
  const places = await placesOf(delimiter, bytes);
  const last = places.pop();
  if (last === undefined) throw twoReadings("it does not have its boundary");
  const end = last + delimiter.length;
  const epilogue = new TextDecoder().decode(bytes.subarray(end, end + 8));
  if (!/^--(?:\r\n)*$/.test(epilogue) || bytes.length > end + 8)
    throw twoReadings("its last line is not its boundary with two dashes");
  const starts = places.map((place) => place + delimiter.length + 2);
  const ends = [...places, last].map((place) => place - 2);
  const areLines =
    starts.every((start) => isLineEnd(bytes, start - 2)) &&
    ends.slice(1).every((at) => isLineEnd(bytes, at));
  if (!areLines) throw twoReadings("its boundary stands inside of a line");
  if ((places[0] ?? last) !== 0) throw twoReadings("there is something before its first boundary");
  return starts.map((start, index) => bytes.subarray(start, Math.max(start, ends[index + 1] ?? 0)));
}

function headLength(part: Uint8Array): number {
  const last = Math.min(part.length, MAX_HEAD_BYTES) - 4;
  for (let at = 0; at <= last; at++) if (isLineEnd(part, at) && isLineEnd(part, at + 2)) return at;
  throw twoReadings("a part has no end of its headers");
}

/** The headers of a part by name in lower case. */
function readHeaders(head: string): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of head.split("\r\n")) {
    const [, name = "", value = ""] = HEADER.exec(line) ?? [];
    if (name === "" || headers.has(name.toLowerCase()))
      throw twoReadings("a part has headers that are not plain lines");
    headers.set(name.toLowerCase(), value);
  }
  return headers;
}

/**
 * Bytes as UTF-8, a byte order mark included.
 * @throws ApiError 403 where they are not
 */
export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw cannotTell("the body is not UTF-8 text");
    throw error;
  }
}

function readPart(bytes: Uint8Array): FormPart {
  const length = headLength(bytes);
  const headers = readHeaders(decodeText(bytes.subarray(0, length)));
  const disposition = headers.get("content-disposition") ?? "";
  const [, quoted, plain] = DISPOSITION.exec(disposition) ?? [];
  const name = quoted ?? plain;
  if (name === undefined || name === "_charset_")
    throw twoReadings(`a part has the content-disposition "${disposition.slice(0, 200)}"`);
  const { type } = readMediaType(headers.get("content-type") ?? null);
  if (type.startsWith("multipart/")) throw twoReadings(`the part "${name}" is multipart itself`);
  if (!PLAIN_ENCODING.test(headers.get("content-transfer-encoding") ?? "binary"))
    throw twoReadings(`the part "${name}" has a content-transfer-encoding`);
  const isFile = /;\s*filename/i.test(disposition);
  return { name, isFile, value: bytes.subarray(length + 4) };
}

/**
 * Reads a multipart form as the strictest of parsers does.
 * @throws ApiError 403 where another parser could read it otherwise
 */
export async function readForm(bytes: Uint8Array, { parameters }: MediaType): Promise<FormPart[]> {
  const boundary = parameters.get("boundary") ?? "";
  if (!BOUNDARY.test(boundary)) throw twoReadings("its content-type has no plain boundary");
  return (await splitParts(bytes, boundary)).map(readPart);
}
