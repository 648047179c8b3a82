/**
 * Reads a few members of a JSON text of any length, cut anywhere, and skips the rest: the usage that
 * stands before or behind 200 MB of vectors. What it holds is bounded, however deep or long the text
 * is. It does not judge: of what is no JSON, it reads something or nothing.
 */
import { parseJson, setMember, type JsonObject } from "../openai/json.ts";

/** What is read of a value. */
export interface WantedValue {
  /** Read it whole, if it is no longer than the limit. */
  whole?: boolean;
  /** Where it is an object: which of its members. */
  members?: Readonly<Record<string, WantedValue>>;
  /** Where it is an array: what of its elements, as far as there are no more than this. */
  elements?: { wanted: WantedValue; max: number };
}

/** A longer value is not read. In characters. */
const MAX_VALUE_LENGTH = 64 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

function tableOf(codes: number[]): Uint8Array {
  const table = new Uint8Array(128);
  for (const code of codes) table[code] = 1;
  return table;
}

const BRACKETS = [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY];
/** Where a value is passed over, only these say where it ends. */
const IN_PASSED = tableOf([QUOTE, ...BRACKETS]);
const IN_WALKED = tableOf([QUOTE, COMMA, COLON, ...BRACKETS]);

/** An object or array of which something is wanted, while it is open. */
interface Frame {
  found: JsonObject | unknown[];
  wanted: WantedValue;
  /** The member whose value is read; null while a name is waited for, and in an array. */
  name: string | null;
}

const NOTHING: WantedValue = {};

/** The name of a member as its text with quotes says it. One that is no text is nobody's. */
function nameOf(quoted: string | null): string {
  const name = quoted?.includes("\\") ? parseJson(quoted) : quoted?.slice(1, -1);
  return typeof name === "string" ? name : "";
}

function wantedIn({ found, wanted, name }: Frame): WantedValue {
  if (Array.isArray(found)) return wanted.elements?.wanted ?? NOTHING;
  const { members } = wanted;
  if (members === undefined || name === null || !Object.hasOwn(members, name)) return NOTHING;
  return members[name] ?? NOTHING;
}

function addFound({ found, wanted, name }: Frame, value: unknown): void {
  if (!Array.isArray(found)) setMember(found, name ?? "", value);
  else if (found.length < (wanted.elements?.max ?? 0)) found.push(value);
  else found[found.length - 1] = value;
}

/** Feeds on a JSON text, and says what of it was wanted. */
export class MemberScanner {
  readonly #root: WantedValue;
  /** What is open of what is wanted, outermost first: never deeper than what is wanted is nested. */
  readonly #frames: Frame[] = [];
  #result: unknown;
  #isRootSeen = false;
  #inString = false;
  /** Whether the text so far ends in a backslash that belongs to the next character. */
  #isEscaping = false;
  /** Brackets that are open inside a value that is not walked through. */
  #depth = 0;
  /** What came before this text of the name or value that is kept; null where none is. */
  #kept: string | null = null;
  /** Where in this text what is kept goes on. */
  #keptFrom = 0;

  constructor(wanted: WantedValue) {
    this.#root = wanted;
  }

  push(text: string): void {
    this.#keptFrom = 0;
    let at = 0;
    while (at < text.length) {
      if (this.#inString) {
        at = this.#skipString(text, at);
        if (!this.#inString && this.#depth === 0) this.#stringEnds(text, at);
        continue;
      }
      at = this.#skipPlain(text, at);
      if (at < text.length) this.#structure(text, at);
      at += 1;
    }
    this.#keepUntil(text, text.length);
  }

  /** What was found, nested as it stood; undefined where there was nothing. */
  result(): unknown {
    return this.#result;
  }

  /** The end of a string's text, or of the text. */
  #skipString(text: string, start: number): number {
    let from = this.#isEscaping ? start + 1 : start;
    this.#isEscaping = false;
    for (;;) {
      const quote = text.indexOf('"', from);
      const end = quote === -1 ? text.length : quote;
      let before = end;
      while (before > from && text.charCodeAt(before - 1) === BACKSLASH) before -= 1;
      const isEscaped = (end - before) % 2 === 1;
      if (quote === -1) {
        this.#isEscaping = isEscaped;
        return end;
      }
      from = quote + 1;
      if (isEscaped) continue;
      this.#inString = false;
      return from;
    }
  }

