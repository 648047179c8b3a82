import { isObject, parseWithinBounds } from "./json.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING = new Set([0x7b, 0x5b]);
const CLOSING = new Set([0x7d, 0x5d]);
/** What may stand around a JSON value. */
const SPACES = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * Tells whether a text that comes in pieces is one whole JSON object. However often it is asked,
 * each character is looked at once, and the text is parsed at most once.
 */
export class WholeObject {
  #seen = 0;
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  #verdict: "open" | "whole" | "never" = "open";

  /** @param pieces the text so far; those of the call before are still its start */
  isWhole(pieces: readonly string[]): boolean {
    for (; this.#seen < pieces.length && this.#verdict !== "never"; this.#seen++)
      this.#read(pieces, pieces[this.#seen] ?? "");
    return this.#verdict === "whole";
  }

  #read(pieces: readonly string[], piece: string): void {
    for (let at = 0; at < piece.length; at++) {
      const code = piece.charCodeAt(at);
      if (this.#depth > 0) this.#readInside(code);
      else if (!SPACES.has(code)) this.#readOutside(code);
      if (this.#verdict === "never") return;
      if (this.#depth === 0 && CLOSING.has(code)) {
        const text = pieces.slice(0, this.#seen).join("") + piece.slice(0, at + 1);
        this.#verdict = isObject(parseWithinBounds(text)) ? "whole" : "never";
      }
    }
  }

  /** Outside of everything stands one object, and nothing beside it. */
  #readOutside(code: number): void {
    if (this.#verdict === "whole" || code !== 0x7b) this.#verdict = "never";
    else this.#depth = 1;
  }

  #readInside(code: number): void {
    if (this.#isEscaped) this.#isEscaped = false;
    else if (this.#isInString) {
      if (code === BACKSLASH) this.#isEscaped = true;
      else if (code === QUOTE) this.#isInString = false;
    } else if (code === QUOTE) this.#isInString = true;
    else if (OPENING.has(code)) this.#depth++;
    else if (CLOSING.has(code)) this.#depth--;
  }
}
