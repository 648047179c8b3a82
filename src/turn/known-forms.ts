/** Which milder forms an upstream needed for a model: the next turns begin with them. */
import type { RoundForm } from "../dialects/dialect.ts";
import { memorySlot, type Memory } from "../memory.ts";

/** The members of {@link RoundForm}. */
export type FormName = keyof RoundForm;

/** What is asked of a model at an upstream. */
export interface AskedModel {
  /** Base URL. */
  upstream: string;
  model: string | null;
  /** What of the request may decide whether a form is needed; see `DialectRequest.traits`. */
  traits: string;
}

/** An upstream that refused is tried in the usual form again after this time: it may be another by then. */
const REMEMBERED_MS = 3_600_000;
const MAX_REMEMBERED = 1000;

/** The forms of one model at one upstream. */
export interface KnownForms {
  has(name: FormName): boolean;
  /** A number that belongs to a form, such as the most tools that upstream takes. */
  valueOf(name: FormName): number;
  remember(name: FormName, value?: number): void;
}

interface Known {
  until: number;
  value: number;
}

const slot = memorySlot(() => new Map<string, Known>());

/** Forms that depend on nothing of a request but its model. */
const OF_MODEL = new Set<FormName>([
  "withoutUsage",
  "withoutEncryptedReasoning",
  "maxTools",
  "withoutMedia",
]);

/** Opens what is known. Times are those of the monotonic clock. */
export function knownForms(memory: Memory, asked: AskedModel): KnownForms {
  const known = slot.of(memory);
  const keyOf = (name: FormName): string => {
    const traits = OF_MODEL.has(name) ? "" : asked.traits;
    return JSON.stringify([name, asked.upstream, asked.model, traits]);
  };
  const find = (name: FormName): Known | null => {
    const found = known.get(keyOf(name));
    return found !== undefined && found.until > performance.now() ? found : null;
  };
  return {
    has: (name) => find(name) !== null,
    valueOf: (name) => find(name)?.value ?? 0,
    remember: (name, value = 0) => {
      const key = keyOf(name);
      known.delete(key);
      known.set(key, { until: performance.now() + REMEMBERED_MS, value });
      for (const oldest of known.keys()) {
        if (known.size <= MAX_REMEMBERED) break;
        known.delete(oldest);
      }
    },
  };
}
