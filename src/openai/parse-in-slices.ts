/**
 * `JSON.parse` for large texts: it takes the same texts and gives the same values, but stops at the
 * end of each slice, and at a bound. The built-in one takes seconds for some (a million names,
 * measured), in which nothing else goes on.
 */
import { CHARACTERS_PER_UNIT, Slice } from "./in-slices.ts";
import type { JsonObject } from "./json.ts";
import { checkBound, isEscaped, JsonCount, quoteFrom } from "./json-bounds.ts";

/** Strings beyond this many characters are read in pieces of it. */
const PIECE_LENGTH = 262_144;
/** Quotes within a string that are one unit of work to step over. */
const QUOTES_PER_UNIT = 64;

/** Neither takes more of a text than one more than it may have. */
const SPACES = /[ \t\n\r]{0,1000001}/y;
const LONG_NUMBER = 1001;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
/** What a string's text cannot be taken over with: escapes, and what must be escaped. */
// oxlint-disable-next-line no-control-regex -- JSON forbids them
const NOT_PLAIN = /[\\\u0000-\u001F]/;
const LITERALS = new Map<string, unknown>([
  ["true", true],
  ["false", false],
  ["null", null],
]);

type Container = unknown[] | JsonObject;

function put(container: Container, name: string | null, value: unknown): void {
  if (Array.isArray(container)) container.push(value);
  else if (name === "__proto__")
    Object.defineProperty(container, name, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  else container[name ?? ""] = value;
}

const fault = (at: number) => new SyntaxError(`This is no JSON at position ${at}`);

/** The first index from `at` on at which a string can be cut without cutting an escape. */
function cutAt(text: string, at: number): number {
  if (isEscaped(text, at)) return text[at] === "u" ? at + 5 : at + 1;
  for (let back = 2; back <= 5; back++) {
    const start = at - back;
    if (text[start] === "\\" && text[start + 1] === "u" && !isEscaped(text, start))
      return start + 6;
  }
  return at;
}

/** The value of a string's inside. */
function unescaped(inside: string): string {
  return NOT_PLAIN.test(inside) ? (JSON.parse(`"${inside}"`) as string) : inside;
}

/** One text, from its start to its end. */
class Reader {
  readonly #text: string;
  readonly #slice = new Slice();
  readonly #count: JsonCount;
  readonly #maxMembers: number | undefined;
  #at = 0;

  constructor(text: string, maxValues: number | undefined) {
    this.#text = text;
    this.#count = new JsonCount(maxValues);
    this.#maxMembers = maxValues;
  }

  /** @throws SyntaxError where it is no JSON; BeyondBounds */
  *read(): Generator<void, unknown> {
    const holder: unknown[] = [];
    const open: { container: Container; name: string | null; members: number }[] = [];
    let [container, name]: [Container, string | null] = [holder, null];
    let members = 0;
    for (;;) {
      const value = yield* this.#value();
      put(container, name, value);
      if (this.#slice.spend(1)) yield;
      const isOpened = typeof value === "object" && value !== null;
      if (isOpened) {
        this.#count.open();
        open.push({ container, name, members });
        [container, name, members] = [value as Container, null, 0];
      }
      for (let isFirst = isOpened; ; isFirst = false) {
        const goesOn = this.#goesOn(container, open.length, isFirst);
        if (goesOn) break;
        const outer = open.pop();
        if (outer === undefined) return holder[0];
        this.#count.close();
        ({ container, name, members } = outer);
      }
      if (Array.isArray(container)) continue;
      checkBound("members", ++members, this.#maxMembers);
      name = yield* this.#name();
    }
  }

  /** Whether another value of the container follows; its end is passed where none does. */
  #goesOn(container: Container, depth: number, isFirst: boolean): boolean {
    const next = this.#next();
    if (depth === 0) {
      if (next !== "") throw fault(this.#at);
      return false;
    }
    if (next === (Array.isArray(container) ? "]" : "}")) {
      this.#at++;
      return false;
    }
    if (isFirst) return true;
    if (next !== ",") throw fault(this.#at);
    this.#at++;
    return true;
  }

  /** The next character that is no space; empty at the end. */
  #next(): string {
    SPACES.lastIndex = this.#at;
    SPACES.test(this.#text);
    checkBound("spaces", SPACES.lastIndex - this.#at);
    this.#at = SPACES.lastIndex;
    return this.#text.charAt(this.#at);
  }

  *#name(): Generator<void, string> {
    if (this.#next() !== '"') throw fault(this.#at);
    const start = this.#at;
    const end = yield* this.#stringEnd(start + 1);
    checkBound("name", end - start);
    const name = yield* this.#string();
    if (this.#next() !== ":") throw fault(this.#at);
    this.#at++;
    return name;
  }

  /** A value, of which a container is empty as yet. */
  *#value(): Generator<void, unknown> {
    this.#count.value();
    const next = this.#next();
    if (next === '"') return yield* this.#string();
    if (next === "{" || next === "[") {
      this.#at++;
      return next === "[" ? [] : {};
    }
    return this.#scalar();
  }

  #scalar(): unknown {
    for (const [literal, value] of LITERALS) {
      if (!this.#text.startsWith(literal, this.#at)) continue;
      this.#at += literal.length;
      return value;
    }
    NUMBER.lastIndex = 0;
    const start = this.#text.slice(this.#at, this.#at + LONG_NUMBER);
    const number = NUMBER.exec(start)?.[0];
    if (number === undefined) throw fault(this.#at);
    checkBound("number", number.length);
    this.#at += number.length;
    return Number(number);
  }

  *#string(): Generator<void, string> {
    const start = this.#at + 1;
    const end = yield* this.#stringEnd(start);
    this.#at = end + 1;
    if (end - start <= PIECE_LENGTH) return unescaped(this.#text.slice(start, end));
    const pieces: string[] = [];
    let isPlain = true;
    for (let from = start; from < end;) {
      const to = Math.min(end, cutAt(this.#text, from + PIECE_LENGTH));
      const piece = this.#text.slice(from, to);
      isPlain &&= !NOT_PLAIN.test(piece);
      pieces.push(isPlain ? piece : unescaped(piece));
      if (this.#slice.spend((to - from) / CHARACTERS_PER_UNIT)) yield;
      from = to;
    }
    // A part of the text, without a copy, where that is possible.
    return isPlain ? this.#text.slice(start, end) : pieces.join("");
  }

  *#stringEnd(start: number): Generator<void, number> {
    let end = quoteFrom(this.#text, start);
    while (end !== -1 && isEscaped(this.#text, end)) {
      if (this.#slice.spend(1 / QUOTES_PER_UNIT)) yield;
      end = quoteFrom(this.#text, end + 1);
    }
    if (end === -1) throw fault(start);
    return end;
  }
}

/**
 * Parses a text, to be run by `inSlices`.
 * @param maxValues where fewer are wanted than a request body may have: all may be one object's
 * @throws SyntaxError where it is no JSON; BeyondBounds
 */
export const parseSteps = (text: string, maxValues?: number): Generator<void, unknown> =>
  new Reader(text, maxValues).read();
