import { ApiError } from "./api-error.ts";

/** How large a JSON text may be, and what its sender is told. */
interface JsonBound {
  value: number;
  /** After "The request body", for people. */
  sentence: string;
}

/**
 * What real requests stay far below: a tool's schema may be nested 64 levels deep, which are 130 of
 * a body; a Codex session of 30 MB has some 100,000 values, and embeddings take 300,000 tokens. An
 * object of many members is slow wherever it is gone through: 10 µs a member in all.
 */
const JSON_BOUNDS = {
  depth: {
    value: 256,
    sentence: "is nested deeper than 256 levels, which is more than this proxy reads",
  },
  members: {
    value: 20_000,
    sentence: "has an object of more than 20,000 members, which is more than this proxy reads",
  },
  spaces: {
    value: 1_000_000,
    sentence: "has a million spaces in a row, which is more than this proxy reads",
  },
  number: {
    value: 1000,
    sentence: "has a number of more than 1,000 digits, which is more than this proxy reads",
  },
  name: {
    value: 65_536,
    sentence:
      "has a member's name of more than 65,536 characters, which is more than this proxy reads",
  },
  values: {
    value: 500_000,
    sentence:
      "has more than 500,000 values (members of objects and elements of arrays), which is more than this proxy reads",
  },
} as const satisfies Record<string, JsonBound>;

/** A bound, by its name. */
export type JsonBoundName = keyof typeof JSON_BOUNDS;

/** A text that is beyond a bound. */
export class BeyondBounds extends Error {
  readonly bound: JsonBoundName;
  constructor(bound: JsonBoundName) {
    super(JSON_BOUNDS[bound].sentence);
    this.name = "BeyondBounds";
    this.bound = bound;
  }
}

/** What a client is told whose request body is beyond a bound. */
export function refusalOf(error: BeyondBounds): ApiError {
  return new ApiError("bad_request", `The request body ${error.message}.`, { cause: error });
}

/**
 * @param most where it is another number than in a request body
 * @throws BeyondBounds where there is more of it
 */
export function checkBound(
  bound: JsonBoundName,
  count: number,
  most: number = JSON_BOUNDS[bound].value,
): void {
  if (count > most) throw new BeyondBounds(bound);
}

/** Counts levels and values as a text is read. */
export class JsonCount {
  #depth = 0;
  #values = 0;
  readonly #maxValues: number;

  constructor(maxValues: number = JSON_BOUNDS.values.value) {
    this.#maxValues = maxValues;
  }

  /** @throws BeyondBounds */
  open(): void {
    this.#depth++;
    if (this.#depth > JSON_BOUNDS.depth.value) throw new BeyondBounds("depth");
  }

  close(): void {
    this.#depth--;
  }

  /** @throws BeyondBounds */
  value(): void {
    this.#values++;
    if (this.#values > this.#maxValues) throw new BeyondBounds("values");
  }
}

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d];

/** The index of the quote that may end a string, or -1. @param start within the string */
export const quoteFrom = (text: string, start: number): number => text.indexOf('"', start);

/** Whether the character at an index is escaped by the backslashes before it. */
export function isEscaped(text: string, index: number): boolean {
  let before = index - 1;
  while (text.charCodeAt(before) === BACKSLASH) before--;
  return (index - 1 - before) % 2 === 1;
}

/** The index after the string that opens at `start`; the text's end where it does not end. */
function afterString(text: string, start: number): number {
  let end = quoteFrom(text, start + 1);
  while (end !== -1 && isEscaped(text, end)) end = quoteFrom(text, end + 1);
  return end === -1 ? text.length : end + 1;
}

/**
 * Looks over a text before it is parsed, in one pass, without making anything of it. What is no
 * JSON is let through: a parser says so.
 * @param maxValues where fewer are wanted than a request body may have
 * @throws BeyondBounds
 */
export function checkBounds(text: string, maxValues?: number): void {
  const count = new JsonCount(maxValues);
  for (let at = 0; at < text.length;) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = afterString(text, at);
      continue;
    }
    at++;
    if (code === COMMA) count.value();
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      count.value();
      count.open();
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) count.close();
  }
}
