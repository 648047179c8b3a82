/**
 * How many steps a regular expression may take that backtracks, at worst. Not exact: never too low,
 * often too high. What seems too much runs where nothing else waits for it, or not at all.
 */

/** How many ways a part of a pattern can match: `ways * length ** degree`. */
interface Ways {
  ways: number;
  degree: number;
  /** Whether something is repeated that can itself match in several ways: 2 ** length. */
  isExponential: boolean;
}

const ONE: Ways = { ways: 1, degree: 0, isExponential: false };
const WORST: Ways = { ways: 1, degree: 1, isExponential: true };

/** `*`, `+`, `?`, `{n}`, `{n,}` or `{n,m}`, lazy or not. */
const QUANTIFIER = /(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})\??/y;
/** What a group begins with, beyond its bracket. */
const GROUP_START = /\?(?::|<?[=!]|<[^>]*>|[a-z-]+:)/y;
const CHARACTER_CLASS = /\[(?:\\[^]|[^\]\\])*\]/y;
const ESCAPE = /\\(?:[pPu]\{[^}]*\}|k<[^>]*>|[^])/y;
const BACK_REFERENCE = /^\\[1-9k]/;
/** Groups deeper than this are judged the worst. */
const MAX_DEPTH = 64;

function product(a: Ways, b: Ways): Ways {
  return {
    ways: a.ways * b.ways,
    degree: a.degree + b.degree,
    isExponential: a.isExponential || b.isExponential,
  };
}

function either(a: Ways, b: Ways): Ways {
  return {
    ways: a.ways + b.ways,
    degree: Math.max(a.degree, b.degree),
    isExponential: a.isExponential || b.isExponential,
  };
}

function repeated(part: Ways, { min, max }: { min: number; max: number }): Ways {
  if (part.isExponential) return part;
  const isPlain = part.ways === 1 && part.degree === 0;
  if (max === Infinity) return isPlain ? { ...ONE, degree: 1 } : WORST;
  const ways = (max - min + 1) * part.ways ** max;
  return { ways, degree: part.degree * max, isExponential: false };
}

/** Reads a pattern from its start to its end. It must be a valid one. */
class PatternReader {
  readonly #pattern: string;
  #at = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  /** Alternatives, up to the group's end or the pattern's. */
  choice(depth: number): Ways {
    if (depth > MAX_DEPTH) return WORST;
    let all = this.#sequence(depth);
    while (this.#pattern[this.#at] === "|") {
      this.#at++;
      all = either(all, this.#sequence(depth));
    }
    return all;
  }

  #sequence(depth: number): Ways {
    let all = ONE;
    while (this.#at < this.#pattern.length && !"|)".includes(this.#pattern[this.#at] ?? "")) {
      const part = this.#part(depth);
      const range = this.#quantifier();
      all = product(all, range === null ? part : repeated(part, range));
    }
    return all;
  }

  #part(depth: number): Ways {
    if (this.#pattern[this.#at] === "(") {
      this.#at++;
      this.#take(GROUP_START);
      const inside = this.choice(depth + 1);
      this.#at++;
      return inside;
    }
    const escape = this.#take(ESCAPE);
    if (escape !== null) return BACK_REFERENCE.test(escape) ? WORST : ONE;
    if (this.#take(CHARACTER_CLASS) === null) this.#at++;
    return ONE;
  }

  #quantifier(): { min: number; max: number } | null {
    QUANTIFIER.lastIndex = this.#at;
    const found = QUANTIFIER.exec(this.#pattern);
    if (found === null) return null;
    this.#at = QUANTIFIER.lastIndex;
    const [, sign, least, comma, most] = found;
    if (sign === "?") return { min: 0, max: 1 };
    if (sign !== undefined) return { min: 0, max: Infinity };
    const min = Number(least);
    if (comma === undefined) return { min, max: min };
    return { min, max: most === "" ? Infinity : Number(most) };
  }

  #take(expression: RegExp): string | null {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#pattern)?.[0] ?? null;
    if (found !== null) this.#at += found.length;
    return found;
  }
}

/**
 * Steps that a pattern takes at most for a text, in powers of its length.
 * @param length of the text, in characters
 */
export function patternCost(pattern: string): (length: number) => number {
  const { ways, degree, isExponential } = new PatternReader(pattern).choice(0);
  // Without an anchor, each character is a start.
  const starts = pattern.startsWith("^") && !pattern.includes("|") ? 0 : 1;
  return (textLength) => {
    const length = Math.max(1, textLength);
    const paths = isExponential ? 2 ** length : ways * length ** degree;
    return paths * length ** starts;
  };
}
