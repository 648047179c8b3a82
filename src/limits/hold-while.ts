import type { Memory } from "../memory.ts";
import type { ExpectedUse } from "./expected-use.ts";
import { learnUse, type TurnUse } from "./learnt-use.ts";
import { HELD_MS, type LimitStore } from "./limit-store.ts";

/** What is held for a turn of a key, beside what it has used. */
export interface Holding {
  /** A round has ended that used this: the next one may use as much. */
  used(use: TurnUse): Promise<void>;
  /** The turn is over. @param isComplete whether it tells what such turns use */
  ended(isComplete: boolean): Promise<void>;
}

/** Whose it is, and where it is held. */
interface HeldPlace {
  store: LimitStore;
  memory: Memory;
  keyId: string;
  turnId: string;
}

/**
 * Says again and again that a turn is under way, for which something was taken: a turn that dies
 * with its request says nothing.
 */
export function holdWhile(
  { store, memory, keyId, turnId }: HeldPlace,
  { model, use }: ExpectedUse,
): Holding {
  const held = { ...use };
  const all: TurnUse = { tokens: 0, cost: 0 };
  const hold = () => store.hold(keyId, turnId, { ...held });
  const beat = setInterval(() => void hold(), HELD_MS / 3);

  return {
    used: async ({ tokens, cost }) => {
      all.tokens += tokens;
      all.cost += cost;
      const isMore = tokens > held.tokens || cost > held.cost;
      held.tokens = Math.max(held.tokens, tokens);
      held.cost = Math.max(held.cost, cost);
      if (isMore) await hold();
    },
    ended: async (isComplete) => {
      clearInterval(beat);
      if (isComplete) learnUse(memory, { key: keyId, model }, all);
      await store.release(keyId, turnId);
    },
  };
}
