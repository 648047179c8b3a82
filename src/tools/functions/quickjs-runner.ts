import { Scope, type QuickJSContext, type QuickJSHandle } from "quickjs-emscripten-core";
import type { FunctionCall, FunctionOutcome } from "../../platform.ts";
import {
  FILE_NAME,
  failureOf,
  syntaxFailureOf,
  type FunctionFailure,
  type ThrownValue,
} from "./quickjs-failure.ts";
import { isSpent, startQuickJs, type QuickJsInstance } from "./quickjs-instance.ts";
import { MAX_JSON_CHARACTERS, PRELUDE } from "./quickjs-prelude.ts";
import { messageOf } from "../../openai/error-message.ts";

/** Longest implementation, in characters. */
const MAX_IMPLEMENTATION_CHARACTERS = 262_144;

/** Longest time that checking may take, in milliseconds. */
export const CHECK_TIMEOUT_MS = 1000;

/**
 * Promise jobs that run between two looks at the clock: the engine itself looks only every 10,000
 * jumps and calls.
 */
const JOBS_PER_BATCH = 200;

/** How far a call may go. */
interface QuickJsLimits {
  /** Most memory of an instance, in pages of 64 KB: at least 256. */
  memoryPages: number;
  /** QuickJS's own stack, in bytes: the host's stack must have room for many times as much. */
  stackBytes: number;
  /** Longest time for any call, in milliseconds. */
  maxTimeoutMs: number;
  /**
   * Interrupts (one per 10,000 jumps and calls) that count as a millisecond where the clock may
   * stand still; else Infinity.
   */
  ticksPerMs: number;
  /** Script that runs in each context before the operator's code, or nothing. */
  guards: string;
}

/**
 * Runs and checks implementations, one after the other, on instances that it replaces when they are
 * worn or damaged.
 */
interface FunctionRunner {
  run(call: FunctionCall): Promise<FunctionOutcome>;
  /** A failure of kind `error` with the syntax error, or a success. The code is not run. */
  check(implementation: string): Promise<FunctionOutcome>;
}

/** Counts a call's time, by the clock and by interrupts. */
interface Watch {
  timeoutMs: number;
  /** To be asked often; once true, always true. */
  isOver(): boolean;
}

/** What one call works with. */
interface Call {
  context: QuickJSContext;
  scope: Scope;
  watch: Watch;
  implementation: string;
  /** Turns a thrown value into what is known of it. */
  describe: QuickJSHandle | null;
  outOfMemory(): boolean;
}

