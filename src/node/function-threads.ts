import { Worker } from "node:worker_threads";
import type { FunctionOutcome } from "../platform.ts";
import type { FunctionReply, FunctionTask } from "./function-worker.ts";
import { messageOf } from "../openai/error-message.ts";

/** A task on its way, from the caller to a thread and back. */
export interface FunctionJob {
  task: FunctionTask;
  /** Calls that share this may hold only some of the threads. */
  implementation: string;
  /** On whose behalf it runs: so may those of one owner. */
  owner: string;
  /** What it may take from the start of its execution, in milliseconds. */
  timeoutMs: number;
  /** When it was queued, by the monotonic clock, in milliseconds. */
  queuedAt: number;
  /** Whether it gave its thread up to another owner's once: it keeps the next one. */
  hasYielded: boolean;
  /** To be called once; more calls have no effect. */
  finish(outcome: FunctionOutcome): void;
}

/** One worker thread. */
export interface FunctionThread {
  readonly state: "starting" | "idle" | "busy" | "dead";
  readonly job: FunctionJob | null;
  /** Since when it has had its job, or nothing to do, by the monotonic clock, in milliseconds. */
  readonly since: number;
  /** Gives an idle thread its next job. */
  start(job: FunctionJob): void;
  /**
   * Ends the thread at once. Its job, where it has one, ends with `outcome`. Resolves when the
   * thread is gone.
   */
  kill(outcome: FunctionOutcome): Promise<void>;
  /** Ends the thread at once, and gives its job back, which can run again from its start. */
  yield(): FunctionJob | null;
}

/** What a thread tells its pool. */
interface ThreadEvents {
  /** It can take a job. */
  idle(): void;
  /** It is gone: by `kill`, or by itself. `startError` is why it never started. */
  gone(thread: FunctionThread, startError: string | null): void;
}

/**
 * Host stack in MB: see `STACK_BYTES` in function-worker.ts. The heap is for strings that cross the
 * border only.
 */
const RESOURCE_LIMITS = {
  stackSizeMb: 16,
  maxOldGenerationSizeMb: 64,
  maxYoungGenerationSizeMb: 16,
};

/** How much later than the sandbox's own clock the thread is ended, in milliseconds. */
const KILL_GRACE_MS = 250;

/** A timer set for longer than this fires at once. */
const MAX_TIMER_MS = 2_147_483_647;

/** A worker that inherits nothing: no environment, no arguments, no standard input. */
function startWorker(wasmModule: WebAssembly.Module): Worker {
  const worker = new Worker(new URL("./function-worker.ts", import.meta.url), {
    workerData: wasmModule,
    env: {},
    argv: [],
    execArgv: [],
    resourceLimits: RESOURCE_LIMITS,
    name: "function-sandbox",
    // QuickJS's WebAssembly announces there that it aborts; the caller is told in the outcome.
    stderr: true,
  });
  worker.stderr.resume();
  return worker;
}

/** Starts a thread; it says that it is idle when it can take its first job. */
export function startFunctionThread(
  wasmModule: WebAssembly.Module,
  events: ThreadEvents,
): FunctionThread {
  const worker = startWorker(wasmModule);
  let killTimer: ReturnType<typeof setTimeout> | undefined;
  const thread = {
    state: "starting" as FunctionThread["state"],
    job: null as FunctionJob | null,
    since: performance.now(),
    start,
    kill,
    yield: yieldJob,
  };

  /** Takes the job away from the thread, so that it can only end once. */
  function endJob(outcome: FunctionOutcome): void {
    clearTimeout(killTimer);
    const { job } = thread;
    thread.job = null;
    job?.finish(outcome);
  }

  function start(job: FunctionJob): void {
    thread.state = "busy";
    thread.since = performance.now();
    thread.job = job;
    worker.ref();
    // In the words of the sandbox's own clock, whichever of the two is the first.
    const message = `it ran longer than ${job.timeoutMs} ms`;
    const end = () => void kill({ ok: false, kind: "timeout", message, logs: [] });
    killTimer = setTimeout(end, Math.min(job.timeoutMs + KILL_GRACE_MS, MAX_TIMER_MS));
    worker.postMessage(job.task);
  }

  function die(outcome: FunctionOutcome, startError: string | null): void {
    if (thread.state === "dead") return;
    const started = thread.state !== "starting";
    thread.state = "dead";
    endJob(outcome);
    events.gone(thread, started ? null : startError);
  }

  async function kill(outcome: FunctionOutcome): Promise<void> {
    die(outcome, null);
    await worker.terminate();
  }

  function yieldJob(): FunctionJob | null {
    const { job } = thread;
    clearTimeout(killTimer);
    thread.job = null;
    void kill({ ok: false, kind: "crash", message: "it gave its thread up", logs: [] });
    return job;
  }

  worker.on("message", (reply: FunctionReply) => {
    if (thread.state === "dead") return;
    thread.state = "idle";
    thread.since = performance.now();
    // An idle thread must not keep the process alive.
    worker.unref();
    if (reply.type === "done") endJob(reply.outcome);
    events.idle();
  });
  worker.on("error", (error) => {
    const message = messageOf(error);
    die({ ok: false, kind: "crash", message: `its thread failed: ${message}`, logs: [] }, message);
  });
  worker.on("exit", (code) =>
    die(
      { ok: false, kind: "crash", message: `its thread ended with code ${code}`, logs: [] },
      `it ended with code ${code}`,
    ),
  );
  return thread;
}
