import { Worker } from "node:worker_threads";
import { figuresOf } from "../limits/read-figures.ts";
import { messageOf } from "../openai/error-message.ts";
import type { Logger, PartHealth } from "../platform.ts";
import type { TurnRecord } from "../record/turn-record.ts";
import type { ConnectionOptions } from "./database/connect-database.ts";
import type { PriceOverrides } from "../record/price-overrides.ts";
import type { RecordWriterData, RecordWriterState, ToRecordWriter } from "./record-writer.ts";
import { openSpool } from "./spool.ts";
import { describeError } from "../store/describe-error.ts";

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
  dataDir: string;
  connection: ConnectionOptions;
  /** The operator's own prices. */
  prices: PriceOverrides;
  logger: Logger;
  /** Hears of turns that are in the database, by their ids. */
  onWritten(turnIds: string[]): void;
}

const RESTART_MS = 1000;
const TELL_MS = 50;

/**
 * Starts the thread that writes, and starts it again should it ever end. It re-reads what it had
 * not finished.
 */
function startWriter(
  data: RecordWriterData,
  { logger, onWritten }: Pick<KeeperOptions, "logger" | "onWritten">,
) {
  const known = new Map<string, "grown" | "closed">();
  const state: RecordWriterState = {
    segments: 0,
    writtenTurns: 0,
    rejectedTurns: 0,
    lastError: null,
    idle: true,
    done: null,
    written: [],
  };
  /** Segments whose growth the thread is about to hear of: one message for many records. */
  const told = new Set<string>();
  let worker: Worker | null = null;
  let finished = false;
  const start = () => {
    worker = new Worker(new URL("./record-writer.ts", import.meta.url), { workerData: data });
    worker.on("message", (news: RecordWriterState) => {
      if (news.lastError !== null && state.lastError === null)
        logger.warn("Records wait for the database", { error: news.lastError });
      if (news.rejectedTurns > state.rejectedTurns)
        logger.error("The database refused a record; it is in rejected.ndjson", {
          directory: data.rejectedDirectory,
        });
      if (news.written.length > 0) onWritten(news.written);
      if (news.done !== null) known.delete(news.done);
      Object.assign(state, news);
    });
    worker.on("error", (error) =>
      logger.error("The record writer failed", { error: describeError(error) }),
    );
    worker.on("exit", () => {
      worker = null;
      if (!finished) setTimeout(start, RESTART_MS).unref();
    });
    for (const [path, type] of known) worker.postMessage({ type, path } satisfies ToRecordWriter);
  };
  start();
  return {
    state,
    tell: (type: "grown" | "closed", path: string) => {
      known.set(path, type);
      if (type === "closed") return worker?.postMessage({ type, path } satisfies ToRecordWriter);
      if (told.has(path)) return;
      told.add(path);
      setTimeout(() => {
        told.delete(path);
        if (known.get(path) === "grown")
          worker?.postMessage({ type, path } satisfies ToRecordWriter);
      }, TELL_MS);
    },
    finish: async (limitMs: number): Promise<void> => {
      finished = true;
      const running = worker;
      if (running === null) return;
      const ended = new Promise<void>((resolve) => running.once("exit", () => resolve()));
      running.postMessage({ type: "finish" } satisfies ToRecordWriter);
      const timer = setTimeout(() => void running.terminate(), limitMs);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** A record's line. What no serialiser writes, because it is nested too deeply, is left out. */
function lineOf(record: TurnRecord): string {
  try {
    return JSON.stringify(record);
  } catch (error) {
    return JSON.stringify(figuresOf(record, `Its content cannot be kept: ${messageOf(error)}`));
  }
}

/**
 * Opens the spool under `dataDir`, takes over what a killed process left there, and starts writing
 * it.
 */
export function openRecordKeeper({
  dataDir,
  connection,
  prices,
  logger,
  onWritten,
}: KeeperOptions): RecordKeeper {
  const writer = startWriter(
    { connection, rejectedDirectory: dataDir, prices },
    { logger, onWritten },
  );
  const spool = openSpool(dataDir, {
    grown: (path) => writer.tell("grown", path),
    closed: (path) => writer.tell("closed", path),
  });
  return {
    keep: (record) => {
      const failed = (error: unknown) =>
        logger.error("A record could not be kept", {
          turn: record.id,
          error: describeError(error),
        });
      try {
        return spool.append(lineOf(record))?.catch(failed);
      } catch (error) {
        failed(error);
      }
    },
    health: () => {
      const { lastError, segments, writtenTurns, rejectedTurns } = writer.state;
      const figures = { waitingSegments: segments, writtenTurns, rejectedTurns };
      if (lastError === null) return { status: "ok", ...figures };
      return {
        status: "degraded",
        message: "Records wait in the spool until the database is back. Nothing is lost.",
        ...figures,
      };
    },
    close: async (limitMs) => {
      spool.close();
      await writer.finish(limitMs);
    },
  };
}
