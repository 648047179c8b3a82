import { cannotTell } from "./model-refusal.ts";
import { elementsOf, WatchedMembers, type NamedModel, type PlaceNode } from "./watched-members.ts";

const [QUOTE, BACKSLASH, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET, COMMA, COLON] = [
  34, 92, 123, 125, 91, 93, 44, 58,
];

/** Parsers differ in how deep they go: Python's json gives up at 1,000. */
const MAX_DEPTH = 1000;
/** After so many values, or characters, others have their turn. */
const VALUES_PER_TURN = 5000;
const CHARACTERS_PER_TURN = 1_000_000;

interface Frame {
  isList: boolean;
  /** For the elements of a list. */
  node: PlaceNode | null;
  place: string;
  /** For an object that is looked at. */
  members: WatchedMembers | null;
}

/** What is read, and where. */
interface Reading {
  node: PlaceNode | null;
  place: string;
}

const notStrict = () =>
  cannotTell("the body is not strict JSON (RFC 8259), so that parsers read it in different ways");

/**
 * A strict reader of JSON (RFC 8259), which JSON.parse is too, that also sees what JSON.parse hides:
 * members that come twice. It keeps nothing but where it is, whatever the size of the text.
 */
class JsonReader {
  readonly #text: string;
  readonly #otherwise: string;
  readonly #isNamed: boolean;
  readonly #frames: Frame[] = [];
  readonly #hex = /[\da-fA-F]{4}/y;
  readonly #scalar = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/y;
  #index = 0;
  /** Where the string begins that is being read as a value, or -1. */
  #stringStart = -1;
  readonly models: NamedModel[] = [];

  constructor(text: string, { otherwise, isNamed }: { otherwise: string; isNamed: boolean }) {
    this.#text = text;
    this.#otherwise = otherwise;
    this.#isNamed = isNamed;
  }

