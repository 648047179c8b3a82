import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { FunctionCall, FunctionOutcome, FunctionSandbox } from "../platform.ts";
import { CHECK_TIMEOUT_MS } from "../tools/functions/quickjs-runner.ts";
import { FunctionQueue } from "./function-queue.ts";
import { startFunctionThread, type FunctionJob, type FunctionThread } from "./function-threads.ts";
import type { FunctionTask } from "./function-worker.ts";
import { messageOf } from "../openai/error-message.ts";

/**
 * Most threads, however many calls wait: enough for tools in endless loops not to hold up the
 * others.
 */
const MAX_THREADS = 8;

/** Fair shares of the threads, and of the queue. */
const SHARES = {
  perImplementation: MAX_THREADS / 2,
  perOwner: (MAX_THREADS / 4) * 3,
  waiting: 1000,
  waitingPerOwner: 250,
};

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

/**
 * A call that has waited this long takes a thread from another owner, where its own has none. So
 * long, at least, the other had it; it runs again from its start, which nobody can tell: what runs
 * in the sandbox reaches nothing outside of it. In milliseconds.
 */
const YIELD_AFTER_MS = 200;

/** A sandbox that has threads to end. */
interface ThreadedFunctionSandbox extends FunctionSandbox {
  /** Ends all threads; calls that run or wait end as cancelled, as do later ones. */
  close(): Promise<void>;
}

/** On whose behalf the code that an operator writes is checked. */
const CHECKER = "check";

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
  readonly #queue = new FunctionQueue(SHARES);
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
    const refusal = this.#queue.add(job);
    if (refusal !== null) return job.finish(crash(refusal));
    this.#fill();
    this.#assign();
  }

  /**
   * Ends a job wherever it is. A running one takes its thread with it: nothing else stops a native
   * call.
   */
  cancel(job: FunctionJob): void {
    this.#queue.remove(job);
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
    for (const job of this.#queue.takeAll()) job.finish(outcome);
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

  #running(): FunctionJob[] {
    return Array.from(this.#threads, ({ job }) => job).filter((job) => job !== null);
  }

  #assign(): void {
    for (const thread of this.#threads) {
      if (thread.state !== "idle") continue;
      const job = this.#queue.next(this.#running());
      if (job === undefined) break;
      thread.start(job);
    }
    if (this.#closed) return;
    if (!this.#queue.isEmpty)
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
    const now = performance.now();
    for (const job of this.#queue.takeAll(now - MAX_WAIT_MS))
      job.finish(
        crash(`it waited ${MAX_WAIT_MS / 1000} s for the sandbox, which other calls keep busy`),
      );
    if (!this.#isStarting() && this.#threads.size >= MAX_THREADS) this.#yieldOne(now);
    const isLate = this.#queue.hasWaitedSince(now - GROW_AFTER_MS);
    if (isLate && !this.#isStarting() && this.#threads.size < MAX_THREADS && this.#wasmModule)
      this.#grow(this.#wasmModule);
    this.#assign();
  }

  #isStarting(): boolean {
    return Array.from(this.#threads).some(({ state }) => state === "starting");
  }

  /** Takes a thread from an owner where another has waited for its first. */
  #yieldOne(now: number): void {
    const since = now - YIELD_AFTER_MS;
    const threads = Array.from(this.#threads);
    const oldest = threads.toSorted((a, b) => a.since - b.since);
    const running = oldest.flatMap(({ job }) => (job === null ? [] : [job]));
    const able = new Set(
      threads.filter((thread) => thread.since <= since).map((thread) => thread.job),
    );
    const mayYield = (job: FunctionJob) => !job.hasYielded && able.has(job);
    const job = this.#queue.yielding(running, since, mayYield);
    if (job === null) return;
    threads.find((thread) => thread.job === job)?.yield();
    job.hasYielded = true;
    job.queuedAt = now;
    this.#queue.putBack(job);
  }

  /** Ends threads beyond the configured number that have had nothing to do for a while. */
  #shrink(): void {
    this.#shrinkTimer = undefined;
    const threads = Array.from(this.#threads);
    const rested = threads.filter(
      (thread) => thread.state === "idle" && performance.now() - thread.since >= IDLE_MS,
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
    { owner, timeoutMs }: { owner: string; timeoutMs: number },
    signal: AbortSignal | null,
  ): Promise<FunctionOutcome> {
    if (signal?.aborted) return CANCELLED;
    return new Promise((resolve) => {
      const cancel = () => pool.cancel(job);
      const job: FunctionJob = {
        task,
        implementation: task.type === "run" ? task.call.implementation : task.implementation,
        owner,
        timeoutMs,
        queuedAt: performance.now(),
        hasYielded: false,
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
    run: (call: FunctionCall, signal) => submit({ type: "run", call }, call, signal),
    async check(implementation) {
      const limits = { owner: CHECKER, timeoutMs: CHECK_TIMEOUT_MS };
      const outcome = await submit({ type: "check", implementation }, limits, null);
      return outcome.ok ? null : outcome.message;
    },
    close: () => pool.close(),
  };
}
