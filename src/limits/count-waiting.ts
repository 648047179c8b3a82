import type { Clock } from "../clock.ts";
import type { Memory } from "../memory.ts";
import type { Platform } from "../platform.ts";
import type { TurnRecord } from "../record/turn-record.ts";
import { openMemoryLimits } from "./memory-limits.ts";
import { costOf, usedRounds } from "./turn-use.ts";

/** Where a process counts. */
interface Counting {
  memory: Memory;
  clock: Clock;
  config: Pick<Platform["config"], "prices">;
}

/**
 * Counts what a turn of another process cost, whose record is not in the database yet: until this
 * process has written it, no reading of the database tells of it.
 */
export async function countWaiting(counting: Counting, record: TurnRecord): Promise<void> {
  const amount = await costOf(usedRounds(record, 0), record, counting.config);
  const store = openMemoryLimits(counting);
  if (amount > 0) await store.add(record.apiKeyId, { meter: "cost", amount }, record);
}
