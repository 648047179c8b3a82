/** What refusals have taught of the dialects that upstreams speak. */
import { memorySlot, Remembered, type Memory } from "../memory.ts";

/** An upstream is tried as usual again after this time: it may be another by then. */
const REMEMBERED_MS = 3_600_000;
const MAX_REMEMBERED = 1000;

/** What is known of one upstream. */
export interface KnownDialects {
  /** Whether it has no Responses API. */
  lacksResponses(): boolean;
  /**
   * Whether tools of a model go over Responses there: it takes none on chat completions (true), or
   * upstream gives it to nobody over Responses (false); undefined: nothing is known.
   */
  usesResponses(model: string | null): boolean | undefined;
  rememberLack(): void;
  rememberUse(model: string | null, uses: boolean): void;
}

const slot = memorySlot(
  () => new Remembered<boolean>({ forMs: REMEMBERED_MS, most: MAX_REMEMBERED }),
);

/** Opens what is known. @param upstream base URL */
export function knownDialects(memory: Memory, upstream: string): KnownDialects {
  const known = slot.of(memory);
  const lack = JSON.stringify(["lacks", upstream]);
  const useOf = (model: string | null) => JSON.stringify(["uses", upstream, model]);
  return {
    lacksResponses: () => known.get(lack) !== undefined,
    usesResponses: (model) => known.get(useOf(model)),
    rememberLack: () => known.set(lack, true),
    rememberUse: (model, uses) => known.set(useOf(model), uses),
  };
}
