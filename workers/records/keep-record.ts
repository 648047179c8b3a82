import type { Logger } from "../../src/platform.ts";
import type { TurnRecord } from "../../src/record/turn-record.ts";
import { describeError } from "../../src/store/describe-error.ts";
import { pause } from "../pause.ts";
import { NotThisWay, type RecordWay } from "./record-way.ts";

/** Between tries of all ways. With them a request lives for half a minute after its answer. */
const WAITS_MS = [200, 1000, 3000, 8000];
/** An answer waits no longer for its record to be safe. */
const MAX_HOLD_MS = 2500;

/** Tries one way after another. Whether one took the record. */
async function tryWays(ways: RecordWay[], record: TurnRecord, logger: Logger): Promise<boolean> {
  for (const way of ways) {
    try {
      await way.accept(record);
      return true;
    } catch (error) {
      if (error instanceof NotThisWay) continue;
      logger.error("A record could not be kept", {
        turn: record.id,
        way: way.name,
        error: describeError(error),
      });
    }
  }
  return false;
}

async function keep(ways: RecordWay[], record: TurnRecord, logger: Logger): Promise<void> {
  for (const wait of WAITS_MS) {
    if (await tryWays(ways, record, logger)) return;
    await pause(wait);
  }
  if (await tryWays(ways, record, logger)) return;
  logger.error("A record waits in the memory of an isolate, and is lost with it", {
    turn: record.id,
    advice: "Bind RECORD_SPOOL, as wrangler.toml does.",
  });
}

/**
 * Hands a record to the first way that takes it.
 * @param waitUntil keeps the request alive meanwhile
 * @returns what the end of the answer waits for, or nothing
 */
export function keepRecord(
  record: TurnRecord,
  ways: RecordWay[],
  { logger, waitUntil }: { logger: Logger; waitUntil(promise: Promise<unknown>): void },
): Promise<void> | undefined {
  const keeping = keep(ways, record, logger);
  waitUntil(keeping);
  const isAwaited = ways[0]?.isAwaited ?? false;
  return isAwaited ? Promise.race([keeping, pause(MAX_HOLD_MS)]) : undefined;
}
