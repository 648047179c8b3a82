/**
 * The thread that moves records from the spool into the database. It parses and writes beside the
 * thread that serves requests, so that no response waits for the record, however large it is.
 */
import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  readSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { readAnyTurn, readFigures } from "../limits/read-figures.ts";
import { messageOf } from "../openai/error-message.ts";
import { parseJson } from "../openai/json.ts";
import type { PriceOverrides } from "../record/price-overrides.ts";
import type { TurnRecord } from "../record/turn-record.ts";
import { withoutContent } from "../record/without-content.ts";
import { isDataFault } from "../store/database-error.ts";
import { writeTurns, type TurnToWrite } from "../store/write-turns.ts";
import { connectDatabase, type ConnectionOptions } from "./database/connect-database.ts";
import { describeError } from "../store/describe-error.ts";

/** What the thread is started with. */
export interface RecordWriterData {
  connection: ConnectionOptions;
  /** Where records go that the database refuses for what they hold. */
  rejectedDirectory: string;
  /** The operator's own prices. */
  prices: PriceOverrides;
}

/**
 * From the main thread: more lines in a segment, a segment that is complete, or the wish to finish.
 */
export type ToRecordWriter = { type: "grown" | "closed"; path: string } | { type: "finish" };

/** To the main thread: how far the writing is. */
export interface RecordWriterState {
  /** Segments that are not in the database yet. */
  segments: number;
  writtenTurns: number;
  rejectedTurns: number;
  /** Why the database could not be written just now, or null. */
  lastError: string | null;
  idle: boolean;
  /** A segment that is wholly in the database, and deleted. */
  done: string | null;
  /** Ids of turns that are in the database since the last news. */
  written: string[];
}

const READ_BYTES = 1024 * 1024;
const MAX_BATCH = 100;
const MAX_WAIT_MS = 10_000;
/**
 * Lines are gathered this long, so that a busy proxy writes batches and a quiet one is still up to
 * date.
 */
const GATHER_MS = 20;

interface Segment {
  path: string;
  offset: number;
  closed: boolean;
}

const { connection, rejectedDirectory, prices } = workerData as RecordWriterData;
const port = parentPort;
if (port === null) throw new Error("record-writer.ts runs as a worker thread only");
const { database, close } = connectDatabase(connection, { max: 1 });
const segments = new Map<string, Segment>();
const state: RecordWriterState = {
  segments: 0,
  writtenTurns: 0,
  rejectedTurns: 0,
  lastError: null,
  idle: true,
  done: null,
  written: [],
};
const control = { wake: () => {}, finishing: false };

port.on("message", (message: ToRecordWriter) => {
  if (message.type === "finish") control.finishing = true;
  else {
    const segment = segments.get(message.path) ?? { path: message.path, offset: 0, closed: false };
    if (message.type === "closed") segment.closed = true;
    // A segment that was finished before this thread was started again is not there any more.
    if (existsSync(message.path)) segments.set(message.path, segment);
  }
  control.wake();
});

const report = (change: Partial<RecordWriterState>) =>
  port.postMessage(
    Object.assign(state, { done: null, written: [] }, change, { segments: segments.size }),
  );

/**
 * Complete lines from the offset on, and the offset after them. A line longer than one read is read
 * whole.
 */
function readLines(segment: Segment): { lines: string[]; end: number } {
  const descriptor = openSync(segment.path, "r");
  try {
    const size = statSync(segment.path).size;
    for (let length = READ_BYTES; ; length *= 4) {
      const bytes = Buffer.alloc(Math.min(length, size - segment.offset));
      const read = readSync(descriptor, bytes, 0, bytes.byteLength, segment.offset);
      const last = bytes.subarray(0, read).lastIndexOf(10);
      const isAll = segment.offset + read >= size;
      if (last === -1 && !isAll) continue;
      return takeLines(segment, bytes.subarray(0, last === -1 ? 0 : last + 1));
    }
  } finally {
    closeSync(descriptor);
  }
}

function takeLines(segment: Segment, bytes: Buffer): { lines: string[]; end: number } {
  const lines: string[] = [];
  let start = 0;
  while (start < bytes.byteLength && lines.length < MAX_BATCH) {
    const end = bytes.indexOf(10, start);
    lines.push(bytes.toString("utf8", start, end));
    start = end + 1;
  }
  return { lines, end: segment.offset + start };
}

