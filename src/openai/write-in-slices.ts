/**
 * `JSON.stringify` for large values: the same text, as bytes, written in slices between which other
 * requests have their turn.
 */
import { CHARACTERS_PER_UNIT, inSlices, Slice } from "./in-slices.ts";
import { isObject } from "./json.ts";

/** Longer values (messages with images, mostly) are written in slices. In characters. */
const LONG = 32_768;
/** What a number, or an empty list, counts as. In characters. */
const SCALAR_LENGTH = 8;
/** Long strings are written in pieces of this many characters. */
const PIECE_LENGTH = 262_144;
/** Of a slice's work: to copy a piece. */
const COPIED_UNITS = 64;

const encoder = new TextEncoder();

/** A value's size, at least; counted no further than up to the limit. */
function sizeOf(value: unknown, limit: number): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return SCALAR_LENGTH;
  let size = SCALAR_LENGTH;
  // Eight times as fast as `for … in`, which looks at prototypes (seen 2026-11).
  const members: unknown[] = Array.isArray(value) ? value : Object.values(value);
  for (const member of members) {
    if (size > limit) break;
    size += sizeOf(member, limit - size);
  }
  return size;
}

/** Whether a value's texts are longer than so many characters, in all. */
export const isLongerThan = (value: unknown, length: number): boolean =>
  sizeOf(value, length) > length;

/** Whether a value is better written in slices. */
export const isLong = (value: unknown): boolean => isLongerThan(value, LONG);

/** Collects text as bytes. */
class TextBytes {
  readonly #slice = new Slice();
  readonly #pieces: Uint8Array[] = [];
  #text = "";
  #size = 0;

  add(text: string): void {
    this.#text += text;
    if (this.#text.length > PIECE_LENGTH) this.#encode();
  }

  /** In slices: see `inSlices`. */
  *whole(): Generator<void, Uint8Array<ArrayBuffer>> {
    this.#encode();
    const bytes = new Uint8Array(this.#size);
    let offset = 0;
    for (const piece of this.#pieces) {
      bytes.set(piece, offset);
      offset += piece.byteLength;
      if (this.#slice.spend(COPIED_UNITS)) yield;
    }
    return bytes;
  }

  #encode(): void {
    const bytes = encoder.encode(this.#text);
    this.#pieces.push(bytes);
    this.#size += bytes.byteLength;
    this.#text = "";
  }
}

/** Whether the character at an index is the second half of one that is two long. */
function isSecondHalf(text: string, index: number): boolean {
  const [before, code] = [text.charCodeAt(index - 1), text.charCodeAt(index)];
  return before >= 0xd800 && before <= 0xdbff && code >= 0xdc00 && code <= 0xdfff;
}

function* stringSteps(text: string, to: TextBytes, slice: Slice): Generator<void, void> {
  to.add('"');
  for (let from = 0; from < text.length;) {
    const border = from + PIECE_LENGTH;
    const end = isSecondHalf(text, border) ? border + 1 : border;
    to.add(JSON.stringify(text.slice(from, end)).slice(1, -1));
    if (slice.spend(PIECE_LENGTH / CHARACTERS_PER_UNIT)) yield;
    from = end;
  }
  to.add('"');
}

function* valueSteps(value: unknown, to: TextBytes, slice: Slice): Generator<void, void> {
  if (slice.spend(1)) yield;
  if (typeof value === "string" && value.length > PIECE_LENGTH) {
    yield* stringSteps(value, to, slice);
  } else if (Array.isArray(value)) {
    to.add("[");
    for (const [index, item] of value.entries()) {
      if (index > 0) to.add(",");
      yield* valueSteps(item, to, slice);
    }
    to.add("]");
  } else if (isObject(value)) {
    let separator = "{";
    for (const [name, item] of Object.entries(value)) {
      if (item === undefined) continue;
      to.add(`${separator}${JSON.stringify(name)}:`);
      separator = ",";
      yield* valueSteps(item, to, slice);
    }
    to.add(separator === "{" ? "{}" : "}");
  } else to.add(value === undefined ? "null" : JSON.stringify(value));
}

/** The bytes of a value's JSON text, in slices: see `inSlices`. What is no JSON becomes `null`. */
export function* writeSteps(value: unknown): Generator<void, Uint8Array<ArrayBuffer>> {
  const bytes = new TextBytes();
  yield* valueSteps(value, bytes, new Slice());
  return yield* bytes.whole();
}

/** More than this is encoded in pieces. In characters. */
const LONG_TEXT = 1_048_576;

function* encodeSteps(text: string): Generator<void, Uint8Array<ArrayBuffer>> {
  const slice = new Slice();
  // Most texts have one byte for each character: those are written where they stay.
  let bytes = new Uint8Array(text.length);
  let size = 0;
  for (let from = 0; from < text.length;) {
    const border = from + PIECE_LENGTH;
    const end = isSecondHalf(text, border) ? border + 1 : border;
    const piece = encoder.encode(text.slice(from, end));
    if (size + piece.byteLength > bytes.byteLength) {
      const larger = new Uint8Array(Math.max(text.length * 2, size + piece.byteLength * 2));
      larger.set(bytes.subarray(0, size));
      bytes = larger;
    }
    bytes.set(piece, size);
    size += piece.byteLength;
    from = end;
    if (slice.spend(PIECE_LENGTH / CHARACTERS_PER_UNIT)) yield;
  }
  return bytes.subarray(0, size);
}

/** A text as UTF-8. A large one is encoded in slices. */
export const bytesOfText = async (text: string): Promise<Uint8Array<ArrayBuffer>> =>
  text.length > LONG_TEXT ? inSlices(encodeSteps(text)) : encoder.encode(text);

/** The bytes of a value's JSON text. Those of a large one are written in slices. */
export const jsonBytes = async (value: unknown): Promise<Uint8Array<ArrayBuffer>> =>
  isLong(value) ? inSlices(writeSteps(value)) : encoder.encode(JSON.stringify(value));
