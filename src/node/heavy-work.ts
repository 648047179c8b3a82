/** Checks that may take long, in worker threads. */
import { Worker } from "node:worker_threads";
import type { HeavyOutcome, HeavyWork, ValidateTask } from "../platform.ts";
import type { HeavyReply } from "./heavy-worker.ts";
import { messageOf } from "../openai/error-message.ts";

interface HeavyJob {
  task: ValidateTask;
  limitMs: number;
  finish(outcome: HeavyOutcome): void;
}

const MAX_THREADS = 2;
/** Threads that one owner may hold while others wait. */
const MAX_THREADS_PER_OWNER = 1;
/** Tasks of one owner that may wait. */
const MAX_QUEUE_PER_OWNER = 32;
/** How long a task may wait for a thread, in milliseconds. */
const MAX_WAIT_MS = 5000;
/** A thread that takes longer to start than this is given up. In milliseconds. */
const START_MS = 10_000;
const RESOURCE_LIMITS = {
  stackSizeMb: 4,
  maxOldGenerationSizeMb: 256,
  maxYoungGenerationSizeMb: 32,
};

const failed = (failure: "timeout" | "busy" | "crash", message: string): HeavyOutcome => ({
  failure,
  message,
});

/** A worker that inherits nothing: no environment, no arguments, no standard input. */
function startWorker(): Worker {
  const worker = new Worker(new URL("./heavy-worker.ts", import.meta.url), {
    env: {},
    argv: [],
    execArgv: [],
    resourceLimits: RESOURCE_LIMITS,
    name: "heavy-work",
  });
  worker.unref();
  return worker;
}

/** One thread, which is started with its first job and ended by one that takes too long. */
class HeavyThread {
  #worker: Worker | null = null;
  #isReady = false;
  #job: HeavyJob | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #idle: () => void;

  /** @param idle hears that it can take a job */
  constructor(idle: () => void) {
    this.#idle = idle;
  }

  /** Whose job it does; null where it has none. */
  get owner(): string | null {
    return this.#job?.task.owner ?? null;
  }

  start(job: HeavyJob): void {
    this.#worker ??= this.#open();
    this.#worker.ref();
    this.#job = job;
    this.#limit(this.#isReady ? job.limitMs : START_MS);
    this.#worker.postMessage(job.task);
  }

  /** Ends the thread at once, and its job, where it has one. */
  async end(outcome: HeavyOutcome): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    this.#done(outcome);
    await worker?.terminate();
  }

  #limit(limitMs: number): void {
    clearTimeout(this.#timer);
    const message = `The check took longer than ${limitMs} ms.`;
    this.#timer = setTimeout(() => void this.end(failed("timeout", message)), limitMs);
  }

  #open(): Worker {
    this.#isReady = false;
    const worker = startWorker();
    worker.on("message", (reply: HeavyReply) => {
      if (worker !== this.#worker) return;
      if (reply === "ready") {
        this.#isReady = true;
        // Its first task is there already: its time begins now.
        this.#limit(this.#job?.limitMs ?? START_MS);
        return;
      }
      worker.unref();
      this.#done(reply);
    });
    const gone = (message: string) => {
      if (worker === this.#worker) void this.end(failed("crash", message));
    };
    worker.on("error", (error) => gone(messageOf(error)));
    worker.on("exit", (code) => gone(`Its thread ended with code ${code}.`));
    return worker;
  }

  #done(outcome: HeavyOutcome): void {
    clearTimeout(this.#timer);
    const job = this.#job;
    this.#job = null;
    if (job === null) return;
    job.finish(outcome);
    this.#idle();
  }
}

/** The pool, and its end. */
interface HeavyThreads extends HeavyWork {
  close(): Promise<void>;
}

/**
 * Opens a pool of threads, which are started when they are first needed. A task over its time limit
 * has its thread ended; no owner can hold all threads while others wait.
 */
export function createHeavyWork(): HeavyThreads {
  const queue: HeavyJob[] = [];
  const threads = Array.from({ length: MAX_THREADS }, () => new HeavyThread(assign));

  function next(): HeavyJob | undefined {
    const held = (owner: string) => threads.filter((thread) => thread.owner === owner).length;
    const isFair = ({ task }: HeavyJob) => held(task.owner) < MAX_THREADS_PER_OWNER;
    const index = queue.findIndex(isFair);
    return index < 0 ? undefined : queue.splice(index, 1)[0];
  }

  function assign(): void {
    for (const thread of threads) {
      if (thread.owner !== null) continue;
      const job = next();
      if (job === undefined) return;
      thread.start(job);
    }
  }

  const turnAway = (job: HeavyJob): void => {
    const index = queue.indexOf(job);
    if (index < 0) return;
    queue.splice(index, 1);
    job.finish(failed("busy", "Other checks keep all threads busy."));
  };

  return {
    validate: (task, limitMs) =>
      new Promise((resolve) => {
        const waiting = setTimeout(() => turnAway(job), MAX_WAIT_MS);
        const job: HeavyJob = {
          task,
          limitMs,
          finish: (outcome) => {
            clearTimeout(waiting);
            resolve(outcome);
          },
        };
        queue.push(job);
        const ofOwner = queue.filter((waits) => waits.task.owner === task.owner);
        if (ofOwner.length > MAX_QUEUE_PER_OWNER) turnAway(job);
        else assign();
      }),
    close: async () => {
      for (const job of Array.from(queue)) turnAway(job);
      await Promise.all(threads.map((thread) => thread.end(failed("crash", "The server ends."))));
    },
  };
}
