import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  write,
  writeFileSync,
  writeSync,
} from "node:fs";
import { hostname } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";

const writeAsync = promisify(write);

/** A segment is closed, and can be deleted once written to the database, at this size in bytes. */
const SEGMENT_BYTES = 4 * 1024 * 1024;
/**
 * Up to this size a line is written at once: some 10 µs. A larger one would hold up the event loop.
 */
const SYNC_BYTES = 256 * 1024;
const HEARTBEAT_MS = 10_000;
const DEAD_AFTER_MS = 60_000;

/** Hears which files there are to write to the database. */
export interface SpoolReader {
  /** More lines are in the open segment. */
  grown(path: string): void;
  /** The segment gets no more lines. */
  closed(path: string): void;
}

export interface Spool {
  /**
   * Appends one line. It survives the end of this process when the call returns, or when its
   * promise resolves.
   */
  append(line: string): void | Promise<void>;
  /** Ends the open segment and gives the place up for the next process. */
  close(): void;
}

interface Owner {
  host: string;
  pid: number;
}

function ownerOf(directory: string): Owner | null {
  const match = /^(.*)-(\d+)-[0-9a-f]+$/.exec(directory);
  return match?.[1] === undefined || match[2] === undefined
    ? null
    : { host: match[1], pid: Number(match[2]) };
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * Whether the process that made a directory is gone. One on another host, or with a reused pid, is
 * judged by its heartbeat.
 */
function isAbandoned(root: string, directory: string): boolean {
  const owner = ownerOf(directory);
  if (owner === null) return false;
  if (owner.host === hostname() && (owner.pid === process.pid || !isRunning(owner.pid)))
    return true;
  if (existsSync(join(root, directory, "ended"))) return true;
  const beat =
    statSync(join(root, directory, "alive"), { throwIfNoEntry: false }) ??
    statSync(join(root, directory));
  return Date.now() - beat.mtimeMs > DEAD_AFTER_MS;
}

/**
 * Takes over the segments that a killed process left. The rename decides which of two starting
 * processes gets them.
 */
function adoptSegments(root: string, own: string): string[] {
  const adopted: string[] = [];
  for (const directory of readdirSync(root)) {
    if (directory === own || !isAbandoned(root, directory)) continue;
    const claimed = join(root, own, directory);
    try {
      renameSync(join(root, directory), claimed);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") continue;
      throw error;
    }
    for (const name of readdirSync(claimed, { recursive: true }).map(String)) {
      if (!name.endsWith(".ndjson")) continue;
      const path = join(root, own, `adopted-${adopted.length}-${basename(name)}`);
      renameSync(join(claimed, name), path);
      adopted.push(path);
    }
    rmSync(claimed, { recursive: true });
  }
  return adopted;
}

/**
 * Opens the place where records wait for the database:
 * `spool/<host>-<pid>-<random>/<number>.ndjson`, one JSON object a line. Every process has a
 * directory of its own, so that two on one data directory do not mix.
 */
export function openSpool(dataDir: string, reader: SpoolReader): Spool {
  const root = join(dataDir, "spool");
  const own = `${hostname()}-${process.pid}-${crypto.randomUUID().slice(0, 8)}`;
  const directory = join(root, own);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const alive = join(directory, "alive");
  writeFileSync(alive, "");
  for (const path of adoptSegments(root, own)) reader.closed(path);

  let number = 0;
  let segment: {
    path: string;
    descriptor: number;
    size: number;
    pending: number;
    closing: boolean;
  } | null = null;
  const heartbeat = setInterval(
    () => utimesSync(alive, new Date(), new Date()),
    HEARTBEAT_MS,
  ).unref();

  const openSegment = () => {
    const path = join(directory, `${String(++number).padStart(8, "0")}.ndjson`);
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_APPEND;
    return { path, descriptor: openSync(path, flags, 0o600), size: 0, pending: 0, closing: false };
  };
  const settle = (used: NonNullable<typeof segment>) => {
    if (!used.closing || used.pending > 0) return;
    closeSync(used.descriptor);
    reader.closed(used.path);
  };
  const closeSegment = () => {
    const used = segment;
    segment = null;
    if (used === null) return;
    used.closing = true;
    settle(used);
  };

  return {
    append: (line) => {
      const used = (segment ??= openSegment());
      const bytes = Buffer.from(`${line}\n`);
      used.size += bytes.byteLength;
      const finish = () => {
        reader.grown(used.path);
        if (used.size > SEGMENT_BYTES && segment === used) closeSegment();
      };
      if (bytes.byteLength <= SYNC_BYTES) {
        writeWhole(used.descriptor, bytes);
        return finish();
      }
      used.pending++;
      return writeAsync(used.descriptor, bytes)
        .then(({ bytesWritten }) => writeWhole(used.descriptor, bytes.subarray(bytesWritten)))
        .finally(() => {
          // Still pending while its segment may end, so that the file is closed once.
          finish();
          used.pending--;
          settle(used);
        });
    },
    close: () => {
      clearInterval(heartbeat);
      closeSegment();
      // From here on the next process may write what this one could not.
      renameSync(alive, join(directory, "ended"));
    },
  };
}

/**
 * A write may be cut short when the disk is nearly full; what remains is tried again, and then
 * fails loudly.
 */
function writeWhole(descriptor: number, bytes: Uint8Array): void {
  for (let offset = 0; offset < bytes.byteLength;) offset += writeSync(descriptor, bytes, offset);
}