  async read(start: Reading): Promise<void> {
    let reading: Reading | null = start;
    let values = 0;
    let pausedAt = 0;
    // A byte order mark changes nothing of what is read.
    if (this.#text.startsWith("\uFEFF")) this.#index++;
    this.#skipSpace();
    while (reading !== null) {
      reading = this.#readValue(reading);
      values++;
      if (values < VALUES_PER_TURN && this.#index - pausedAt < CHARACTERS_PER_TURN) continue;
      await new Promise((resolve) => setTimeout(resolve, 0));
      values = 0;
      pausedAt = this.#index;
    }
    if (this.#index !== this.#text.length) throw notStrict();
  }

  /** Reads a value, or a part of it, and gives what is to be read next; null at the end. */
  #readValue(reading: Reading): Reading | null {
    if (this.#stringStart !== -1) return this.#readString(reading);
    const code = this.#text.charCodeAt(this.#index);
    if (code === OPEN_BRACE || code === OPEN_BRACKET) return this.#open(code, reading);
    if (code !== QUOTE) return this.#readScalar(reading);
    this.#stringStart = this.#index++;
    return this.#readString(reading);
  }

  #open(code: number, { node, place }: Reading): Reading | null {
    const isList = code === OPEN_BRACKET;
    if (this.#frames.length === MAX_DEPTH)
      throw cannotTell(`the body is nested deeper than ${MAX_DEPTH} levels`);
    if (node !== null) refuseShape({ node, place }, isList);
    const members = node === null || isList ? null : new WatchedMembers(node, place);
    const items = node === null ? null : elementsOf(node);
    const frame = { isList, node: isList ? items : node, place: `${place}[]`, members };
    this.#frames.push(frame);
    this.#index++;
    this.#skipSpace();
    const next = this.#text.charCodeAt(this.#index);
    if (next === (isList ? CLOSE_BRACKET : CLOSE_BRACE)) return this.#afterValue();
    return this.#nextIn(frame);
  }

  #nextIn(frame: Frame): Reading {
    if (frame.isList) return frame;
    const name = this.#readName();
    this.#skipSpace();
    if (this.#text.charCodeAt(this.#index) !== COLON) throw notStrict();
    this.#index++;
    this.#skipSpace();
    if (frame.members === null) return { node: null, place: "" };
    const unescaped = name.includes("\\") ? String(JSON.parse(name)) : name.slice(1, -1);
    const node = frame.members.enter(unescaped);
    return { node, place: node === null ? "" : frame.members.placeOf(unescaped) };
  }

  /** Goes on behind a value: a comma, and all that ends here. */
  #afterValue(): Reading | null {
    for (;;) {
      this.#skipSpace();
      const frame = this.#frames.at(-1);
      if (frame === undefined) return null;
      const code = this.#text.charCodeAt(this.#index++);
      if (code === COMMA) {
        this.#skipSpace();
        return this.#nextIn(frame);
      }
      if (code !== (frame.isList ? CLOSE_BRACKET : CLOSE_BRACE)) throw notStrict();
      frame.members?.end(this.#otherwise, this.#isNamed && this.#frames.length === 1);
      this.#frames.pop();
    }
  }

  #readString(reading: Reading): Reading | null {
    if (!this.#findStringEnd()) return reading;
    const spelled = this.#text.slice(this.#stringStart, this.#index);
    this.#stringStart = -1;
    const { node, place } = reading;
    const members = this.#frames.at(-1)?.members;
    if (node?.isModel) this.models.push({ place, model: shortText(spelled, place) });
    if (node?.isType && members) members.type = shortText(spelled, place);
    if (this.#frames.length === 0) throw notAnObject();
    return this.#afterValue();
  }

  #readScalar({ node, place }: Reading): Reading | null {
    this.#scalar.lastIndex = this.#index;
    if (!this.#scalar.test(this.#text)) throw notStrict();
    this.#index = this.#scalar.lastIndex;
    if (node?.isModel) throw notText(place);
    if (this.#frames.length === 0) throw notAnObject();
    return this.#afterValue();
  }

  /** The name of a member, as spelled. */
  #readName(): string {
    const start = this.#index;
    if (this.#text.charCodeAt(start) !== QUOTE) throw notStrict();
    this.#index++;
    if (!this.#findStringEnd())
      throw cannotTell(`a name is longer than ${CHARACTERS_PER_TURN} characters`);
    return this.#text.slice(start, this.#index);
  }

  /** Goes behind the string's end; false where that is too far for one turn. */
  #findStringEnd(): boolean {
    const text = this.#text;
    const end = Math.min(text.length, this.#index + CHARACTERS_PER_TURN);
    let at = this.#index;
    while (at < end) {
      const code = text.charCodeAt(at);
      if (code < 32) throw notStrict();
      if (code === QUOTE) {
        this.#index = at + 1;
        return true;
      }
      at += code === BACKSLASH ? this.#escapeLength(at) : 1;
    }
    if (at >= text.length) throw notStrict();
    this.#index = at;
    return false;
  }

  #escapeLength(at: number): number {
    const escaped = this.#text.charAt(at + 1);
    if (escaped !== "" && '"\\/bfnrt'.includes(escaped)) return 2;
    this.#hex.lastIndex = at + 2;
    if (escaped !== "u" || !this.#hex.test(this.#text)) throw notStrict();
    return 6;
  }

  #skipSpace(): void {
    const text = this.#text;
    const end = this.#index + CHARACTERS_PER_TURN;
    let at = this.#index;
    for (; at < end; at++) {
      const code = text.charCodeAt(at);
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) break;
    }
    if (at === end) throw cannotTell(`the body has ${CHARACTERS_PER_TURN} spaces in a row`);
    this.#index = at;
  }
}

const notAnObject = () => cannotTell("the body is not a JSON object");
const notText = (place: string) => cannotTell(`"${place}" is not a text`, place);

/** No model has a longer name. */
const MAX_NAME_LENGTH = 1000;

function shortText(spelled: string, place: string): string {
  if (spelled.length > MAX_NAME_LENGTH)
    throw cannotTell(`"${place}" is longer than ${MAX_NAME_LENGTH} characters`, place);
  return String(JSON.parse(spelled));
}

/** What counts must stand where the table has it: in an object, or in a list of them. */
function refuseShape({ node, place }: { node: PlaceNode; place: string }, isList: boolean): void {
  if (node.isModel) throw notText(place);
  if (place === "" && isList) throw notAnObject();
  if (node.isType || node.anywhere) return;
  const isRight = isList ? node.items !== null : node.members.size > 0 || node.guards;
  if (!isRight)
    throw cannotTell(`"${place}" is ${isList ? "a list" : "an object"} where none belongs`, place);
}

/** A text that may name models, and what is known of it. */
export interface JsonModels {
  text: string;
  tree: PlaceNode;
  /** Where the text stands: nothing for a body. */
  place: string;
  /** Who chooses the model where none is named. */
  otherwise: string;
  /** Whether the request's own model is named outside of the text. */
  isNamed: boolean;
}

/**
 * The models that a JSON object names.
 * @throws ApiError 403 where they cannot be told
 */
export async function readJsonModels(json: JsonModels): Promise<NamedModel[]> {
  const reader = new JsonReader(json.text, json);
  await reader.read({ node: json.tree, place: json.place });
  return reader.models;
}
