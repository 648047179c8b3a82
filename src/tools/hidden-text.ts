/**
 * Text that a model reads and a person does not see: with it, a server's description can say one
 * thing to the operator who approves it and another to the model.
 */
import { isObject } from "../openai/json.ts";

/** A kind of characters that cannot be seen. */
const KINDS = ["tag", "direction", "zero-width", "variation", "control", "invisible"] as const;
type Kind = (typeof KINDS)[number];

/** Where a tool's wording has characters that cannot be seen. */
export interface HiddenText {
  /** As `description` or `parameters.properties.path.description`. */
  field: string;
  /** Each kind once. */
  kinds: Kind[];
  /** How many such characters there are, among the 50,000 from the first one. */
  count: number;
  /** The text around the first of them, with each spelled out, as `\u{200B}`. */
  shown: string;
}

/** What is told to a model of a tool. */
interface Wording {
  name: string;
  description: string;
  parameters: unknown;
}

/** The last of them takes whatever no other one does. */
const PATTERNS: Record<Kind, RegExp> = {
  tag: /[\u{E0000}-\u{E007F}]/u,
  direction: /[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/u,
  "zero-width": /[\u200B-\u200D\u2060\uFEFF]/u,
  variation: /[\uFE00-\uFE0F\u{E0100}-\u{E01EF}\u180B-\u180D\u180F]/u,
  control: /\p{Cc}/u,
  invisible: /./su,
};
/** Whatever takes no room or shows nothing, by Unicode's own properties; lines and tabs do. */
const HIDDEN = /[\p{Default_Ignorable_Code_Point}\p{Cf}\u2800]|(?![\t\n\r])\p{Cc}/u;
const ALL_HIDDEN = new RegExp(HIDDEN, "gu");
/** Scripts that take joiners between letters. */
const JOINED =
  "Arabic Devanagari Bengali Gujarati Kannada Malayalam Sinhala Tamil Telugu Khmer Myanmar"
    .split(" ")
    .map((script) => String.raw`\p{Script=${script}}`)
    .join("");
/** Joiners and selectors as people write them. */
const USUAL = new RegExp(
  String.raw`\p{RGI_Emoji}|\p{Extended_Pictographic}[\uFE0E\uFE0F]|` +
    String.raw`(?<=[${JOINED}\p{M}])[\u200C\u200D](?=[${JOINED}])`,
  "gv",
);

const MAX_FINDINGS = 20;
/** Characters of a text, and of a path, that are shown. */
const MAX_SHOWN = 200;
const MAX_DEPTH = 64;
/** Characters of a tool in which emojis are told from others, which takes 8 µs for each. */
const MAX_SPARED = 4_000;
/** Characters of a text that are counted, from the first hidden one. */
const MAX_COUNTED = 50_000;

const kindOf = (character: string): Kind =>
  KINDS.find((kind) => PATTERNS[kind].test(character)) ?? "invisible";

const spelled = (character: string): string =>
  String.raw`\u{${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`;

/**
 * What a text hides; null where that is nothing.
 * @param isSpared whether what is usual is none of it
 */
function hiddenIn(field: string, whole: string, isSpared: boolean): HiddenText | null {
  const at = whole.search(HIDDEN);
  if (at === -1) return null;
  const text = whole.slice(Math.max(0, at - MAX_SHOWN), at + MAX_COUNTED);
  // A place is held for what is usual, so that it neither counts nor brings others together.
  const unusual = isSpared ? text.replaceAll(USUAL, "\u25A1") : text;
  const found = unusual.match(ALL_HIDDEN) ?? [];
  const [first] = found;
  if (first === undefined) return null;
  const kinds = new Set([...new Set(found)].map(kindOf));
  const from = Math.max(0, unusual.indexOf(first) - MAX_SHOWN / 4);
  const excerpt = unusual.slice(from, from + MAX_SHOWN).toWellFormed();
  return {
    field: field.replaceAll(ALL_HIDDEN, spelled).slice(0, MAX_SHOWN),
    kinds: KINDS.filter((kind) => kinds.has(kind)),
    count: found.length,
    shown: excerpt.replaceAll(ALL_HIDDEN, spelled),
  };
}

/** Every text of a JSON value, the names of members included, with where it is. */
function* textsOf(field: string, value: unknown, depth = 0): Generator<[string, string]> {
  if (typeof value === "string") yield [field, value];
  if (depth > MAX_DEPTH) return;
  if (Array.isArray(value))
    for (const [index, item] of value.entries())
      yield* textsOf(`${field}.${index}`, item, depth + 1);
  if (!isObject(value)) return;
  for (const [name, member] of Object.entries(value)) {
    const path = `${field}.${name}`;
    yield [path, name];
    yield* textsOf(path, member, depth + 1);
  }
}

/**
 * Where a tool's wording hides something from people, the first 20 places of it.
 * @internal for tests
 */
export function findHiddenText({ name, description, parameters }: Wording): HiddenText[] {
  const findings: HiddenText[] = [];
  let unspared = MAX_SPARED;
  for (const [field, text] of textsOf("", { name, description, parameters })) {
    if (!HIDDEN.test(text)) continue;
    unspared -= text.length;
    const hidden = hiddenIn(field.slice(1), text, unspared >= 0);
    if (hidden !== null) findings.push(hidden);
    if (findings.length === MAX_FINDINGS) break;
  }
  return findings;
}

/** As a member of an answer: there where something is hidden. */
export function hiddenTextOf(wording: Wording): { hiddenText?: HiddenText[] } {
  const hiddenText = findHiddenText(wording);
  return hiddenText.length === 0 ? {} : { hiddenText };
}
