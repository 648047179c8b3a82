import { memorySlot } from "../src/memory.ts";
import type { Platform } from "../src/platform.ts";
import { describeError } from "../src/store/describe-error.ts";
import { keepRecordInShape } from "../src/store/retention.ts";

const EVERY_MS = 3_600_000;
const lastTime = memorySlot(() => ({ at: -Infinity }));
/** What a request can leave behind in a few seconds. */
const MAX_BATCHES = 10;

/**
 * Once an hour, behind a response: makes the partitions of months to come and deletes what is too
 * old.
 */
export async function keepInShapeNowAndThen({
  config,
  database,
  logger,
  memory,
}: Platform): Promise<void> {
  const last = lastTime.of(memory);
  if (performance.now() - last.at < EVERY_MS) return;
  last.at = performance.now();
  try {
    await keepRecordInShape(database, {
      retentionDays: config.logRetentionDays,
      maxBatches: MAX_BATCHES,
      isEnding: () => false,
      warn: (message, fields) => logger.warn(message, fields),
    });
  } catch (error) {
    logger.warn("The record could not be kept in shape; it will be tried again in an hour", {
      error: describeError(error),
    });
  }
}