  #skipPlain(text: string, start: number): number {
    const table = this.#depth === 0 ? IN_WALKED : IN_PASSED;
    let at = start;
    while (at < text.length && table[text.charCodeAt(at)] !== 1) at += 1;
    return at;
  }

  #structure(text: string, at: number): void {
    const code = text.charCodeAt(at);
    if (code === QUOTE) this.#stringBegins(at);
    else if (code === OPEN_OBJECT || code === OPEN_ARRAY) this.#bracketOpens(code, at);
    else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) this.#bracketCloses(text, at);
    else if (code === COLON) this.#valueBegins(at + 1);
    else this.#comma(text, at);
  }

  /** What is wanted of the value that comes now. */
  #wanted(): WantedValue {
    const frame = this.#frames.at(-1);
    if (frame !== undefined) return wantedIn(frame);
    return this.#isRootSeen ? NOTHING : this.#root;
  }

  #valueBegins(at: number): void {
    this.#kept = this.#wanted().whole === true ? "" : null;
    this.#keptFrom = at;
  }

  #valueEnds(text: string, end: number): void {
    this.#keepUntil(text, end);
    const value = this.#kept === null ? undefined : parseJson(this.#kept);
    this.#kept = null;
    const frame = this.#frames.at(-1);
    if (value !== undefined && frame !== undefined) addFound(frame, value);
  }

  #keepUntil(text: string, end: number): void {
    if (this.#kept === null) return;
    const length = this.#kept.length + end - this.#keptFrom;
    this.#kept = length > MAX_VALUE_LENGTH ? null : this.#kept + text.slice(this.#keptFrom, end);
    this.#keptFrom = end;
  }

  #isNameNext(): boolean {
    const frame = this.#frames.at(-1);
    return frame !== undefined && !Array.isArray(frame.found) && frame.name === null;
  }

  #stringBegins(at: number): void {
    this.#inString = true;
    if (this.#depth > 0) return;
    this.#valueBegins(at);
    if (this.#isNameNext()) this.#kept = "";
  }

  #stringEnds(text: string, end: number): void {
    const frame = this.#frames.at(-1);
    if (frame === undefined || !this.#isNameNext()) {
      this.#valueEnds(text, end);
      return;
    }
    this.#keepUntil(text, end);
    frame.name = nameOf(this.#kept);
    this.#kept = null;
  }

  #bracketOpens(code: number, at: number): void {
    if (this.#depth > 0) {
      this.#depth += 1;
      return;
    }
    const wanted = this.#wanted();
    if (code === OPEN_OBJECT && wanted.members !== undefined) {
      this.#walkInto(Object.create(null) as JsonObject, wanted);
      this.#kept = null;
    } else if (code === OPEN_ARRAY && wanted.elements !== undefined) {
      this.#walkInto([], wanted);
      this.#valueBegins(at + 1);
    } else {
      this.#valueBegins(at);
      this.#depth = 1;
    }
    this.#isRootSeen = true;
  }

  /** What is found in it counts, whether or not its end ever comes. */
  #walkInto(found: JsonObject | unknown[], wanted: WantedValue): void {
    const outer = this.#frames.at(-1);
    if (outer === undefined) this.#result = found;
    else addFound(outer, found);
    this.#frames.push({ found, wanted, name: null });
  }

  #bracketCloses(text: string, at: number): void {
    if (this.#depth > 0) {
      this.#depth -= 1;
      if (this.#depth === 0) this.#valueEnds(text, at + 1);
      return;
    }
    // A number may stand before it, without anything else that says where it ends.
    this.#valueEnds(text, at);
    this.#frames.pop();
  }

  #comma(text: string, at: number): void {
    this.#valueEnds(text, at);
    const frame = this.#frames.at(-1);
    if (frame === undefined) return;
    frame.name = null;
    if (Array.isArray(frame.found)) this.#valueBegins(at + 1);
  }
}
