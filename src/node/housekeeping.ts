import type { Config } from "../config/read-config.ts";
import type { Logger } from "../platform.ts";
import type { Database } from "../store/database.ts";
import { describeError } from "../store/describe-error.ts";
import { keepRecordInShape } from "../store/retention.ts";

/** Work that is done once an hour for as long as the process runs. */
export interface Housekeeping {
  /** Begins no further batch, and waits for the one that runs. */
  close(): Promise<void>;
}

const EVERY_MS = 3_600_000;
/** A million conversations: whoever sets a retention for the first time has old ones. */
const MAX_BATCHES = 5000;

/**
 * Keeps the record in shape: now, so that the first row of a month finds its partition, and every
 * hour.
 */
export function startHousekeeping(
  database: Database,
  config: Config,
  logger: Logger,
): Housekeeping {
  const state = { isEnding: false, warned: new Set<string>() };
  const run = async (): Promise<void> => {
    try {
      const { deletedConversations, dropped } = await keepRecordInShape(database, {
        retentionDays: config.logRetentionDays,
        maxBatches: MAX_BATCHES,
        isEnding: () => state.isEnding,
        warn: (message, fields) => {
          if (!state.warned.has(message)) logger.warn(message, fields);
          state.warned.add(message);
        },
      });
      if (deletedConversations + dropped.length > 0)
        logger.info("Old conversations were deleted", { deletedConversations, dropped });
    } catch (error) {
      logger.warn("The record could not be kept in shape; it will be tried again in an hour", {
        error: describeError(error),
      });
    }
  };
  let running = run();
  const timer = setInterval(() => {
    running = running.then(run);
  }, EVERY_MS).unref();
  return {
    close: async () => {
      state.isEnding = true;
      clearInterval(timer);
      await running;
    },
  };
}
