/**
 * Lets so many calls run at the same time as their tool and its server take, in all requests
 * together.
 */
import { memorySlot } from "../memory.ts";
import type { Platform, Turnstile } from "../platform.ts";

/**
 * Calls that wait for one tool or server. Beyond it a caller is better off with an answer at once.
 */
const MAX_WAITING = 64;
/** So many of one owner may wait even then: who has a lot of calls waiting takes no one's place. */
const MAX_WAITING_PER_OWNER = 4;
/** What a call may take beyond its time limit before its slot counts as free. */
const GRACE_MS = 10_000;

/** What may not run more often than so at the same time. */
export interface CallLimit {
  /** Tells limits apart. */
  key: string;
  /** Calls at the same time. */
  limit: number;
  /** How it is told of: `The tool "weather"`. */
  what: string;
}

/** A call that waits. */
interface Waiting {
  owner: string;
  /** Opened when a slot may be free. */
  gate: Turnstile;
}

/** A call that runs. */
interface Running {
  /** When its slot counts as free, whatever became of it. Milliseconds since 1970. */
  until: number;
}

interface Queue {
  running: Set<Running>;
  /** Oldest first. */
  waiting: Waiting[];
  /** Which call of all was each owner's last, counted from 1. */
  lastServed: Map<string, number>;
  /** Calls that ran. */
  served: number;
}

/** Not run, because too many others are. The message says what to do. */
export class BusyFailure extends Error {}

type LimitPlatform = Pick<Platform, "memory" | "turnstile">;

interface LimitedCall {
  limits: CallLimit[];
  /** On whose behalf: a key with many calls does not hold up those of others. */
  owner: string;
  /** Ends the waiting too. */
  signal: AbortSignal;
  /** For waiting and running together, in milliseconds. */
  timeoutMs: number;
}

/**
 * By the limit's key.
 * @internal for tests
 */
export const callQueues = memorySlot(() => new Map<string, Queue>());

/** Takes out what died with its request. */
function sweep(queue: Queue): void {
  const now = performance.now();
  for (const running of queue.running) if (running.until < now) queue.running.delete(running);
  queue.waiting = queue.waiting.filter(({ gate }) => !gate.isAbandoned);
}

/**
 * Who is next: the owner whose last call ran the longest ago, and of its calls the oldest.
 */
function nextOf({ lastServed, waiting }: Queue): Waiting | undefined {
  const lastOf = ({ owner }: Waiting) => lastServed.get(owner) ?? 0;
  return waiting.reduce<Waiting | undefined>(
    (best, call) => (best === undefined || lastOf(call) < lastOf(best) ? call : best),
    undefined,
  );
}

/**
 * Waits for a slot, and gives what frees it.
 * @throws BusyFailure where too many wait; the signal's reason where that fires
 */
async function takeSlot(
  platform: LimitPlatform,
  { key, limit, what }: CallLimit,
  call: LimitedCall,
): Promise<() => void> {
  const { owner, signal, timeoutMs } = call;
  const queues = callQueues.of(platform.memory);
  const queue: Queue = queues.get(key) ?? {
    running: new Set(),
    waiting: [],
    lastServed: new Map(),
    served: 0,
  };
  queues.set(key, queue);
  sweep(queue);
  const isFull = queue.running.size >= limit && queue.waiting.length >= MAX_WAITING;
  const ofOwner = queue.waiting.filter((waits) => waits.owner === owner).length;
  if (isFull && ofOwner >= MAX_WAITING_PER_OWNER)
    throw new BusyFailure(
      `${what} is busy: ${queue.waiting.length} calls are waiting for it. It was not run; try again in a moment.`,
    );
  const waiting: Waiting = { owner, gate: platform.turnstile() };
  const running: Running = { until: performance.now() + timeoutMs + GRACE_MS };
  const leave = () => {
    queue.waiting = queue.waiting.filter((other) => other !== waiting);
    if (queue.running.size + queue.waiting.length === 0) queues.delete(key);
    // Whoever is next finds out for itself whether there is a slot.
    else nextOf(queue)?.gate.open();
  };
  queue.waiting.push(waiting);
  try {
    while (queue.running.size >= limit || nextOf(queue) !== waiting) {
      signal.throwIfAborted();
      await waiting.gate.pass(signal);
      sweep(queue);
    }
    signal.throwIfAborted();
    queue.running.add(running);
    queue.lastServed.set(owner, ++queue.served);
  } finally {
    leave();
  }
  return () => {
    queue.running.delete(running);
    leave();
  };
}

/**
 * Runs `work` when it is next under all limits.
 * @param work is given what is left of the time limit, in milliseconds
 * @throws BusyFailure where it never was; what `work` throws
 */
export async function limitCalls<T>(
  platform: LimitPlatform,
  call: LimitedCall,
  work: (leftMs: number) => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), call.timeoutMs);
  const signal = AbortSignal.any([call.signal, timeout.signal]);
  const free: (() => void)[] = [];
  try {
    for (const limit of call.limits) {
      try {
        free.unshift(await takeSlot(platform, limit, { ...call, signal }));
      } catch (error) {
        if (!timeout.signal.aborted || call.signal.aborted) throw error;
        const seconds = call.timeoutMs / 1000;
        throw new BusyFailure(
          `${limit.what} was busy with other calls for ${seconds} s, its time limit. It was not run; try again later.`,
        );
      }
    }
    clearTimeout(timer);
    return await work(Math.max(1, call.timeoutMs - (performance.now() - startedAt)));
  } finally {
    clearTimeout(timer);
    for (const leave of free) leave();
  }
}
