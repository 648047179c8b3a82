import { countWaiting } from "../limits/count-waiting.ts";
import { noteTurnsWritten } from "../limits/memory-limits.ts";
import type { Logger, PartHealth, Platform } from "../platform.ts";
import type { TurnRecord } from "../record/turn-record.ts";
import { describeError } from "../store/describe-error.ts";
import type { ConnectionOptions } from "./database/connect-database.ts";
import { holdLines } from "./held-lines.ts";
import { readSegment } from "./read-segment.ts";
import { recordHealth } from "./record-health.ts";
import { startRecordThread } from "./record-thread.ts";
import { createSpoolLines, type SpoolLines } from "./spool-line.ts";
import { Spool } from "./spool.ts";
import { takeBackSealed } from "./take-back-sealed.ts";

/** The record's way to the database on Node. */
export interface RecordKeeper {
  keep(record: TurnRecord): void | Promise<void>;
  health(): PartHealth;
  /**
   * Waits until everything is in the database, at most `limitMs`; what is not stays in the spool
   * for the next start.
   */
  close(limitMs: number): Promise<void>;
}

interface KeeperOptions {
  connection: ConnectionOptions;
  config: Platform["config"];
  logger: Logger;
  memory: Platform["memory"];
  clock: Platform["clock"];
}

/** How often a spool that failed is tried again, and those of others are looked at. */
const CHECK_MS = 5000;
/** What an answer waits for the database, where no file takes its record. */
const BESIDE_LIMIT_MS = 2500;
/** What a start waits for what processes before have left. */
const ADOPTION_LIMIT_MS = 2000;

/** Every record of a segment that another process left. */
async function forEachRecord(
  path: string,
  spoolLines: SpoolLines,
  hear: (record: TurnRecord) => Promise<void>,
): Promise<void> {
  for (let offset = 0; ;) {
    const { lines, end } = readSegment(path, offset);
    if (lines.length === 0) return;
    for (const line of lines) {
      const read = spoolLines.read(line);
      if ("record" in read) await hear(read.record);
    }
    offset = end;
  }
}

/** Resolves with the promise, or after a time. */
async function atMost(promise: Promise<unknown>, limitMs: number): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(() => late.resolve(), limitMs);
  await Promise.race([promise, late.promise]);
  clearTimeout(timer);
}

/**
 * Opens the spool under the data directory, and starts writing it to the database. Resolves when
 * budgets know of what processes before have left there.
 */
export async function openRecordKeeper(options: KeeperOptions): Promise<RecordKeeper> {
  const { connection, config, logger, memory, clock } = options;
  const { dataDir, prices, encryptionKey } = config;
  const lines = createSpoolLines(encryptionKey);
  const held = holdLines(lines);
  const lost = { turns: 0 };
  const isAdopted = Promise.withResolvers<void>();
  const adopting = new Set<string>();

  const adoptedOne = (path: string) => {
    if (adopting.delete(path) && adopting.size === 0) isAdopted.resolve();
  };
  const thread = startRecordThread(
    { connection, rejectedDirectory: dataDir, prices, encryptionKey },
    {
      logger,
      onWritten: (turnIds) => noteTurnsWritten(memory, turnIds),
      onLinesWritten: (numbers) => held.release(numbers),
      onDone: adoptedOne,
      onMissing: (path) => {
        adoptedOne(path);
        if (!spool.missing(path))
          logger.error("A segment of the spool is gone, and the records in it", { path });
      },
    },
  );

  /** Has a line written that is in no file. @returns its number, or null where it is lost */
  const writeBeside = (line: string, record: TurnRecord | null): number | null => {
    const one = held.hold(line, record);
    if (one === null) lost.turns += 1;
    else thread.write(one);
    return one?.number ?? null;
  };
  const spool = new Spool(dataDir, {
    grown: (path) => thread.tell("grown", path),
    closed: (path) => thread.tell("closed", path),
    orphaned: (path, orphans) => {
      thread.forget(path);
      logger.error("The spool's directory was taken away", { path, records: orphans.length });
      for (const line of orphans) writeBeside(line, null);
    },
  });

  const keepBeside = async (record: TurnRecord, line: string, error: unknown): Promise<void> => {
    const fields = { turn: record.id, error: describeError(error) };
    const number = writeBeside(line, record);
    if (number === null) return logger.error("A record could not be kept", fields);
    logger.warn("A record goes to the database at once: the spool cannot be written", fields);
    await atMost(held.released(number), BESIDE_LIMIT_MS);
  };

  const adopt = (): string[] => {
    const { adopted, failures } = spool.adopt();
    for (const failure of failures)
      logger.warn("What another process left in the spool could not be taken over", {
        error: describeError(failure),
      });
    return adopted;
  };
  const count = async (path: string): Promise<void> => {
    try {
      await forEachRecord(path, lines, (record) => countWaiting({ memory, clock, config }, record));
    } catch (error) {
      const fields = { path, error: describeError(error) };
      logger.error("What a segment has cost could not be counted", fields);
    }
  };

  /** Once there is space again, what is held gets into a file. */
  const respool = async (): Promise<void> => {
    for (const [number, line] of held.all()) {
      try {
        await spool.append(line);
        held.release([number]);
      } catch {
        // The spool shows its fault; the line is held on.
        return;
      }
    }
  };
  const check = setInterval(() => {
    spool.probe();
    if (spool.fault === null) void respool();
    for (const path of adopt()) thread.tell("closed", path);
  }, CHECK_MS).unref();

  try {
    await takeBackSealed(dataDir, lines, (line) => spool.append(line));
  } catch (error) {
    const fields = { error: describeError(error) };
    logger.error("What was sealed under this key before could not be taken back", fields);
  }
  for (const path of adopt()) adopting.add(path);
  for (const path of adopting) await count(path);
  if (adopting.size === 0) isAdopted.resolve();
  for (const path of adopting) thread.tell("closed", path);
  await atMost(isAdopted.promise, ADOPTION_LIMIT_MS);

  return {
    keep: (record) => {
      const line = lines.of(record);
      try {
        return spool.append(line)?.catch((error: unknown) => keepBeside(record, line, error));
      } catch (error) {
        return keepBeside(record, line, error);
      }
    },
    health: () =>
      recordHealth({
        state: thread.state,
        spoolFault: spool.fault,
        held: held.count,
        lost: lost.turns,
        dataDir,
      }),
    close: async (limitMs) => {
      clearInterval(check);
      spool.end();
      await thread.finish(limitMs);
      await respool();
      spool.close();
    },
  };
}
