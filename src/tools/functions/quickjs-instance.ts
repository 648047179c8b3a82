import baseVariant from "@jitl/quickjs-wasmfile-release-sync";
import {
  newQuickJSWASMModuleFromVariant,
  newVariant,
  type QuickJSWASMModule,
} from "quickjs-emscripten-core";

/** The least memory that this build of QuickJS starts with: 16 MB, of which it touches little. */
const INITIAL_PAGES = 256;

/** An instance that has grown beyond this is replaced, as WebAssembly memory never shrinks. */
const MAX_IDLE_BYTES = 20 * 1024 * 1024;

/** Calls after which an instance is replaced, so that a slow leak or fragmented heap has an end. */
const MAX_USES = 500;

/**
 * One instance of the QuickJS WebAssembly module: the unit that is thrown away when it may be
 * damaged.
 */
export interface QuickJsInstance {
  quickjs: QuickJSWASMModule;
  memory: WebAssembly.Memory;
  uses: number;
  /** Whether the last attempt to grow was refused. */
  full: boolean;
  /** Set when the host side threw: its state is unknown, so that it may not even be disposed of. */
  broken: boolean;
}

/**
 * Starts an instance whose memory cannot grow beyond `memoryPages` pages of 64 KB. The cap is the
 * WebAssembly memory's own, because `memoryLimitBytes` of this build does not hold: with 32 MB set,
 * arrays took 514 MB and typed arrays 2 GB (measured).
 */
export async function startQuickJs(
  wasmModule: WebAssembly.Module,
  memoryPages: number,
): Promise<QuickJsInstance> {
  const memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: memoryPages });
  const state = { memory, uses: 0, full: false, broken: false };
  const grow = memory.grow.bind(memory);
  // QuickJS cannot always say that memory was short: where there is none left to make an error
  // with, it throws null.
  memory.grow = (pages) => {
    state.full = true;
    const before = grow(pages);
    state.full = false;
    return before;
  };
  const variant = newVariant(baseVariant, { wasmModule, wasmMemory: memory, log: () => undefined });
  return Object.assign(state, { quickjs: await newQuickJSWASMModuleFromVariant(variant) });
}

/** Whether an instance must not serve another call. */
export function isSpent(instance: QuickJsInstance): boolean {
  return (
    instance.broken ||
    instance.uses >= MAX_USES ||
    instance.memory.buffer.byteLength > MAX_IDLE_BYTES
  );
}
