/** The events of a response while it is made: whoever comes may read them from where they left. */

/** Bytes that are kept; of what came before, whoever asks is told what it came to. */
const MAX_BYTES = 4 * 1024 * 1024;

/** Keeps the newest events, and lets any number of readers follow them. */
export class EventLog {
  readonly #events: Uint8Array[] = [];
  #first: number;
  #bytes = 0;
  #hasEnded = false;
  #waiting: (() => void)[] = [];

  /** @param first number of the event that comes first */
  constructor(first: number) {
    this.#first = first;
  }

  /** Number of the oldest event that is kept. */
  get first(): number {
    return this.#first;
  }

  /** Adds one event. */
  write(event: Uint8Array): void {
    this.#events.push(event);
    this.#bytes += event.byteLength;
    while (this.#bytes > MAX_BYTES && this.#events.length > 1) {
      this.#bytes -= this.#events.shift()?.byteLength ?? 0;
      this.#first++;
    }
    this.#wake();
  }

  /** Nothing follows here. */
  end(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  /**
   * The events after one, and those that come, until the end. A reader who is too slow for what is
   * kept is not told of the rest.
   */
  async *follow(after: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    let next = Math.max(after + 1, this.#first);
    signal.addEventListener("abort", this.#wake);
    try {
      while (!signal.aborted && next >= this.#first) {
        const event = this.#events[next - this.#first];
        if (event !== undefined) {
          next++;
          yield event;
        } else if (this.#hasEnded) return;
        else await new Promise<void>((resolve) => void this.#waiting.push(resolve));
      }
    } finally {
      signal.removeEventListener("abort", this.#wake);
    }
  }

  readonly #wake = (): void => {
    for (const resume of this.#waiting.splice(0)) resume();
  };
}
