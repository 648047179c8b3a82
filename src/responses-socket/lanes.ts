/** The order of a connection's responses: one after the other in a lane, lanes side by side. */
import { ApiError } from "../openai/api-error.ts";

/** https://developers.openai.com/api/docs/guides/websocket-mode#limits-per-connection */
const MAX_RUNNING = 16;
const MAX_NAMED = 32;
/** How many may wait beside those that run. */
const MAX_WAITING = 64;

const TOO_MANY_LANES =
  `This connection has used ${MAX_NAMED} different stream ids, which is the most. ` +
  "Use one of them again, or open another connection.";
const TOO_MUCH_WAITS =
  "Too many events wait on this connection. Send more when responses have ended.";

/** A piece of work, and what it holds while it waits, in characters. */
interface Work {
  length: number;
  run(): Promise<void>;
}

/** Runs work in lanes. */
export class Lanes {
  readonly #maxLength: number;
  readonly #tails = new Map<string | null, Promise<void>>();
  #count = 0;
  #length = 0;
  #running = 0;
  #queue: (() => void)[] = [];

  /** @param maxLength of all that waits or runs, in characters */
  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  /** Whether nothing runs or waits. */
  get isIdle(): boolean {
    return this.#count === 0;
  }

  /** Resolves when all that was added has ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#tails.values());
  }

  /**
   * Adds work, which must not throw, to a lane.
   * @throws ApiError 400 for a lane too many, 429 where too much waits already
   */
  add(streamId: string | null, work: Work): Promise<void> {
    const before = this.#tails.get(streamId);
    const named = [...this.#tails.keys()].filter((name) => name !== null).length;
    if (before === undefined && streamId !== null && named >= MAX_NAMED)
      throw new ApiError("websocket_stream_limit", TOO_MANY_LANES, { param: "stream_id" });
    const isTooMuch = this.#count > 0 && this.#length + work.length > this.#maxLength;
    if (isTooMuch || this.#count >= MAX_RUNNING + MAX_WAITING)
      throw new ApiError("too_many_requests", TOO_MUCH_WAITS, { retryAfter: 1 });
    this.#count += 1;
    this.#length += work.length;
    const tail = this.#runAfter(before, work);
    this.#tails.set(streamId, tail);
    return tail;
  }

  async #runAfter(before: Promise<void> | undefined, work: Work): Promise<void> {
    await before;
    if (this.#running >= MAX_RUNNING)
      await new Promise<void>((resolve) => {
        this.#queue.push(resolve);
      });
    else this.#running += 1;
    try {
      await work.run();
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#running -= 1;
      else next();
      this.#count -= 1;
      this.#length -= work.length;
    }
  }
}
