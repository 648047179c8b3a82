// The path and not the package's "./wasm" export, because wrangler compiles only imports whose own
// text ends in ".wasm".
import wasmModule from "../node_modules/@jitl/quickjs-wasmfile-release-sync/dist/emscripten-module.wasm";
import type { FunctionSandbox } from "../src/platform.ts";
import { NATIVE_CALL_GUARDS } from "../src/tools/functions/quickjs-guards.ts";
import { createFunctionRunner } from "../src/tools/functions/quickjs-runner.ts";

/** 32 MB in pages of 64 KB: a quarter of what an isolate may have. */
const MEMORY_PAGES = 512;

/** Deep evals overflow workerd's own stack before QuickJS's when this is larger (measured). */
const STACK_BYTES = 65_536;

/** While a function runs, the isolate answers nobody else: no call may take longer than this. */
const MAX_TIMEOUT_MS = 1000;

/**
 * Cloudflare's clock stands still between input and output; a loop makes 9 to 50 interrupts a
 * millisecond (measured).
 */
const TICKS_PER_MS = 20;

/**
 * Runs functions in the isolate's own thread. What QuickJS cannot interrupt, the Worker's
 * `limits.cpu_ms` has to.
 */
export function createFunctionSandbox(): FunctionSandbox {
  const runner = createFunctionRunner(wasmModule, {
    memoryPages: MEMORY_PAGES,
    stackBytes: STACK_BYTES,
    maxTimeoutMs: MAX_TIMEOUT_MS,
    ticksPerMs: TICKS_PER_MS,
    guards: NATIVE_CALL_GUARDS,
  });
  return {
    async run(call, signal) {
      if (signal.aborted)
        return { ok: false, kind: "cancelled", message: "the call was cancelled", logs: [] };
      return runner.run(call);
    },
    async check(implementation) {
      const outcome = await runner.check(implementation);
      return outcome.ok ? null : outcome.message;
    },
  };
}
