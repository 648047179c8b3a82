/**
 * Edits of a JSON object that leave every other member as it was spelled: `1.0` stays `1.0`, a
 * 20-digit seed keeps its digits, unknown members and their order stay. A re-serialised body would
 * not. The text must be valid JSON.
 */
const [QUOTE, BACKSLASH, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET, COMMA] = [
  34, 92, 123, 125, 91, 93, 44,
];

interface Member {
  name: string;
  /** `"name"` as spelled. */
  key: string;
  /** The value as spelled. */
  value: string;
}

/** The index after the string that opens at `start`. */
function afterString(text: string, start: number): number {
  let end = start;
  for (;;) {
    end = text.indexOf('"', end + 1);
    if (end === -1) throw new SyntaxError("unterminated string");
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end + 1;
  }
}

const isSpace = (code: number) => code === 32 || code === 10 || code === 13 || code === 9;

function afterSpace(text: string, start: number): number {
  let index = start;
  while (isSpace(text.charCodeAt(index))) index++;
  return index;
}

/** The index after the object or array that opens at `start`. */
function afterContainer(text: string, start: number): number {
  let depth = 0;
  for (let index = start; index < text.length;) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) {
      index = afterString(text, index);
      continue;
    }
    index++;
    if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++;
    else if ((code === CLOSE_BRACE || code === CLOSE_BRACKET) && --depth === 0) return index;
  }
  throw new SyntaxError("unterminated object or array");
}

function afterValue(text: string, start: number): number {
  const code = text.charCodeAt(start);
  if (code === QUOTE) return afterString(text, start);
  if (code === OPEN_BRACE || code === OPEN_BRACKET) return afterContainer(text, start);
  let index = start;
  for (; index < text.length; index++) {
    const end = text.charCodeAt(index);
    if (end === COMMA || end === CLOSE_BRACE || end === CLOSE_BRACKET || isSpace(end)) break;
  }
  return index;
}

/** Where a member stands in a text. */
interface MemberPlace {
  keyStart: number;
  keyEnd: number;
  valueStart: number;
  valueEnd: number;
}

/** Goes through the members of an object; a million of them must cost no object each. */
function walkMembers(text: string, visit: (place: MemberPlace) => void): void {
  const place: MemberPlace = { keyStart: 0, keyEnd: 0, valueStart: 0, valueEnd: 0 };
  let index = afterSpace(text, text.indexOf("{") + 1);
  while (text.charCodeAt(index) === QUOTE) {
    place.keyStart = index;
    place.keyEnd = afterString(text, index);
    place.valueStart = afterSpace(text, text.indexOf(":", place.keyEnd) + 1);
    place.valueEnd = afterValue(text, place.valueStart);
    visit(place);
    const next = afterSpace(text, place.valueEnd);
    index = text.charCodeAt(next) === COMMA ? afterSpace(text, next + 1) : next;
  }
}

const nameOf = (key: string): string => String(JSON.parse(key));

function readMembers(text: string): Member[] {
  const members: Member[] = [];
  walkMembers(text, ({ keyStart, keyEnd, valueStart, valueEnd }) => {
    const key = text.slice(keyStart, keyEnd);
    members.push({ name: nameOf(key), key, value: text.slice(valueStart, valueEnd) });
  });
  return members;
}

/**
 * The object with some members set. Where the text has a member twice, the last one counted, and
 * one remains.
 * @param changes JSON text by member name; undefined removes the member
 */
export function setMembers(text: string, changes: Record<string, string | undefined>): string {
  const members = new Map<string, Member>();
  for (const member of readMembers(text)) members.set(member.name, member);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) members.delete(name);
    else members.set(name, { name, key: members.get(name)?.key ?? JSON.stringify(name), value });
  }
  return `{${[...members.values()].map(({ key, value }) => `${key}:${value}`).join(",")}}`;
}

/** The texts of all members' values as they were spelled, by name. */
export const memberTexts = (text: string): Map<string, string> =>
  new Map(readMembers(text).map(({ name, value }) => [name, value]));

/** The text of one member's value as it was spelled, or undefined. */
export function memberText(text: string, name: string): string | undefined {
  const plain = JSON.stringify(name);
  let found: [number, number] | undefined;
  walkMembers(text, ({ keyStart, keyEnd, valueStart, valueEnd }) => {
    const isPlain = keyEnd - keyStart === plain.length && text.startsWith(plain, keyStart);
    const isEscaped = () => text.slice(keyStart, keyEnd).includes("\\");
    const isNamed = isPlain || (isEscaped() && nameOf(text.slice(keyStart, keyEnd)) === name);
    if (isNamed) found = [valueStart, valueEnd];
  });
  return found === undefined ? undefined : text.slice(...found);
}

/** The texts of several members' values as they were spelled, by name: of those that are there. */
export function pickMembers(text: string, names: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  walkMembers(text, ({ keyStart, keyEnd, valueStart, valueEnd }) => {
    const key = text.slice(keyStart, keyEnd);
    const name = key.includes("\\") ? nameOf(key) : key.slice(1, -1);
    if (names.includes(name)) found.set(name, text.slice(valueStart, valueEnd));
  });
  return found;
}

/** The texts of an array's elements as they were spelled. */
export function readElements(arrayText: string): string[] {
  const elements: string[] = [];
  let index = afterSpace(arrayText, arrayText.indexOf("[") + 1);
  while (index < arrayText.length && arrayText.charCodeAt(index) !== CLOSE_BRACKET) {
    const end = afterValue(arrayText, index);
    elements.push(arrayText.slice(index, end));
    const next = afterSpace(arrayText, end);
    index = arrayText.charCodeAt(next) === COMMA ? afterSpace(arrayText, next + 1) : next;
  }
  return elements;
}

/** An array's text with further elements (JSON texts) at its end. */
export function appendElements(arrayText: string, elements: string[]): string {
  if (elements.length === 0) return arrayText;
  const inside = arrayText.slice(arrayText.indexOf("[") + 1, arrayText.lastIndexOf("]"));
  return `[${inside.trim() === "" ? "" : `${inside},`}${elements.join(",")}]`;
}
