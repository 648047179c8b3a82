/**
 * Tells which call a fragment belongs to. Upstreams leave `index` out, leave `id` out after the
 * first fragment or for ever, send index 0 or one id for every call, repeat the name in each
 * fragment, or cut it in pieces: all of it was seen in the wild.
 */
import { ApiError } from "./api-error.ts";
import { isObject, ownMember, setMember, textOrJson, type JsonObject } from "./json.ts";
import { mergeField } from "./merge-field.ts";
import { WholeObject } from "./whole-object.ts";

/** No model writes longer arguments, which are several times what one can write. In characters. */
export const MAX_ARGUMENTS_LENGTH = 1_048_576;
/** What the calls of one round may have together. In characters. */
const MAX_TEXT_LENGTH = 2 * MAX_ARGUMENTS_LENGTH;
/** Calls of one round: far more than are ever made. */
const MAX_CALLS = 1000;

const tooMuch = (what: string) =>
  new ApiError(
    "upstream_too_large",
    `The upstream API answered with ${what} in one round, which is more than this proxy reads.`,
  );

/** One call of a round, as far as it has come. */
export interface TrackedCall {
  /**
   * The only call of its round with this id: upstream's, or ours where that has none or was used
   * before. Given when it settles.
   */
  id: string;
  type: string;
  name: string;
  /**
   * A function's arguments, or a custom tool's input. While they come, read `pieces`: to look into
   * a text that grows costs its whole length each time.
   */
  text: string;
  /** The same, as it came. */
  pieces: string[];
  /** Members beside those, fragment by fragment. */
  others: JsonObject[];
  /**
   * Whether the name is complete. Until then nobody knows whose call it is; after it, id and name
   * stay as they are.
   */
  settled: boolean;
}

interface OpenCall extends TrackedCall {
  /** As upstream spells it; other calls may have the same. */
  upstreamId: string;
  index: number | undefined;
  /** The number of the chunk that named it last. */
  namedIn: number;
  /** Whether some of its text is no space. */
  hasText: boolean;
  whole: WholeObject;
}

/** Which member of a call of some type holds its text. */
const TEXT_MEMBER = new Map([
  ["function", "arguments"],
  ["custom", "input"],
]);

/** A fragment, read. */
interface Fragment {
  id: string;
  index: number | undefined;
  type: string;
  name: string;
  text: string;
  others: JsonObject;
}

function readFragment(fragment: JsonObject): Fragment {
  const { id, index, type: given, ...rest } = fragment;
  const type =
    textOrJson(given) ||
    (isObject(rest["custom"]) ? "custom" : isObject(rest["function"]) ? "function" : "");
  const member = TEXT_MEMBER.get(type || "function");
  const definition = ownMember(rest, type || "function");
  const parts = { id: textOrJson(id), index: typeof index === "number" ? index : undefined, type };
  if (member === undefined || !isObject(definition))
    return { ...parts, name: "", text: "", others: rest };
  const { [type || "function"]: _definition, ...others } = rest;
  const { name, [member]: text, ...more } = definition;
  if (Object.keys(more).length > 0) setMember(others, type, more);
  return { ...parts, name: textOrJson(name), text: textOrJson(text), others };
}

/** Whether a call's arguments are a whole object, to which nothing can be added. */
const isComplete = ({ whole, pieces }: OpenCall) => whole.isWhole(pieces);

/** Collects the calls of one round. */
export class CallTracker {
  /** In the model's order. */
  readonly calls: OpenCall[] = [];
  #last: OpenCall | undefined;
  #chunk = 0;
  #length = 0;

