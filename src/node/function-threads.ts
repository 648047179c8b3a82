import { Worker } from "node:worker_threads";
import type { FunctionOutcome } from "../platform.ts";
import type { FunctionReply, FunctionTask } from "./function-worker.ts";
import { messageOf } from "../openai/error-message.ts";

/** A task on its way, from the caller to a thread and back. */
export interface FunctionJob {
  task: FunctionTask;
  /** Calls that share this may hold only some of the threads. */
  implementation: string;
  /** Milliseconds from the start of its execution to the end of its thread. */
  killAfterMs: number;
  /** Milliseconds since the epoch at which it was queued. */
  queuedAt: number;
  /** To be called once; more calls have no effect. */
  finish(outcome: FunctionOutcome): void;
}

/** One worker thread. */
export interface FunctionThread {
  readonly state: "starting" | "idle" | "busy" | "dead";
  readonly job: FunctionJob | null;
  /** Since when it has had nothing to do, in milliseconds since the epoch. */
  readonly idleSince: number;
  /** Gives an idle thread its next job. */
  start(job: FunctionJob): void;
  /**
   * Ends the thread at once. Its job, where it has one, ends with `outcome`. Resolves when the
   * thread is gone.
   */
  kill(outcome: FunctionOutcome): Promise<void>;
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
    idleSince: Date.now(),
    start,
    kill,
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
    thread.job = job;
    worker.ref();
    killTimer = setTimeout(
      () => {
        const limit = job.task.type === "run" ? job.task.call.timeoutMs : job.killAfterMs;
        void kill({
          ok: false,
          kind: "timeout",
          message: `it ran longer than ${limit} ms, and its thread had to be ended`,
          logs: [],
        });
      },
      Math.min(job.killAfterMs, MAX_TIMER_MS),
    );
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

  worker.on("message", (reply: FunctionReply) => {
    if (thread.state === "dead") return;
    thread.state = "idle";
    thread.idleSince = Date.now();
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
