import { Worker } from "node:worker_threads";
import type { Logger } from "../platform.ts";
import { describeError } from "../store/describe-error.ts";
import type { RecordWriterData, RecordWriterState, ToRecordWriter } from "./record-writer.ts";

/** Who hears of the thread. */
interface Listener {
  logger: Logger;
  /** Turns are in the database, by their ids. */
  onWritten(turnIds: string[]): void;
  /** Lines that were handed over by themselves are in the database, by their numbers. */
  onLinesWritten(numbers: number[]): void;
  /** A segment is in the database. */
  onDone(path: string): void;
  /** A segment is not there. */
  onMissing(path: string): void;
}

/** The thread that moves records into the database. */
export interface RecordThread {
  state: Readonly<RecordWriterState>;
  /** A segment has more lines, or gets no more. */
  tell(type: "grown" | "closed", path: string): void;
  /** A segment that is not there needs no reading. */
  forget(path: string): void;
  /** Hands a line over that is in no segment. It is handed over again where the thread dies. */
  write(line: NumberedLine): void;
  /** Ends it once it has written everything, or after the limit. */
  finish(limitMs: number): Promise<void>;
}

/** A line that is in no segment. */
interface NumberedLine {
  number: number;
  line: string;
}

const RESTART_MS = 1000;
const TELL_MS = 50;

const NOTHING_YET: RecordWriterState = {
  segments: 0,
  writtenTurns: 0,
  rejectedTurns: 0,
  tornLines: 0,
  lastError: null,
  fileFault: null,
  idle: true,
  done: null,
  missing: null,
  written: [],
  writtenLines: [],
};

/**
 * Starts the thread that writes, and starts it again should it ever end. It re-reads what it had
 * not finished.
 */
export function startRecordThread(data: RecordWriterData, listener: Listener): RecordThread {
  const { logger } = listener;
  const known = new Map<string, "grown" | "closed">();
  const lines = new Map<number, string>();
  const state = { ...NOTHING_YET };
  /** Segments whose growth the thread is about to hear of: one message for many records. */
  const told = new Set<string>();
  let worker: Worker | null = null;
  let finished = false;
  const post = (message: ToRecordWriter) => worker?.postMessage(message);

  const hear = (news: RecordWriterState): void => {
    if (news.lastError !== null && state.lastError === null)
      logger.warn("Records wait for the database", { error: news.lastError });
    if (news.fileFault !== null && state.fileFault === null)
      logger.error("A file of the record cannot be read or written", { error: news.fileFault });
    if (news.rejectedTurns > state.rejectedTurns)
      logger.error("The database refused a record; it is in rejected.ndjson", {
        directory: data.rejectedDirectory,
      });
    Object.assign(state, news);
    if (news.written.length > 0) listener.onWritten(news.written);
    for (const number of news.writtenLines) lines.delete(number);
    if (news.writtenLines.length > 0) listener.onLinesWritten(news.writtenLines);
    if (news.done !== null) {
      known.delete(news.done);
      listener.onDone(news.done);
    }
    if (news.missing !== null) {
      known.delete(news.missing);
      listener.onMissing(news.missing);
    }
  };

  const start = () => {
    worker = new Worker(new URL("./record-writer.ts", import.meta.url), { workerData: data });
    worker.on("message", hear);
    worker.on("error", (error) =>
      logger.error("The record writer failed", { error: describeError(error) }),
    );
    worker.on("exit", () => {
      worker = null;
      if (!finished) setTimeout(start, RESTART_MS).unref();
    });
    for (const [path, type] of known) post({ type, path });
    for (const [number, line] of lines) post({ type: "line", number, line });
  };
  start();

  return {
    state,
    tell: (type, path) => {
      known.set(path, type);
      if (type === "closed") return post({ type, path });
      if (told.has(path)) return;
      told.add(path);
      setTimeout(() => {
        told.delete(path);
        if (known.get(path) === "grown") post({ type, path });
      }, TELL_MS);
    },
    forget: (path) => void known.delete(path),
    write: ({ number, line }) => {
      lines.set(number, line);
      post({ type: "line", number, line });
    },
    finish: async (limitMs) => {
      finished = true;
      const running = worker;
      if (running === null) return;
      const ended = new Promise<void>((resolve) => running.once("exit", () => resolve()));
      post({ type: "finish" });
      const timer = setTimeout(() => void running.terminate(), limitMs);
      await ended;
      clearTimeout(timer);
    },
  };
}