/** Ends a call from within: its failure is the outcome. */
class CallFailed extends Error {
  readonly failure: FunctionFailure;
  constructor(failure: FunctionFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

function startWatch(timeoutMs: number, ticksPerMs: number): Watch {
  const deadline = performance.now() + timeoutMs;
  let ticks = timeoutMs * ticksPerMs;
  let over = false;
  return {
    timeoutMs,
    isOver() {
      ticks -= 1;
      over ||= ticks <= 0 || performance.now() > deadline;
      return over;
    },
  };
}

const MEMORY_FAILURE: FunctionFailure = {
  kind: "memory",
  message: "it used more memory than a tool may have",
};

/**
 * What is known of a thrown value; null when memory is so short that it cannot even be described.
 */
function describe(call: Call, thrown: QuickJSHandle): ThrownValue | null {
  if (call.describe === null) return null;
  const text = call.context.callFunction(call.describe, call.context.undefined, thrown);
  call.scope.manage(text);
  return text.error ? null : (JSON.parse(call.context.getString(text.value)) as ThrownValue);
}

/** Turns a thrown value into the failure that ends the call. */
function fail(call: Call, thrown: QuickJSHandle, render: typeof failureOf = failureOf): never {
  const known = describe(call, thrown);
  if (call.watch.isOver())
    throw new CallFailed({
      kind: "timeout",
      message: `it ran longer than ${call.watch.timeoutMs} ms`,
    });
  // Where there is no memory left to make an error with, QuickJS throws null.
  if ((known === null || known.name === "") && call.outOfMemory())
    throw new CallFailed(MEMORY_FAILURE);
  if (known === null)
    throw new CallFailed({ kind: "error", message: "it threw something that cannot be read" });
  const failure = render(known, call.implementation);
  throw new CallFailed(failure.kind === "memory" ? MEMORY_FAILURE : failure);
}

/** Evaluates a script of ours or a wrapped implementation. */
function evaluate(call: Call, code: string, options: { compileOnly: boolean }): QuickJSHandle {
  const result = call.scope.manage(
    call.context.evalCode(code, FILE_NAME, { type: "global", compileOnly: options.compileOnly }),
  );
  return result.error ? fail(call, result.error, syntaxFailureOf) : result.value;
}

function invoke(call: Call, invoked: QuickJSHandle, argument: QuickJSHandle): QuickJSHandle {
  const result = call.scope.manage(
    call.context.callFunction(invoked, call.context.undefined, argument),
  );
  return result.error ? fail(call, result.error) : result.value;
}

/**
 * Compiles an implementation; an object with it as its method. Nothing of it runs, even if it means
 * to close the wrapper early: such text has to go on with "," or "}" to fit a method of an object,
 * and with neither to fit a declaration.
 */
function compile(call: Call): QuickJSHandle {
  const { implementation } = call;
  if (implementation.length > MAX_IMPLEMENTATION_CHARACTERS) {
    throw new CallFailed({
      kind: "error",
      message: `the implementation has more than ${MAX_IMPLEMENTATION_CHARACTERS} characters`,
    });
  }
  evaluate(call, `async function implementation(args) {${implementation}\n}`, {
    compileOnly: true,
  });
  return evaluate(call, `({async implementation(args) {${implementation}\n}})`, {
    compileOnly: false,
  });
}

/** Pumps promise jobs until a promise has settled, nothing is left to do, or time is up. */
function settle(call: Call, promise: QuickJSHandle): QuickJSHandle {
  const { context, scope, watch } = call;
  while (context.runtime.hasPendingJob() && !watch.isOver()) {
    const jobs = context.runtime.executePendingJobs(JOBS_PER_BATCH);
    if (jobs.error) scope.manage(jobs.error);
    jobs.dispose();
    if (context.getPromiseState(promise).type !== "pending") break;
  }
  const state = context.getPromiseState(promise);
  if (state.type === "fulfilled") return scope.manage(state.value);
  if (state.type === "rejected") return fail(call, scope.manage(state.error));
  if (watch.isOver())
    throw new CallFailed({ kind: "timeout", message: `it ran longer than ${watch.timeoutMs} ms` });
  if (call.outOfMemory()) throw new CallFailed(MEMORY_FAILURE);
  throw new CallFailed({
    kind: "pending",
    message:
      "it awaits a promise that nothing can settle (there are no timers and no network here)",
  });
}

/** Runs the wrapped implementation; the JSON text of its result. */
function perform(
  call: Call,
  args: string,
  tools: { parse: QuickJSHandle; encode: QuickJSHandle },
): string {
  const { context, scope } = call;
  if (args.length > MAX_JSON_CHARACTERS) {
    throw new CallFailed({
      kind: "error",
      message: `the arguments have more than ${MAX_JSON_CHARACTERS} characters`,
    });
  }
  const wrapper = compile(call);
  const parsed = invoke(call, tools.parse, scope.manage(context.newString(args)));
  const promise = invoke(call, scope.manage(context.getProp(wrapper, "implementation")), parsed);
  const value = settle(call, promise);
  const text = context.callFunction(tools.encode, context.undefined, value);
  scope.manage(text);
  if (!text.error) return context.getString(text.value);
  return fail(call, text.error, (thrown) => ({
    ...failureOf(thrown, ""),
    message: `the returned value cannot be written as JSON: ${thrown.message}`,
  }));
}

/** What a call is opened with. */
interface Opening {
  limits: QuickJsLimits;
  watch: Watch;
  implementation: string;
  /** Filled as the code writes to its console. */
  logs: string[];
}

type Work = (call: Call, tools: { parse: QuickJSHandle; encode: QuickJSHandle }) => string;

/** Does `work` in a new runtime and context that has the prelude in it. */
function inContext(
  instance: QuickJsInstance,
  opening: Opening,
  work: { scope: Scope; perform: Work },
): string {
  const { limits, watch, logs, implementation } = opening;
  const { scope } = work;
  const runtime = scope.manage(
    instance.quickjs.newRuntime({
      maxStackSizeBytes: limits.stackBytes,
      interruptHandler: () => watch.isOver(),
    }),
  );
  const context = scope.manage(runtime.newContext());
  const call: Call = {
    context,
    scope,
    watch,
    implementation,
    describe: null,
    outOfMemory: () => instance.full,
  };
  const write = context.newFunction("write", (line) => {
    logs.push(JSON.parse(context.getString(line)) as string);
  });
  const tools = invoke(call, evaluate(call, PRELUDE, { compileOnly: false }), scope.manage(write));
  call.describe = scope.manage(context.getProp(tools, "describe"));
  if (limits.guards !== "") evaluate(call, limits.guards, { compileOnly: false });
  return work.perform(call, {
    parse: scope.manage(context.getProp(tools, "parse")),
    encode: scope.manage(context.getProp(tools, "encode")),
  });
}

/** What an exception of the host side means: the instance is lost, and this is why. */
function hostFailure(error: unknown, full: boolean): FunctionFailure {
  if (full) return MEMORY_FAILURE;
  if (error instanceof RangeError)
    return { kind: "stack", message: "it nested deeper than the sandbox's stack allows" };
  return { kind: "crash", message: `the sandbox broke: ${messageOf(error)}` };
}

/** One call on one instance, from opening its context to closing it. */
function runOn(instance: QuickJsInstance, opening: Opening, perform: Work): FunctionOutcome {
  const { logs } = opening;
  const scope = new Scope();
  let outcome: FunctionOutcome | null = null;
  instance.uses += 1;
  instance.full = false;
  try {
    try {
      outcome = { ok: true, result: inContext(instance, opening, { scope, perform }), logs };
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
      outcome = { ok: false, ...error.failure, logs };
    }
    scope.dispose();
    return outcome;
  } catch (error) {
    instance.broken = true;
    return outcome ?? { ok: false, ...hostFailure(error, instance.full), logs };
  }
}

/** Makes a runner, and with it a first instance as soon as one is asked for. */
export function createFunctionRunner(
  wasmModule: WebAssembly.Module,
  limits: QuickJsLimits,
): FunctionRunner {
  // The instance and not the promise of one is kept: on workerd a request may not wait for what
  // another one has begun.
  let spare: QuickJsInstance | null = null;

  async function use(
    request: { implementation: string; timeoutMs: number },
    perform: Work,
  ): Promise<FunctionOutcome> {
    const instance = spare ?? (await startQuickJs(wasmModule, limits.memoryPages));
    const watch = startWatch(Math.min(request.timeoutMs, limits.maxTimeoutMs), limits.ticksPerMs);
    const outcome = runOn(
      instance,
      { limits, watch, implementation: request.implementation, logs: [] },
      perform,
    );
    spare = isSpent(instance) ? null : instance;
    return outcome;
  }

  return {
    run: (call) => use(call, (opened, tools) => perform(opened, call.args, tools)),
    check: (implementation) =>
      use({ implementation, timeoutMs: CHECK_TIMEOUT_MS }, (opened) => {
        compile(opened);
        return "null";
      }),
  };
}
