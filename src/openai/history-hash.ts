/**
 * Recognises a history that comes back: what of its messages is hashed is `plain-message.ts`'s. A
 * long history is hashed in slices, so that other requests do not wait for it.
 */
import { sha256Hex } from "#sha256";
import { inSlices, letOthersGo, Slice } from "./in-slices.ts";
import { isObject, objectsOf } from "./json.ts";
import { plainBytes, plainMessage } from "./plain-message.ts";
import { sha256Aside } from "./sha256-aside.ts";
import { isLong } from "./write-in-slices.ts";

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

/** A history that was hashed. */
export interface HashedHistory extends History {
  /** The places of answers that follow the whole history, one behind the other. */
  lookupsAfter(answers: unknown[]): string[];
}

/** Long messages are hashed by the runtime, off its main thread where it has another. */
async function longDigest(message: unknown): Promise<string> {
  return sha256Aside(await inSlices(plainBytes(message)));
}

/** Of a slice's work: a message is read, and hashed three times. */
const UNITS_PER_MESSAGE = 4;

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
    this.#all = sha256Hex(this.#all + digest);
    if (role !== "system" && role !== "developer") this.#turn = sha256Hex(this.#turn + digest);
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
      this.#all = sha256Hex(this.#all + digest);
      this.#turn = sha256Hex(this.#turn + digest);
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
export async function hashHistory(owner: string, messages: unknown[]): Promise<HashedHistory> {
  const running = new RunningHash(sha256Hex(owner));
  const places: HistoryPlace[] = [];
  const slice = new Slice();
  for (const [index, message] of messages.entries()) {
    const digest = isLong(message) ? await longDigest(message) : sha256Hex(plainMessage(message));
    running.add(roleOf(message), digest);
    if (slice.spend(UNITS_PER_MESSAGE)) await letOthersGo();
    if (roleOf(message) === "assistant")
      places.push({ index, lookup: running.lookup(hasCalls(message)) });
  }
  const lookupsAfter = (answers: unknown[]): string[] => {
    const after = running.copy();
    return answers.map((answer) => {
      after.add("assistant", sha256Hex(plainMessage(answer)));
      return after.lookup(hasCalls(answer));
    });
  };
  return {
    places,
    turnStart: messages.findLastIndex((message) => roleOf(message) === "user"),
    lookupAfter: (answer) => lookupsAfter([answer])[0] ?? "",
    lookupsAfter,
  };
}
