import { forgetOldest, memorySlot } from "../memory.ts";
import type { BilledUnits } from "../openai/billed-units.ts";
import type { Usage } from "../openai/usage.ts";
import type { RequestScope } from "../platform.ts";
import type { RoundRecord } from "../record/turn-record.ts";

/** Objects whose use was counted, by key and id, oldest first. */
const counted = memorySlot(() => new Set<string>());
const MAX_COUNTED = 50_000;

/** An answer, as far as it says what it is of. */
interface UsedAnswer {
  /** Of the key. */
  apiKeyId: string;
  method: string;
  /** Of the object that it shows: a response, a batch. Null where it shows none. */
  id: string | null;
  usage: Usage | null;
  billed: BilledUnits | null;
}

/**
 * The use that an answer tells of, or null where it was counted before: who reads a stored
 * response, or asks again and again how a batch is getting on, uses nothing. What runs in the
 * background is counted when its use is first seen.
 */
export function useOnce(
  { platform }: RequestScope,
  { apiKeyId, method, id, usage, billed }: UsedAnswer,
): Pick<RoundRecord, "usage" | "billed"> {
  const use = { usage, ...(billed === null ? {} : { billed }) };
  if (usage === null || id === null) return use;
  const objects = counted.of(platform.memory);
  const object = `${apiKeyId} ${id}`;
  if (method === "GET" && objects.has(object)) return { usage: null };
  objects.delete(object);
  objects.add(object);
  forgetOldest(objects, MAX_COUNTED);
  return use;
}
