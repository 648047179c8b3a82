import { forgetOldest, memorySlot, type Memory } from "../memory.ts";

/** What a turn used. */
export interface TurnUse {
  tokens: number;
  /** In US dollars. */
  cost: number;
}

/** Bounds of what is remembered. */
const MAX_KEYS = 10_000;
const MAX_MODELS = 50;
/** How much of what turns used before stays in mind with each that uses less. */
const STAYS = 0.8;

/** By key, by model: what its turns have used lately. */
const learntUses = memorySlot(() => new Map<string, Map<string, TurnUse>>());

const mixed = (before: number, now: number): number =>
  Math.max(now, before * STAYS + now * (1 - STAYS));

/**
 * Remembers what a turn used: the most of the last ones, more or less. What a request says of
 * itself tells nothing of files that it names, nor of the rounds of its tools.
 */
export function learnUse(
  memory: Memory,
  place: { key: string; model: string },
  use: TurnUse,
): void {
  const known = learntUses.of(memory);
  const models = known.get(place.key) ?? new Map<string, TurnUse>();
  const before = models.get(place.model) ?? use;
  const { tokens, cost } = before;
  models.set(place.model, { tokens: mixed(tokens, use.tokens), cost: mixed(cost, use.cost) });
  known.set(place.key, models);
  forgetOldest(models, MAX_MODELS);
  forgetOldest(known, MAX_KEYS);
}

/** What a turn of a key with a model used lately; null where this process has seen none. */
export const learntUse = (
  memory: Memory,
  { key, model }: { key: string; model: string },
): TurnUse | null => learntUses.of(memory).get(key)?.get(model) ?? null;
