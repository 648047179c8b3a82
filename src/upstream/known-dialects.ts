/** What refusals have taught of the dialects that upstreams speak. */
import { memorySlot, Remembered, type Memory } from "../memory.ts";

/** An upstream is tried as usual again after this time: it may be another by then. */
const REMEMBERED_MS = 3_600_000;
const MAX_REMEMBERED = 1000;

/** What is known of one upstream. */
export interface KnownDialects {
  /** Whether it has no Responses API. */
  lacksResponses(): boolean;
  /** Whether a model takes no function tools on chat completions there. */
  needsResponses(model: string | null): boolean;
  rememberLack(): void;
  rememberNeed(model: string | null): void;
}

const slot = memorySlot(() => new Remembered<true>({ forMs: REMEMBERED_MS, most: MAX_REMEMBERED }));

/** Opens what is known. @param upstream base URL */
export function knownDialects(memory: Memory, upstream: string): KnownDialects {
  const known = slot.of(memory);
  const lack = JSON.stringify(["lacks", upstream]);
  const needOf = (model: string | null) => JSON.stringify(["needs", upstream, model]);
  return {
    lacksResponses: () => known.get(lack) !== undefined,
    needsResponses: (model) => known.get(needOf(model)) !== undefined,
    rememberLack: () => known.set(lack, true),
    rememberNeed: (model) => known.set(needOf(model), true),
  };
}
