/** What keys have spent this month, as far as it is on record. */
import { memorySlot } from "../memory.ts";
import type { RequestScope } from "../platform.ts";
import { describeError } from "../store/describe-error.ts";
import { monthlySpend } from "../store/usage-hours.ts";
import { withinLimit } from "../store/within-limit.ts";
import { writtenTurns } from "../store/written-turns.ts";
import { monthLedger, monthOf, noteTurnsWritten } from "./memory-limits.ts";
import type { MonthLedger } from "./month-ledger.ts";

/** What a key spent in one month, in US dollars. */
interface Spend {
  month: string;
  /** On record; null while nobody knows. */
  recorded: number | null;
  /** Of turns of others, whose records wait somewhere for the database. */
  waiting: number;
  /** When that was last asked for, by the clock's `elapsed`. */
  askedAt: number;
  /** How many requests ask for it just now. */
  asking: number;
}

/** Spend is asked for again after the first, and waited for after the second. */
const FRESH_MS = 2000;
const USABLE_MS = 10_000;
const LIMIT_MS = 2500;

/** By key: this month's first, and the one before it, to which the clock may be set back. */
const spends = memorySlot(() => new Map<string, Spend[]>());

/**
 * What is known of a key's month. In a month that has just begun little was spent: so it is nothing
 * until that is read, and no request waits for it that would not have waited anyway.
 */
function spendOf({ platform }: RequestScope, apiKeyId: string): Spend {
  const known = spends.of(platform.memory);
  const month = monthOf(platform.clock.now());
  const months = known.get(apiKeyId) ?? [];
  const [latest] = months;
  const found = months.find((spend) => spend.month === month);
  if (found !== undefined && found === latest) return found;
  const spend: Spend = found ?? {
    month,
    recorded: latest === undefined || latest.recorded === null ? null : 0,
    waiting: 0,
    askedAt: latest?.askedAt ?? -Infinity,
    asking: 0,
  };
  known.set(apiKeyId, latest === undefined ? [spend] : [spend, latest]);
  return spend;
}

/** The most turns that are looked for at once. */
const MAX_SOUGHT = 5000;

/**
 * Asks what became of records that this process has handed on. What waits elsewhere is asked for
 * before what is on record, so that nothing is in neither; for a moment it may be in both.
 */
async function askWaiting(
  { platform }: RequestScope,
  { apiKeyId, ledger }: { apiKeyId: string; ledger: MonthLedger },
): Promise<number> {
  const { memory, waitingRecords } = platform;
  if (waitingRecords === null) return 0;
  const own = ledger.unwritten();
  const elsewhere = await waitingRecords.dollars(
    apiKeyId,
    own.map(({ id }) => id),
  );
  if (own.length > 0)
    noteTurnsWritten(memory, await writtenTurns(platform.database, own.slice(0, MAX_SOUGHT)));
  return elsewhere;
}

/**
 * Asks the database; what it does not tell stays as it was, because known keys go on working
 * without it. What is on record only grows: no reading gives anything back.
 */
async function readSpend(scope: RequestScope, apiKeyId: string, spend: Spend): Promise<void> {
  const { platform } = scope;
  const { month } = spend;
  const ledger = monthLedger(platform, apiKeyId, month);
  const read = async (): Promise<void> => {
    const waiting = await withinLimit(askWaiting(scope, { apiKeyId, ledger }), LIMIT_MS);
    const ended = ledger.beginReading();
    try {
      const since = new Date(`${month}-01T00:00:00Z`);
      const reading = monthlySpend(platform.database, [apiKeyId], since);
      const recorded = (await withinLimit(reading, LIMIT_MS)).get(apiKeyId) ?? 0;
      spend.recorded = Math.max(spend.recorded ?? 0, recorded);
      spend.waiting = waiting;
      ended(true);
    } catch (error) {
      ended(false);
      throw error;
    }
  };
  await read().catch((error: unknown) =>
    platform.logger.warn("What a key has spent could not be read", {
      key: apiKeyId,
      error: describeError(error),
    }),
  );
}

async function askSpend(scope: RequestScope, apiKeyId: string, spend: Spend): Promise<void> {
  const { clock, once } = scope.platform;
  spend.askedAt = clock.elapsed();
  spend.asking++;
  await once(`spend ${spend.month} ${apiKeyId}`, () => readSpend(scope, apiKeyId, spend));
  spend.asking--;
}

/** Has what a key spent asked for where it is due, and waits for that where nothing usable is known. */
export async function refreshSpend(scope: RequestScope, apiKeyId: string): Promise<void> {
  const spend = spendOf(scope, apiKeyId);
  const age = scope.platform.clock.elapsed() - spend.askedAt;
  const isUnknown = spend.recorded === null;
  if ((isUnknown && spend.asking > 0) || age >= (isUnknown ? FRESH_MS : USABLE_MS))
    await askSpend(scope, apiKeyId, spend);
  else if (age >= FRESH_MS) scope.waitUntil(askSpend(scope, apiKeyId, spend));
}

/**
 * What a key has on record for this month (UTC), or on its way there from elsewhere, in US dollars,
 * as far as that is known.
 */
export function recordedSpend(scope: RequestScope, apiKeyId: string): number {
  const { recorded, waiting } = spendOf(scope, apiKeyId);
  return (recorded ?? 0) + waiting;
}
