/**
 * What lives as long as the process (Node) or the isolate (workerd), and is shared by its requests:
 * caches and counters, each in a slot that only its own file knows.
 */
export class Memory {
  readonly #things = new WeakMap<object, unknown>();

  /** What is in a slot, which {@link MemorySlot.of} fills. */
  get<T>(slot: object, create: () => T): T {
    if (!this.#things.has(slot)) this.#things.set(slot, create());
    return this.#things.get(slot) as T;
  }
}

/** What is there by name, oldest first: a map, or a set. */
interface Ordered<Name> {
  readonly size: number;
  keys(): Iterable<Name>;
  delete(name: Name): boolean;
}

/** Takes out the oldest, so that no more than `most` stay. */
export function forgetOldest<Name>(remembered: Ordered<Name>, most: number): void {
  for (const oldest of remembered.keys()) {
    if (remembered.size <= most) return;
    remembered.delete(oldest);
  }
}

/** What is remembered by name for a while. Times are those of the monotonic clock. */
export class Remembered<Value> {
  readonly #values = new Map<string, { until: number; value: Value }>();
  readonly #forMs: number;
  readonly #most: number;

  /** @param most how many at most: then the oldest is forgotten */
  constructor({ forMs, most }: { forMs: number; most: number }) {
    this.#forMs = forMs;
    this.#most = most;
  }

  /** The value, or undefined where there is none, or none any more. */
  get(name: string): Value | undefined {
    const found = this.#values.get(name);
    return found !== undefined && found.until > performance.now() ? found.value : undefined;
  }

  /** Remembers a value from now on. */
  set(name: string, value: Value): void {
    this.#values.delete(name);
    this.#values.set(name, { until: performance.now() + this.#forMs, value });
    forgetOldest(this.#values, this.#most);
  }
}

/** A place in a memory, for one thing of one type. No other slot is the same, whatever it holds. */
export interface MemorySlot<T, Needs extends unknown[] = []> {
  /** What this memory has there. The first call makes it. */
  of(memory: Memory, ...needs: Needs): T;
}

/**
 * Makes a slot. Nothing is in it yet: each memory gets a thing of its own.
 * @param create makes the thing, of what the first call of `of` hands it
 */
export function memorySlot<T, Needs extends unknown[] = []>(
  create: (...needs: Needs) => T,
): MemorySlot<T, Needs> {
  const slot: MemorySlot<T, Needs> = {
    of: (memory, ...needs) => memory.get(slot, () => create(...needs)),
  };
  return slot;
}
