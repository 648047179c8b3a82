/**
 * The thread that moves records from the spool into the database. It parses and writes beside the
 * thread that serves requests, so that no response waits for the record, however large it is.
 */
import { existsSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { readAnyTurn, readFigures } from "../limits/read-figures.ts";
import { messageOf } from "../openai/error-message.ts";
import type { PriceOverrides } from "../record/price-overrides.ts";
import { isDataFault, isOwnFault } from "../store/database-error.ts";
import { describeError } from "../store/describe-error.ts";
import { writeTurns, type TurnToWrite } from "../store/write-turns.ts";
import { connectDatabase, type ConnectionOptions } from "./database/connect-database.ts";
import { readSegment } from "./read-segment.ts";
import { openRejectedFile, REASONS, type RejectedLine } from "./rejected-file.ts";
import { createSpoolLines } from "./spool-line.ts";

/** What the thread is started with. */
export interface RecordWriterData {
  connection: ConnectionOptions;
  /** Where records go that the database refuses for what they hold. */
  rejectedDirectory: string;
  /** The operator's own prices. */
  prices: PriceOverrides;
  /** Lines are sealed under it. */
  encryptionKey: string;
}

/**
 * From the main thread: more lines in a segment, a segment that is complete, a line that is in
 * none, or the wish to finish.
 */
export type ToRecordWriter =
  | { type: "grown" | "closed"; path: string }
  | { type: "line"; number: number; line: string }
  | { type: "finish" };

/** To the main thread: how far the writing is. */
export interface RecordWriterState {
  /** Segments that are not in the database yet. */
  segments: number;
  writtenTurns: number;
  /** Turns that the database refused as they were. */
  rejectedTurns: number;
  /** Lines that were begun, or changed by somebody: there is no turn in them. */
  tornLines: number;
  /** Why the database could not be written just now, or null. */
  lastError: string | null;
  /** Why a segment or `rejected.ndjson` could not be read or written just now, or null. */
  fileFault: string | null;
  idle: boolean;
  /** A segment that needs no more reading. */
  done: string | null;
  /** A segment that is not there. */
  missing: string | null;
  /** Ids of turns that are in the database since the last news. */
  written: string[];
  /** Numbers of lines, by themselves, that are there since then. */
  writtenLines: number[];
}

const MAX_BATCH = 100;
const MAX_WAIT_MS = 10_000;
/**
 * Lines are gathered this long, so that a busy proxy writes batches and a quiet one is still up to
 * date.
 */
const GATHER_MS = 20;
/** After this a file is tried again that could not be read or written. */
const FILE_RETRY_MS = 5000;
/** So often a turn is tried that fails in our own code: the driver's may have been to blame. */
const OWN_FAULTS = 3;

interface Segment {
  path: string;
  offset: number;
  closed: boolean;
  /** Its lines that `rejected.ndjson` does not have yet. */
  unkept: number;
}

const { connection, rejectedDirectory, prices, encryptionKey } = workerData as RecordWriterData;
const port = parentPort;
if (port === null) throw new Error("record-writer.ts runs as a worker thread only");
const { database, close } = connectDatabase(connection, { max: 1 });
const spoolLines = createSpoolLines(encryptionKey);
const rejected = openRejectedFile(rejectedDirectory, spoolLines);
const segments = new Map<string, Segment>();
const loose: { number: number; line: string }[] = [];
const nothingNew = () => ({ done: null, missing: null, written: [], writtenLines: [] });
const state: RecordWriterState = {
  segments: 0,
  writtenTurns: 0,
  rejectedTurns: 0,
  tornLines: 0,
  lastError: null,
  fileFault: null,
  idle: true,
  ...nothingNew(),
};
const control = {
  wake: () => {},
  finishing: false,
  /** Of this pass over all segments. */
  fileFault: null as string | null,
};

const report = (change: Partial<RecordWriterState>) =>
  port.postMessage(Object.assign(state, nothingNew(), change, { segments: segments.size }));

/** An error in one line, with its causes. */
const wordsOf = (error: unknown) =>
  describeError(error)
    .map(({ message }) => message)
    .join(": ");

function drop(segment: Segment, change: Partial<RecordWriterState>): void {
  segments.delete(segment.path);
  report(change);
}

function hearOf(type: "grown" | "closed", path: string): void {
  const segment = segments.get(path) ?? { path, offset: 0, closed: false, unkept: 0 };
  segments.set(path, segment);
  if (type === "closed") segment.closed = true;
}

port.on("message", (message: ToRecordWriter) => {
  if (message.type === "finish") control.finishing = true;
  else if (message.type === "line") loose.push(message);
  else hearOf(message.type, message.path);
  control.wake();
});

function noteFileFault(error: unknown): void {
  control.fileFault = wordsOf(error);
  report({ fileFault: control.fileFault });
}

/** Keeps what the database will never take, with the reason. @param segment it comes from */
function reject(lines: RejectedLine[], segment: Segment | null): void {
  if (lines.length === 0) return;
  const turns = lines.filter(({ isTurn }) => isTurn).length;
  report({
    rejectedTurns: state.rejectedTurns + turns,
    tornLines: state.tornLines + lines.length - turns,
  });
  for (const line of lines) {
    if (segment !== null) segment.unkept += 1;
    rejected.add(line, () => {
      if (segment !== null) segment.unkept -= 1;
    });
  }
}

/** Tries until the database takes it. Resolves to the data's fault where it never will. */
async function writeUntilDone(turns: TurnToWrite[]): Promise<unknown> {
  let ownFaults = 0;
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
      if (isOwnFault(error)) ownFaults += 1;
      if (isDataFault(error) || ownFaults >= OWN_FAULTS) return error;
      report({ lastError: wordsOf(error) });
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
async function readLine(line: string, refused: RejectedLine[]): Promise<ReadLine | null> {
  const read = spoolLines.read(line);
  if ("fault" in read) {
    const isTurn = read.fault === "another key";
    refused.push({ line, reason: REASONS[read.fault], isTurn });
    return null;
  }
  try {
    const { fault, ...turn } = await readAnyTurn(read.record, prices);
    if (fault !== null) refused.push({ line, reason: fault, isTurn: true });
    return { line, turn };
  } catch (error) {
    const reason = `Not even its figures can be read: ${messageOf(error)}`;
    refused.push({ line, reason, isTurn: true });
    return null;
  }
}

/** Writes one turn, or its figures where the database refuses what else it holds. */
async function writeAlone({ line, turn }: ReadLine, refused: RejectedLine[]): Promise<void> {
  const fault = await writeUntilDone([turn]);
  if (fault === null) return;
  const reason = wordsOf(fault);
  refused.push({ line, reason, isTurn: true });
  const why = `The database refused the record: ${reason}`;
  const figures = await readFigures(turn.record, why, prices).catch(() => null);
  if (figures !== null) await writeUntilDone([figures]);
}

/**
 * Writes the turns of these lines. What is refused is kept at last, so that a process that is ended
 * while the database is away does not keep it once more with each start.
 */
async function writeLines(lines: string[], segment: Segment | null): Promise<void> {
  const refused: RejectedLine[] = [];
  const read: ReadLine[] = [];
  for (const line of lines) {
    const found = await readLine(line, refused);
    if (found !== null) read.push(found);
  }
  const turns = read.map(({ turn }) => turn);
  // Where one of them is at fault, the others must not suffer for it.
  if (read.length > 0 && (await writeUntilDone(turns)) !== null)
    for (const one of read) await writeAlone(one, refused);
  reject(refused, segment);
}

/** A file that is not there, or that the system does not let us have. */
function failFile(segment: Segment, error: unknown): void {
  if ((error as NodeJS.ErrnoException).code === "ENOENT" || !existsSync(segment.path))
    return drop(segment, { missing: segment.path });
  noteFileFault(error);
}

/** Writes what a segment has; true where there was something. */
async function writeSegment(segment: Segment): Promise<boolean> {
  try {
    const { lines, end, size } = readSegment(segment.path, segment.offset);
    if (lines.length > 0) await writeLines(lines, segment);
    segment.offset = end;
    if (lines.length > 0) return true;
    if (segment.closed) finishSegment(segment, size);
  } catch (error) {
    failFile(segment, error);
  }
  return false;
}

const tornEnd = ({ path }: Segment, bytes: number): RejectedLine => ({
  line: `(${bytes} bytes at the end of ${path})`,
  reason: "The last line is incomplete: the process was ended while it wrote.",
  isTurn: false,
});

/** A segment that is written goes, unless some of it is nowhere else. */
function finishSegment(segment: Segment, size: number): void {
  const rest = size - segment.offset;
  segment.offset = size;
  if (rest > 0) reject([tornEnd(segment, rest)], segment);
  keepRejected();
  if (segment.unkept > 0) return;
  rmSync(segment.path);
  drop(segment, { done: segment.path });
}

function keepRejected(): void {
  const fault = rejected.flush();
  if (fault !== null) noteFileFault(fault);
}

/** Writes lines that are in no segment; true where there were some. */
async function writeLoose(): Promise<boolean> {
  const batch = loose.splice(0, MAX_BATCH);
  if (batch.length === 0) return false;
  await writeLines(
    batch.map(({ line }) => line),
    null,
  );
  report({ writtenLines: batch.map(({ number }) => number) });
  return true;
}

/** Resolves when there is something to do; a file that failed is tried again after a while. */
async function untilWoken(): Promise<void> {
  const timer =
    state.fileFault === null ? undefined : setTimeout(() => control.wake(), FILE_RETRY_MS);
  await new Promise<void>((resolve) => {
    control.wake = resolve;
  });
  control.wake = () => {};
  clearTimeout(timer);
}

async function run(): Promise<void> {
  for (;;) {
    control.fileFault = null;
    let busy = await writeLoose();
    for (const segment of Array.from(segments.values()))
      busy = (await writeSegment(segment)) || busy;
    keepRejected();
    if (busy) continue;
    report({ idle: true, fileFault: control.fileFault });
    if (control.finishing) return;
    await untilWoken();
    if (!control.finishing) await sleep(GATHER_MS);
    report({ idle: false });
  }
}

await run();
await close();
port.close();