  /**
   * @param areWhole whether each fragment is a call of its own, as in a message that came whole
   * @throws ApiError 502 where these are more calls, or more text, than a round may have
   */
  add(fragments: JsonObject[], areWhole = false): void {
    this.#chunk++;
    for (const raw of fragments) {
      const fragment = readFragment(raw);
      const known = areWhole ? undefined : this.#find(fragment);
      this.#append(
        known === undefined || this.#startsAnother(known, fragment) ? this.#begin(fragment) : known,
        fragment,
      );
    }
  }

  /**
   * Nothing more will come. Missing arguments become `{}`: that is how models call a tool without
   * parameters. Where the answer was cut, they are missing for another reason, and stay so.
   */
  end(finishReason: string | null): void {
    for (const call of this.calls) {
      if (!call.settled) this.#settle(call);
      if (call.type === "function" && !call.hasText && finishReason !== "length") {
        call.text = "{}";
        call.pieces = ["{}"];
      }
    }
  }

  #begin({ id, index, type }: Fragment): OpenCall {
    const call = {
      id: "",
      upstreamId: id,
      index,
      type: type || "function",
      name: "",
      text: "",
      pieces: [],
      others: [],
      settled: false,
      namedIn: 0,
      hasText: false,
      whole: new WholeObject(),
    };
    if (this.calls.length === MAX_CALLS) throw tooMuch(`more than ${MAX_CALLS} tool calls`);
    this.calls.push(call);
    return call;
  }

  #append(call: OpenCall, { id, index, type, name, text, others }: Fragment): void {
    this.#last = call;
    call.upstreamId ||= id;
    call.index ??= index;
    if (name !== "") call.namedIn = this.#chunk;
    if (!call.settled) {
      if (type !== "") call.type = type;
      if (name !== call.name) call.name += name;
    }
    this.#length += text.length;
    if (this.#length > MAX_TEXT_LENGTH)
      throw tooMuch(`tool calls of more than ${MAX_TEXT_LENGTH} characters`);
    if (text !== "") {
      call.text += text;
      call.pieces.push(text);
      call.hasText ||= text.trim() !== "";
    }
    if (Object.keys(others).length > 0) call.others.push(others);
    // A name may come in pieces, but never after the arguments have begun.
    if (!call.settled && call.name !== "" && call.hasText) this.#settle(call);
  }

  /** The call that goes on, if any: the one of that id, else of that index, else the last one. */
  #find({ id, index, name }: Fragment): OpenCall | undefined {
    const isOfIndex = (call: OpenCall) =>
      index === undefined || call.index === undefined || call.index === index;
    const ofId =
      id === ""
        ? undefined
        : this.calls.findLast((call) => call.upstreamId === id && isOfIndex(call));
    if (ofId !== undefined) return ofId;
    const ofIndex =
      index === undefined ? this.#last : this.calls.findLast((call) => call.index === index);
    const known = ofIndex ?? (id === "" && name === "" ? this.#last : undefined);
    if (known === undefined || id === "" || known.upstreamId === "") return known;
    // Some servers make a new id for every fragment: another call begins with its name.
    return name === "" && !isComplete(known) ? known : undefined;
  }

  /** Whether a name is another call's, where neither id nor index say so. */
  #startsAnother(known: OpenCall, { id, index, name, text }: Fragment): boolean {
    if (name === "") return false;
    if (known.namedIn === this.#chunk && (index === undefined || name !== known.name)) return true;
    return isComplete(known) && (text !== "" || (id === "" && index === undefined));
  }

  #settle(call: OpenCall): void {
    const place = this.calls.indexOf(call);
    const isTaken = this.calls.some(
      ({ id, upstreamId }, index) =>
        id === call.upstreamId || (index < place && upstreamId === call.upstreamId),
    );
    call.id =
      call.upstreamId === "" || isTaken
        ? `call_${crypto.randomUUID().replaceAll("-", "")}`
        : call.upstreamId;
    call.settled = true;
  }
}

/**
 * A call, or a part of one, as the API spells it.
 * @param head members before its definition
 */
export function spellCall(
  head: JsonObject,
  call: Pick<TrackedCall, "type" | "others">,
  definition: { name?: string; text: string },
): JsonObject {
  const { name, text } = definition;
  const member = TEXT_MEMBER.get(call.type);
  const spelled: JsonObject = { ...head };
  if (member !== undefined)
    setMember(spelled, call.type, { ...(name === undefined ? {} : { name }), [member]: text });
  for (const others of call.others)
    for (const [field, value] of Object.entries(others)) mergeField(spelled, field, value);
  return spelled;
}

/** A call as a message has it. */
export const callOf = (call: TrackedCall): JsonObject =>
  spellCall({ id: call.id, type: call.type }, call, call);