/**
 * A record's line for a file that stays. A key that logs metadata only has no content there either.
 */
function keptLine(line: string): string {
  const record = parseJson(line) as TurnRecord | undefined;
  if (record?.logContent !== "metadata") return line;
  return JSON.stringify(withoutContent(record));
}

/** Keeps what the database will never take, with the reason, in a file for the operator. */
function reject(line: string, reason: string): void {
  appendFileSync(
    join(rejectedDirectory, "rejected.ndjson"),
    `${JSON.stringify({ reason, line: keptLine(line) })}\n`,
    { mode: 0o600 },
  );
  report({ rejectedTurns: state.rejectedTurns + 1 });
}

/** Tries until the database takes it. Resolves to the data's fault where it never will. */
async function writeUntilDone(turns: TurnToWrite[]): Promise<Error | null> {
  for (let wait = 250; ; wait = Math.min(wait * 2, MAX_WAIT_MS)) {
    try {
      await writeTurns(database, turns);
      report({
        writtenTurns: state.writtenTurns + turns.length,
        lastError: null,
        written: turns.map(({ record }) => record.id),
      });
      return null;
    } catch (error) {
      if (error instanceof Error && isDataFault(error)) return error;
      report({
        lastError: describeError(error)
          .map(({ message }) => message)
          .join(": "),
      });
      await sleep(wait);
    }
  }
}

/** A line, and the turn in it. */
interface ReadLine {
  line: string;
  turn: TurnToWrite;
}

/**
 * The turn of a line, or null where there is none. What is thrown here would end the thread, which
 * would read the same line again.
 */
async function readLine(line: string): Promise<ReadLine | null> {
  const record = parseJson(line) as TurnRecord | undefined;
  if (record === undefined) {
    reject(line, "The line is no JSON: the process was ended while it wrote.");
    return null;
  }
  try {
    const { fault, ...turn } = await readAnyTurn(record, prices);
    if (fault !== null) reject(line, fault);
    return { line, turn };
  } catch (error) {
    reject(line, `Not even its figures can be read: ${messageOf(error)}`);
    return null;
  }
}

const reasonOf = (fault: Error) =>
  describeError(fault)
    .map(({ message }) => message)
    .join(": ");

/** Writes one turn, or its figures where the database refuses what else it holds. */
async function writeAlone({ line, turn }: ReadLine): Promise<void> {
  const fault = await writeUntilDone([turn]);
  if (fault === null) return;
  const reason = reasonOf(fault);
  reject(line, reason);
  const why = `The database refused the record: ${reason}`;
  const figures = await readFigures(turn.record, why, prices).catch(() => null);
  if (figures !== null) await writeUntilDone([figures]);
}

async function writeLines(lines: string[]): Promise<void> {
  const read: ReadLine[] = [];
  for (const line of lines) {
    const found = await readLine(line);
    if (found !== null) read.push(found);
  }
  if (read.length === 0 || (await writeUntilDone(read.map(({ turn }) => turn))) === null) return;
  // One of them is at fault: the others must not suffer for it.
  for (const one of read) await writeAlone(one);
}

/** Writes what a segment has; true where there was something. */
async function writeSegment(segment: Segment): Promise<boolean> {
  const { lines, end } = readLines(segment);
  if (lines.length > 0) await writeLines(lines);
  segment.offset = end;
  const rest = statSync(segment.path).size - end;
  if (lines.length === 0 && segment.closed) {
    if (rest > 0)
      reject(
        `(${rest} bytes at the end of ${segment.path})`,
        "The last line is incomplete: the process was ended while it wrote.",
      );
    rmSync(segment.path);
    segments.delete(segment.path);
    report({ done: segment.path });
  }
  return lines.length > 0;
}

async function run(): Promise<void> {
  for (;;) {
    let busy = false;
    for (const segment of Array.from(segments.values()))
      busy = (await writeSegment(segment)) || busy;
    if (busy) continue;
    report({ idle: true });
    if (control.finishing) return;
    await new Promise<void>((resolve) => {
      control.wake = resolve;
    });
    control.wake = () => {};
    if (!control.finishing) await sleep(GATHER_MS);
    report({ idle: false });
  }
}

await run();
await close();
port.close();
