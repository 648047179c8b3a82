import { cannotTell } from "./model-refusal.ts";
import { WatchedMembers, type NamedModel, type PlaceNode } from "./watched-members.ts";

const [QUOTE, BACKSLASH, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET, COMMA, COLON] = [
  34, 92, 123, 125, 91, 93, 44, 58,
];

/** Parsers differ in how deep they go: Python's json gives up at 1,000. */
const MAX_DEPTH = 1000;
/** After so many values others have their turn. */
const VALUES_PER_TURN = 20_000;

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
  /** The end of a string, an escape, or what may not stand in one: a control character. */
  readonly #special = /["\\]|[^ -\uffff]/g;
  readonly #escape = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;
  readonly #scalar = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y;
  #index = 0;
  readonly models: NamedModel[] = [];

  constructor(text: string, { otherwise, isNamed }: { otherwise: string; isNamed: boolean }) {
    this.#text = text;
    this.#otherwise = otherwise;
    this.#isNamed = isNamed;
  }

  async read(start: Reading): Promise<void> {
    let reading: Reading | null = start;
    this.#skipSpace();
    for (let values = 1; reading !== null; values++) {
      reading = this.#readValue(reading);
      if (values % VALUES_PER_TURN === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    }
    if (this.#index !== this.#text.length) throw notStrict();
  }

  /** Reads a value, or its beginning, and gives what is to be read next; null at the end. */
  #readValue({ node, place }: Reading): Reading | null {
    const code = this.#text.charCodeAt(this.#index);
    if (code === OPEN_BRACE || code === OPEN_BRACKET) return this.#open(code, { node, place });
    if (code === QUOTE) this.#readText({ node, place });
    else this.#readScalar({ node, place });
    return this.#afterValue();
  }

  #open(code: number | undefined, { node, place }: Reading): Reading | null {
    const isList = code === OPEN_BRACKET;
    if (this.#frames.length === MAX_DEPTH)
      throw cannotTell(`the body is nested deeper than ${MAX_DEPTH} levels`);
    if (node !== null) refuseShape({ node, place }, isList);
    const members = node === null || isList ? null : new WatchedMembers(node, place);
    const items = node?.anywhere ? node : (node?.items ?? null);
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
    const name = this.#stringHere();
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

  #readText({ node, place }: Reading): void {
    const spelled = this.#stringHere();
    if (node?.isModel) this.models.push({ place, model: String(JSON.parse(spelled)) });
    const members = this.#frames.at(-1)?.members;
    if (node?.isType && members) members.type = String(JSON.parse(spelled));
    else if (this.#frames.length === 0) throw notAnObject();
  }

  #readScalar({ node, place }: Reading): void {
    this.#scalar.lastIndex = this.#index;
    if (!this.#scalar.test(this.#text)) throw notStrict();
    this.#index = this.#scalar.lastIndex;
    if (node?.isModel) throw notText(place);
    if (this.#frames.length === 0) throw notAnObject();
  }

  /** The string that begins here, as spelled. */
  #stringHere(): string {
    const start = this.#index;
    const special = this.#special;
    if (this.#text.charCodeAt(start) !== QUOTE) throw notStrict();
    special.lastIndex = start + 1;
    while (special.test(this.#text)) {
      const at = special.lastIndex - 1;
      const code = this.#text.charCodeAt(at);
      if (code === QUOTE) {
        this.#index = at + 1;
        return this.#text.slice(start, at + 1);
      }
      this.#escape.lastIndex = at;
      if (code !== BACKSLASH || !this.#escape.test(this.#text)) throw notStrict();
      special.lastIndex = this.#escape.lastIndex;
    }
    throw notStrict();
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#index);
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return;
      this.#index++;
    }
  }
}

const notAnObject = () => cannotTell("the body is not a JSON object");
const notText = (place: string) => cannotTell(`"${place}" is not a text`, place);

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
