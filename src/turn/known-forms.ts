/** Which milder forms an upstream needed for a model: the next turns begin with them. */
import type { RoundForm } from "../dialects/dialect.ts";
import { memorySlot, Remembered, type Memory } from "../memory.ts";

/** The members of {@link RoundForm}. */
export type FormName = keyof RoundForm;

/** What is asked of a model at an upstream. */
export interface AskedModel {
  /** Base URL. */
  upstream: string;
  /** In which it is asked: what one dialect has no words for, another may. */
  dialect: string;
  model: string | null;
  /** What of the request may decide whether a form is needed; see `DialectRequest.traits`. */
  traits: string;
}

/**
 * An upstream that refused is tried in the usual form again after this time: it may be another by
 * then.
 */
const REMEMBERED_MS = 3_600_000;
const MAX_REMEMBERED = 1000;

/** The forms of one model at one upstream. */
export interface KnownForms {
  has(name: FormName): boolean;
  /** A number that belongs to a form, such as the most tools that upstream takes. */
  valueOf(name: FormName): number;
  remember(name: FormName, value?: number): void;
}

/** A number that belongs to a form; 0 where none does. */
const slot = memorySlot(
  () => new Remembered<number>({ forMs: REMEMBERED_MS, most: MAX_REMEMBERED }),
);

/**
 * Forms that depend on nothing of a request but its model; whether that sees images does not depend
 * on the dialect either.
 */
const OF_MODEL = new Set<FormName>([
  "withoutUsage",
  "withoutEncryptedReasoning",
  "maxTools",
  "withoutMedia",
]);

/** Opens what is known. */
export function knownForms(memory: Memory, asked: AskedModel): KnownForms {
  const known = slot.of(memory);
  const keyOf = (name: FormName): string => {
    const { upstream, model } = asked;
    const dialect = name === "withoutMedia" ? "" : asked.dialect;
    const traits = OF_MODEL.has(name) ? "" : asked.traits;
    return JSON.stringify([name, upstream, dialect, model, traits]);
  };
  return {
    has: (name) => known.get(keyOf(name)) !== undefined,
    valueOf: (name) => known.get(keyOf(name)) ?? 0,
    remember: (name, value = 0) => known.set(keyOf(name), value),
  };
}
