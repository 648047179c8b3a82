/**
 * Takes known secrets out of texts that are kept or shown, in whatever form somebody repeats them:
 * plain, escaped in JSON or in a URL, or inside base64 at any place.
 */
import { isObject, setMember, type JsonObject } from "../openai/json.ts";

/** Shorter values are no secrets: they may be part of any word. In characters. */
export const SHORTEST_SECRET = 8;

/** A secret, and what stands in its place. */
export interface Secret {
  value: string;
  /** Absent: `[secret]`. */
  shown?: string;
}

/** Any key of the proxy: nothing else looks so. */
const PROXY_KEY = /sk-proxy-[\w-]{20,}/g;
const PROXY_KEY_START = "sk-proxy-";
const SHOWN = "[secret]";

const latin1 = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");

/** Of base64, as many characters at each end depend on what stands beside. */
const UNSTABLE = [0, 2, 3] as const;

/** What a text looks like within base64, by where in three bytes it begins. */
function base64Forms(bytes: Uint8Array): string[] {
  return UNSTABLE.map((start, before) => {
    const encoded = btoa("\0".repeat(before) + latin1(bytes));
    const end = Math.floor(((before + bytes.byteLength) * 8) / 6);
    return encoded.slice(start, end);
  });
}

const forUrls = (base64: string): string => base64.replaceAll("+", "-").replaceAll("/", "_");

/** Every spelling of a secret that is looked for. */
function formsOf(value: string): string[] {
  const bytes = new TextEncoder().encode(value);
  const url = encodeURIComponent(value.toWellFormed());
  const base64 = base64Forms(bytes);
  const forms = [
    value,
    JSON.stringify(value).slice(1, -1),
    url,
    url.replaceAll("%20", "+"),
    // Bytes that nobody has decoded.
    latin1(bytes),
    ...base64,
    ...base64.map(forUrls),
  ];
  return [...new Set(forms)];
}

interface Form {
  text: string;
  shown: string;
}

/** As many characters of a text are looked at in one place. */
const PROBE = 8;
/** Forms of about one length are looked for together: the shortest says how long a step is. */
const LENGTHS = [20, 12];
const BUCKETS = 65_536;

function bucketOf(text: string, at: number): number {
  const near = (text.charCodeAt(at) << 8) ^ (text.charCodeAt(at + 1) << 2);
  const middle = (text.charCodeAt(at + 3) << 11) ^ text.charCodeAt(at + 4);
  const far = (text.charCodeAt(at + 6) << 5) ^ (text.charCodeAt(at + 7) << 13);
  return (near ^ middle ^ far) & (BUCKETS - 1);
}

/**
 * Looks for many texts in one pass: of each, as many beginnings are known as a step is long, so
 * that every step meets one of them. The record of a turn, 4 KB, takes 3.6 µs, however many texts
 * there are (`bench/mask.ts`, 2026-11).
 */
class Finder {
  readonly #step: number;
  readonly #buckets = new Uint32Array(BUCKETS / 32);
  /** By bucket: forms, and how far into them the bucket's characters are. */
  readonly #places = new Map<number, { text: string; offset: number }[]>();

  constructor(texts: string[]) {
    this.#step = Math.min(64, ...texts.map(({ length }) => length - PROBE + 1));
    for (const text of texts) this.#add(text);
  }

  isIn(text: string): boolean {
    const last = text.length - PROBE;
    for (let at = this.#step - 1; at <= last; at += this.#step) {
      const bucket = bucketOf(text, at);
      const isKnown = ((this.#buckets[bucket >> 5] ?? 0) >>> (bucket & 31)) & 1;
      if (isKnown === 1 && this.#isAt(text, at, bucket)) return true;
    }
    return false;
  }

  #add(text: string): void {
    for (let offset = 0; offset < this.#step; offset++) {
      const bucket = bucketOf(text, offset);
      const word = bucket >> 5;
      this.#buckets[word] = (this.#buckets[word] ?? 0) | (1 << (bucket & 31));
      const places = this.#places.get(bucket) ?? [];
      places.push({ text, offset });
      this.#places.set(bucket, places);
    }
  }

  #isAt(text: string, at: number, bucket: number): boolean {
    const places = this.#places.get(bucket) ?? [];
    return places.some((place) => text.startsWith(place.text, at - place.offset));
  }
}

/** Knows some secrets. */
export class Mask {
  /** Longest first: one may be a part of another. */
  readonly #forms: Form[];
  readonly #finders: Finder[];
  /** Too short for steps: looked for one by one. */
  readonly #short: string[];
  /** The longest form, in characters. */
  readonly longest: number;

  /** @param secrets those that are too short, or given twice, are left out */
  constructor(secrets: Iterable<Secret>) {
    const forms = new Map<string, Form>();
    for (const { value, shown = SHOWN } of secrets) {
      if (value.length < SHORTEST_SECRET) continue;
      for (const text of formsOf(value)) if (!forms.has(text)) forms.set(text, { text, shown });
    }
    this.#forms = [...forms.values()].toSorted((a, b) => b.text.length - a.text.length);
    let left = this.#forms.map(({ text }) => text);
    this.#finders = LENGTHS.flatMap((shortest) => {
      const long = left.filter(({ length }) => length >= shortest);
      left = left.filter(({ length }) => length < shortest);
      return long.length === 0 ? [] : [new Finder(long)];
    });
    this.#short = left;
    this.longest = Math.max(128, this.#forms[0]?.text.length ?? 0);
  }

  /** Whether it knows any secret beside the proxy's keys. */
  get knowsAny(): boolean {
    return this.#forms.length > 0;
  }

  /** Whether a text holds a secret. */
  isIn(text: string): boolean {
    if (text.length < SHORTEST_SECRET) return false;
    if (text.includes(PROXY_KEY_START)) return true;
    if (this.#finders.some((finder) => finder.isIn(text))) return true;
    return this.#short.some((form) => text.includes(form));
  }

  /** A text without the secrets. */
  text(text: string): string {
    if (!this.isIn(text)) return text;
    const masked = this.#forms.reduce((left, form) => left.replaceAll(form.text, form.shown), text);
    return masked.replaceAll(PROXY_KEY, SHOWN);
  }

  /** A JSON value without the secrets; the same where there are none, else a copy. */
  json<T>(value: T): T {
    return this.#isInside(value) ? (this.#copied(value) as T) : value;
  }

  /** Whether there is a secret in it, however deep: nothing in foreign JSON may cost the stack. */
  #isInside(value: unknown): boolean {
    const left: unknown[] = [value];
    while (left.length > 0) {
      const next = left.pop();
      if (typeof next === "string" && this.isIn(next)) return true;
      if (Array.isArray(next)) for (const item of next) left.push(item);
      else if (isObject(next)) for (const name of Object.keys(next)) left.push(name, next[name]);
    }
    return false;
  }

  /** The copy of a value with secrets in it; without recursion, as above. */
  #copied(value: unknown): unknown {
    const unfilled: { from: object; to: JsonObject }[] = [];
    const copyOf = (held: unknown): unknown => {
      if (typeof held === "string") return this.text(held);
      if (!isObject(held) && !Array.isArray(held)) return held;
      const to = (Array.isArray(held) ? [] : {}) as JsonObject;
      unfilled.push({ from: held, to });
      return to;
    };
    const copy = copyOf(value);
    for (let next = unfilled.pop(); next !== undefined; next = unfilled.pop()) {
      const { from, to } = next;
      for (const [name, member] of Object.entries(from))
        setMember(to, this.text(name), copyOf(member));
    }
    return copy;
  }
}
