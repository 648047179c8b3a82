/** Why a call was not let in. */
export class BusyError extends Error {}

interface Waiting {
  letIn(): void;
}

/** Lets so many calls in at a time; the next ones wait in a queue that has an end. */
export class CallGate {
  readonly #most: number;
  readonly #mostQueued: number;
  readonly #queue = new Set<Waiting>();
  #inside = 0;

  constructor(limits: { most: number; mostQueued: number }) {
    this.#most = limits.most;
    this.#mostQueued = limits.mostQueued;
  }

  get inside(): number {
    return this.#inside;
  }

  get queued(): number {
    return this.#queue.size;
  }

  /**
   * Waits for a place, which has to be given back by {@link leave}.
   * @throws BusyError where the queue is full, or the wait takes longer than `limitMs`; the
   * signal's reason where that comes first
   */
  async enter({ signal, limitMs }: { signal: AbortSignal; limitMs: number }): Promise<void> {
    signal.throwIfAborted();
    if (this.#inside < this.#most) {
      this.#inside += 1;
      return;
    }
    if (this.#queue.size >= this.#mostQueued)
      throw new BusyError(
        `${this.#inside} calls are running and ${this.#queue.size} are waiting, which is the limit`,
      );
    await new Promise<void>((resolve, reject) => {
      const end = () => {
        clearTimeout(timer);
        this.#queue.delete(waiting);
        signal.removeEventListener("abort", giveUp);
      };
      const waiting: Waiting = {
        letIn: () => {
          end();
          resolve();
        },
      };
      const giveUp = () => {
        end();
        reject(
          signal.reason instanceof Error
            ? signal.reason
            : new Error("The call was cancelled while it waited."),
        );
      };
      const timer = setTimeout(() => {
        end();
        reject(new BusyError(`the call waited ${limitMs / 1000} s for its turn`));
      }, limitMs);
      this.#queue.add(waiting);
      signal.addEventListener("abort", giveUp);
    });
  }

  /** Gives a place back, to whoever has waited for longest. */
  leave(): void {
    const [next] = this.#queue;
    if (next) next.letIn();
    else this.#inside -= 1;
  }
}
