/**
 * One thread of the function sandbox: takes one call at a time and answers it. What it runs can
 * hold it for ever, so the pool in function-threads.ts keeps the time from outside.
 */
import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import type { FunctionCall, FunctionOutcome } from "../platform.ts";
import { createFunctionRunner } from "../tools/functions/quickjs-runner.ts";

/** What a thread is asked to do. */
export type FunctionTask =
  | { type: "run"; call: FunctionCall }
  | { type: "check"; implementation: string };

/** What a thread says: once that it has started, then one outcome for each task. */
export type FunctionReply = { type: "ready" } | { type: "done"; outcome: FunctionOutcome };

/** Below the main thread's priority, so that busy tools on every core do not slow requests down. */
const PRIORITY = 5;

/** 64 MB: pages of 64 KB. */
const MEMORY_PAGES = 1024;

/**
 * Deep evals, JSON and templates end in QuickJS's own "stack overflow" with this and 16 MB of host
 * stack (measured).
 */
const STACK_BYTES = 262_144;

const port = parentPort;
if (port === null) throw new Error("function-worker.ts runs in a worker thread only.");

const runner = createFunctionRunner(workerData as WebAssembly.Module, {
  memoryPages: MEMORY_PAGES,
  stackBytes: STACK_BYTES,
  maxTimeoutMs: Infinity,
  ticksPerMs: Infinity,
  guards: "",
});

port.on("message", (task: FunctionTask) => {
  const outcome = task.type === "run" ? runner.run(task.call) : runner.check(task.implementation);
  void outcome.then((done) =>
    port.postMessage({ type: "done", outcome: done } satisfies FunctionReply),
  );
});

// The first call should not pay for the first instance.
await runner.check("");
// Only on Linux does this lower one thread; elsewhere it would be the whole process. Starting is
// not slowed down by it.
if (process.platform === "linux") setPriority(0, PRIORITY);
port.postMessage({ type: "ready" } satisfies FunctionReply);
