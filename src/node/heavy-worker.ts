/**
 * One thread for work that may hold it: takes one task at a time and answers it. The pool in
 * heavy-work.ts keeps the time from outside.
 */
import { setPriority } from "node:os";
import { parentPort } from "node:worker_threads";
import { isObject, parseJson } from "../openai/json.ts";
import type { HeavyOutcome, ValidateTask } from "../platform.ts";
import { createValidator } from "../tools/validate-arguments.ts";
import { messageOf } from "../openai/error-message.ts";

/** What a thread says: once that it has started, then one outcome for each task. */
export type HeavyReply = "ready" | HeavyOutcome;

/** Below the main thread's priority, so that checks on every core do not slow requests down. */
const PRIORITY = 5;

const port = parentPort;
if (port === null) throw new Error("heavy-worker.ts runs in a worker thread only.");

function validate({ parameters, text }: ValidateTask): HeavyOutcome {
  try {
    const args = text.trim() === "" ? {} : parseJson(text);
    const validator = createValidator(parameters);
    return { violations: validator.violations(isObject(args) ? args : {}, null) };
  } catch (error) {
    return { failure: "crash", message: messageOf(error) };
  }
}

port.on("message", (task: ValidateTask) => port.postMessage(validate(task) satisfies HeavyReply));
// Only on Linux does this lower one thread; elsewhere it would be the whole process.
if (process.platform === "linux") setPriority(0, PRIORITY);
port.postMessage("ready" satisfies HeavyReply);
