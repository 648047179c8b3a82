import { memorySlot } from "../memory.ts";
import type { Platform } from "../platform.ts";

/** What a process knows of a place in a history. */
interface Known {
  /** JSON text of hidden items, or null: nothing was hidden there. */
  items: string | null;
  /** Whether the table did not take it, so that it is not there before its turn's record. */
  isAlone: boolean;
  /** By the clock's `elapsed`. */
  until: number;
}

interface KeptRounds {
  known: Map<string, Known>;
  /** Characters of all items. */
  length: number;
}

/** What is remembered at most: characters of items, and places. */
const MAX_LENGTH = 32 * 1024 * 1024;
const MAX_PLACES = 20_000;

const keptRounds = memorySlot((): KeptRounds => ({ known: new Map(), length: 0 }));

const placeOf = (apiKeyId: string, lookup: string) => `${apiKeyId} ${lookup}`;
const lengthOf = (known: Known | undefined) => known?.items?.length ?? 0;

function forget(kept: KeptRounds, place: string): void {
  kept.length -= lengthOf(kept.known.get(place));
  kept.known.delete(place);
}

/** Where a process remembers. */
type Remembering = Pick<Platform, "memory" | "clock">;

/** What is remembered of an answer. */
interface Remembered extends Omit<Known, "until"> {
  lookups: string[];
  forMs: number;
}

/**
 * Remembers what was hidden at these places, beside the table: for clients that come back while the
 * database is away.
 */
export function rememberRounds(
  { memory, clock }: Remembering,
  apiKeyId: string,
  { lookups, items, isAlone, forMs }: Remembered,
): void {
  const kept = keptRounds.of(memory);
  const until = clock.elapsed() + forMs;
  for (const lookup of lookups) {
    const place = placeOf(apiKeyId, lookup);
    forget(kept, place);
    kept.known.set(place, { items, isAlone, until });
    kept.length += items?.length ?? 0;
  }
  for (const oldest of kept.known.keys()) {
    if (kept.length <= MAX_LENGTH && kept.known.size <= MAX_PLACES) return;
    forget(kept, oldest);
  }
}

/** What this process knows of a place, or undefined where it does not. */
export function rememberedRounds(
  { memory, clock }: Remembering,
  apiKeyId: string,
  lookup: string,
): Pick<Known, "items" | "isAlone"> | undefined {
  const found = keptRounds.of(memory).known.get(placeOf(apiKeyId, lookup));
  return found === undefined || found.until < clock.elapsed() ? undefined : found;
}
