import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { FunctionCall, FunctionOutcome, FunctionSandbox } from "../platform.ts";
import { CHECK_TIMEOUT_MS } from "../tools/functions/quickjs-runner.ts";
import { startFunctionThread, type FunctionJob, type FunctionThread } from "./function-threads.ts";
import type { FunctionTask } from "./function-worker.ts";
import { messageOf } from "../openai/error-message.ts";

/**
 * Most threads, however many calls wait: enough for tools in endless loops not to hold up the
 * others.
 */
const MAX_THREADS = 8;

/**
 * Threads that calls of one implementation may hold at once, so that one broken tool cannot hold
 * them all.
 */
const MAX_THREADS_PER_IMPLEMENTATION = MAX_THREADS / 2;

/** Most calls that wait for a thread. */
const MAX_QUEUE = 1000;

/** A call that has waited this long for a thread is turned away, in milliseconds. */
const MAX_WAIT_MS = 30_000;

/**
 * A call that has waited this long is worth another thread (which takes some 100 ms to start), in
 * milliseconds.
 */
const GROW_AFTER_MS = 25;

/**
 * Threads beyond the configured number end when they have had nothing to do for this long, in
 * milliseconds.
 */
const IDLE_MS = 10_000;

/** How much later than the sandbox's own clock the thread is ended, in milliseconds. */
const KILL_GRACE_MS = 250;

/** A sandbox that has threads to end. */
interface ThreadedFunctionSandbox extends FunctionSandbox {
  /** Ends all threads; calls that run or wait end as cancelled, as do later ones. */
  close(): Promise<void>;
}

const CANCELLED: FunctionOutcome = {
  ok: false,
  kind: "cancelled",
  message: "the call was cancelled",
  logs: [],
};

function crash(message: string): FunctionOutcome {
  return { ok: false, kind: "crash", message, logs: [] };
}

/** Compiled once, off the main thread, and shared by all threads. */
async function compileQuickJs(): Promise<WebAssembly.Module> {
  const file = createRequire(import.meta.url).resolve("@jitl/quickjs-wasmfile-release-sync/wasm");
  return WebAssembly.compile(await readFile(file));
}

