/**
 * Recognises a history that comes back. Clients spell the same message in many ways: text as a
 * string or as parts, null or empty content, arguments with other spaces or another order of
 * members, results in another order, unknown members left out. What stays the same is hashed.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { isObject, objectsOf, parseJson, sortedMembers } from "./json.ts";

/**
 * Longer messages (images, mostly) are hashed by the runtime, off its main thread where it has
 * another. In characters.
 */
const LONG_MESSAGE = 32_768;

const encoder = new TextEncoder();

/** The hash of one answer's place: of everything that the client can see up to it. */
export interface HistoryPlace {
  /** Its index in the request's messages. */
  index: number;
  lookup: string;
}

/** A request's history. */
export interface History {
  /** The answers in it, oldest first. */
  places: HistoryPlace[];
  /**
   * The index of the last message of the user, which began the turn that is going on; -1 where
   * there is none.
   */
  turnStart: number;
  /**
   * The place of an answer that follows the whole history.
   * @param answer the assistant message as the client sees it
   */
  lookupAfter(answer: unknown): string;
}

/** Arguments without their spelling. What is no JSON stays as it is. */
function plainArguments(value: unknown): unknown {
  const text = typeof value === "string" ? value.trim() : value;
  if (text === "" || text === undefined || text === null) return {};
  const parsed = typeof text === "string" ? parseJson(text) : text;
  return parsed === undefined ? text : sortedMembers(parsed);
}

function plainContent(content: unknown): unknown {
  if (content === undefined || content === null) return "";
  if (typeof content === "string") return content.trim();
  if (!Array.isArray(content)) return sortedMembers(content);
  const texts = content.map((part: unknown) =>
    isObject(part) ? (part["text"] ?? part["refusal"]) : undefined,
  );
  return texts.every((text) => typeof text === "string") ? texts.join("").trim() : content;
}

function plainCalls(calls: unknown): unknown[] {
  return objectsOf(calls)
    .map((call) => {
      const definition = isObject(call["function"])
        ? call["function"]
        : isObject(call["custom"])
          ? call["custom"]
          : {};
      return [
        call["id"],
        definition["name"],
        "input" in definition ? definition["input"] : plainArguments(definition["arguments"]),
      ];
    })
    .toSorted((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1));
}

/** What of a message is the same however it is spelled, as text. */
function plainMessage(message: unknown): string {
  if (!isObject(message)) return JSON.stringify(message);
  const { role, content, tool_calls: calls, tool_call_id: callId } = message;
  const text = plainContent(content);
  // Some clients know no refusals, and send one back as content (`ai` 7 with
  // @ai-sdk/openai-compatible).
  const said =
    typeof text === "string" && typeof message["refusal"] === "string"
      ? (text + message["refusal"]).trim()
      : text;
  return JSON.stringify([role, said, plainCalls(calls), callId ?? null]);
}

const hexOf = (text: string) => bytesToHex(sha256(encoder.encode(text)));

async function digestOf(text: string): Promise<string> {
  if (text.length < LONG_MESSAGE) return hexOf(text);
  return bytesToHex(new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text))));
}

const roleOf = (message: unknown) => (isObject(message) ? message["role"] : undefined);

/**
 * The two running hashes: of all, and of the turn that is going on. Instructions count for all,
 * because they may be what tells one end user from another; within a turn they do not, because many
 * applications put the time of day there, and the ids of the calls tell turns apart.
 */
class RunningHash {
  readonly #owner: string;
  #all: string;
  #turn: string;
  /** Results that follow one another: their order says nothing. */
  #results: string[] = [];

  /** @param owner whose conversation it is */
  constructor(owner: string) {
    this.#owner = owner;
    this.#all = owner;
    this.#turn = owner;
  }

  add(role: unknown, digest: string): void {
    if (role === "tool") {
      this.#results.push(digest);
      return;
    }
    this.#addResults();
    if (role === "user") this.#turn = this.#owner;
    this.#all = hexOf(this.#all + digest);
    if (role !== "system" && role !== "developer") this.#turn = hexOf(this.#turn + digest);
  }

  /**
   * The place of an answer that was added last. One with calls is looked for within its own turn,
   * others in all.
   */
  lookup(hasCalls: boolean): string {
    return hasCalls ? `calls:${this.#turn}` : `answer:${this.#all}`;
  }

  copy(): RunningHash {
    const copy = new RunningHash(this.#owner);
    copy.#all = this.#all;
    copy.#turn = this.#turn;
    copy.#results = [...this.#results];
    return copy;
  }

  #addResults(): void {
    for (const digest of this.#results.toSorted()) {
      this.#all = hexOf(this.#all + digest);
      this.#turn = hexOf(this.#turn + digest);
    }
    this.#results = [];
  }
}

const hasCalls = (message: unknown) =>
  isObject(message) && objectsOf(message["tool_calls"]).length > 0;

/**
 * Hashes a history, message by message. An answer with calls of the client has its place within the
 * turn that is going on: a client may have shortened what was before it, and must come back with
 * exactly these calls. Any other answer has its place in the whole history.
 * @param owner what the request says of its end user: the histories of two users never match
 * @param messages of a chat completion request, as parsed
 */
export async function hashHistory(owner: string, messages: unknown[]): Promise<History> {
  const digests = await Promise.all(messages.map((message) => digestOf(plainMessage(message))));
  const running = new RunningHash(hexOf(owner));
  const places: HistoryPlace[] = [];
  for (const [index, message] of messages.entries()) {
    running.add(roleOf(message), digests[index] ?? "");
    if (roleOf(message) === "assistant")
      places.push({ index, lookup: running.lookup(hasCalls(message)) });
  }
  return {
    places,
    turnStart: messages.findLastIndex((message) => roleOf(message) === "user"),
    lookupAfter: (answer) => {
      const after = running.copy();
      after.add("assistant", hexOf(plainMessage(answer)));
      return after.lookup(hasCalls(answer));
    },
  };
}