/** The threads and the calls that wait for one. */
class ThreadPool {
  readonly #minThreads: number;
  readonly #threads = new Set<FunctionThread>();
  readonly #queue: FunctionJob[] = [];
  #wasmModule: WebAssembly.Module | null = null;
  #loadFailure: FunctionOutcome | null = null;
  #growTimer: ReturnType<typeof setTimeout> | undefined;
  #shrinkTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(minThreads: number) {
    this.#minThreads = minThreads;
  }

  /** Begins to start threads; calls may be added meanwhile. */
  async open(): Promise<void> {
    try {
      this.#wasmModule = await compileQuickJs();
      this.#fill();
    } catch (error) {
      this.#loadFailure = crash(`QuickJS could not be loaded: ${messageOf(error)}`);
      this.#failQueue(this.#loadFailure);
    }
  }

  add(job: FunctionJob): void {
    if (this.#closed) return job.finish(CANCELLED);
    if (this.#loadFailure) return job.finish(this.#loadFailure);
    if (this.#queue.length >= MAX_QUEUE)
      return job.finish(crash(`${MAX_QUEUE} calls are waiting for the sandbox already`));
    this.#queue.push(job);
    this.#fill();
    this.#assign();
  }

  /**
   * Ends a job wherever it is. A running one takes its thread with it: nothing else stops a native
   * call.
   */
  cancel(job: FunctionJob): void {
    const index = this.#queue.indexOf(job);
    if (index >= 0) this.#queue.splice(index, 1);
    for (const thread of this.#threads) if (thread.job === job) void thread.kill(CANCELLED);
    job.finish(CANCELLED);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#growTimer);
    clearTimeout(this.#shrinkTimer);
    this.#failQueue(CANCELLED);
    await Promise.all(Array.from(this.#threads, (thread) => thread.kill(CANCELLED)));
  }

  #failQueue(outcome: FunctionOutcome): void {
    for (const job of this.#queue.splice(0)) job.finish(outcome);
  }

  #fill(): void {
    while (!this.#closed && this.#wasmModule !== null && this.#threads.size < this.#minThreads)
      this.#grow(this.#wasmModule);
  }

  #grow(wasmModule: WebAssembly.Module): void {
    const thread = startFunctionThread(wasmModule, {
      idle: () => this.#assign(),
      gone: (dead, startError) => {
        this.#threads.delete(dead);
        // A thread that could not start would not start a second time either: the next call tries
        // again.
        if (startError === null) this.#fill();
        else if (this.#threads.size === 0)
          this.#failQueue(crash(`the sandbox's thread did not start: ${startError}`));
      },
    });
    this.#threads.add(thread);
  }

  /**
   * The first job in the queue whose implementation does not hold its share of the threads already.
   */
  #next(): FunctionJob | undefined {
    const held = new Map<string, number>();
    for (const { job } of this.#threads)
      if (job) held.set(job.implementation, (held.get(job.implementation) ?? 0) + 1);
    const index = this.#queue.findIndex(
      (job) => (held.get(job.implementation) ?? 0) < MAX_THREADS_PER_IMPLEMENTATION,
    );
    return index < 0 ? undefined : this.#queue.splice(index, 1)[0];
  }

  #assign(): void {
    for (const thread of this.#threads) {
      if (thread.state !== "idle") continue;
      const job = this.#next();
      if (job === undefined) break;
      thread.start(job);
    }
    if (this.#closed) return;
    if (this.#queue.length > 0)
      this.#growTimer ??= setTimeout(() => this.#growWhenLate(), GROW_AFTER_MS);
    if (this.#threads.size > this.#minThreads)
      this.#shrinkTimer ??= setTimeout(() => this.#shrink(), IDLE_MS).unref();
  }

  /**
   * Turns away what has waited too long, and starts a thread where calls wait and none is on its
   * way.
   */
  #growWhenLate(): void {
    this.#growTimer = undefined;
    const now = Date.now();
    while (this.#queue[0] && now - this.#queue[0].queuedAt > MAX_WAIT_MS) {
      this.#queue
        .shift()
        ?.finish(
          crash(`it waited ${MAX_WAIT_MS / 1000} s for the sandbox, which other calls keep busy`),
        );
    }
    const late = this.#queue[0] !== undefined && now - this.#queue[0].queuedAt >= GROW_AFTER_MS;
    const starting = Array.from(this.#threads).some((thread) => thread.state === "starting");
    if (late && !starting && this.#threads.size < MAX_THREADS && this.#wasmModule !== null)
      this.#grow(this.#wasmModule);
    this.#assign();
  }

  /** Ends threads beyond the configured number that have had nothing to do for a while. */
  #shrink(): void {
    this.#shrinkTimer = undefined;
    const threads = Array.from(this.#threads);
    const rested = threads.filter(
      (thread) => thread.state === "idle" && Date.now() - thread.idleSince >= IDLE_MS,
    );
    for (const thread of rested.slice(0, threads.length - this.#minThreads))
      void thread.kill(CANCELLED);
    this.#assign();
  }
}

/**
 * Runs functions in worker threads, each with its own QuickJS in WebAssembly. A call's time runs
 * from the start of its execution; a thread that does not come back in time is ended from outside.
 * @param options.threads how many threads are kept ready; up to eight are started while calls have
 * to wait
 */
export function createFunctionSandbox(options: { threads: number }): ThreadedFunctionSandbox {
  const pool = new ThreadPool(options.threads);
  void pool.open();

  async function submit(
    task: FunctionTask,
    limit: { timeoutMs: number; signal: AbortSignal | null },
  ): Promise<FunctionOutcome> {
    const { signal } = limit;
    if (signal?.aborted) return CANCELLED;
    return new Promise((resolve) => {
      const cancel = () => pool.cancel(job);
      const job: FunctionJob = {
        task,
        implementation: task.type === "run" ? task.call.implementation : task.implementation,
        killAfterMs: limit.timeoutMs + KILL_GRACE_MS,
        queuedAt: Date.now(),
        finish(outcome) {
          signal?.removeEventListener("abort", cancel);
          resolve(outcome);
        },
      };
      signal?.addEventListener("abort", cancel, { once: true });
      pool.add(job);
    });
  }

  return {
    run: (call: FunctionCall, signal) =>
      submit({ type: "run", call }, { timeoutMs: call.timeoutMs, signal }),
    async check(implementation) {
      const outcome = await submit(
        { type: "check", implementation },
        { timeoutMs: CHECK_TIMEOUT_MS, signal: null },
      );
      return outcome.ok ? null : outcome.message;
    },
    close: () => pool.close(),
  };
}
