import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { readLines } from "./read-segment.ts";
import { adoptSegments, openSpoolDirectory, type SpoolDirectory } from "./spool-directory.ts";

/** A segment is closed, and can be deleted once written to the database, at this size in bytes. */
const SEGMENT_BYTES = 4 * 1024 * 1024;
/**
 * Up to this size a line is written at once: some 10 µs. A larger one would hold up the event loop:
 * it is written beside it, into a segment of its own, so that no other line gets in between.
 */
const SYNC_BYTES = 256 * 1024;
/** What must fit on a disk that was full before it is called well again. */
const PROBE_BYTES = 64 * 1024;

/** Hears which files there are to write to the database. */
export interface SpoolReader {
  /** More lines are in the open segment. */
  grown(path: string): void;
  /** The segment gets no more lines. */
  closed(path: string): void;
  /** The open segment's file was taken away; these lines were in it. */
  orphaned(path: string, lines: string[]): void;
}

/** The segment that gets lines. Nobody else closes its descriptor. */
interface OpenSegment {
  path: string;
  descriptor: number;
  /** Bytes of whole lines. */
  size: number;
}

const isMissing = (error: unknown) => (error as NodeJS.ErrnoException).code === "ENOENT";

/**
 * A write may be cut short when the disk is nearly full; what remains is tried again, and then
 * fails loudly.
 */
function writeWhole(descriptor: number, bytes: Uint8Array): void {
  for (let offset = 0; offset < bytes.byteLength;) offset += writeSync(descriptor, bytes, offset);
}

function allLines(descriptor: number): string[] {
  const found: string[] = [];
  for (let offset = 0; ;) {
    const { lines, end } = readLines(descriptor, offset);
    if (lines.length === 0) return found;
    found.push(...lines);
    offset = end;
  }
}

/**
 * The place where records wait for the database: `spool/<name>/<number>.ndjson`, one record a line.
 * What cannot be written is thrown, and nothing of it is left; the next line is tried anew.
 */
export class Spool {
  readonly #root: string;
  readonly #reader: SpoolReader;
  #directory: SpoolDirectory | null = null;
  #number = 0;
  #open: OpenSegment | null = null;
  #fault: unknown = null;

  constructor(dataDir: string, reader: SpoolReader) {
    this.#root = join(dataDir, "spool");
    this.#reader = reader;
  }

  /** Why the last line could not be written, or null. */
  get fault(): unknown {
    return this.#fault;
  }

  /**
   * Appends one line. It survives the end of this process when the call returns, or when its
   * promise resolves.
   * @throws Error where the disk does not take it
   */
  append(line: string): void | Promise<void> {
    const bytes = Buffer.from(`${line}\n`);
    if (bytes.byteLength > SYNC_BYTES) return this.#appendAlone(bytes);
    this.#noting(() => this.#appendNow(bytes));
  }

  /** Looks whether lines can be written, where the last one could not. */
  probe(): void {
    if (this.#fault === null) return;
    try {
      this.#noting(() =>
        this.#inDirectory(({ path }) => {
          const probe = join(path, "probe");
          try {
            writeFileSync(probe, Buffer.alloc(PROBE_BYTES));
          } finally {
            rmSync(probe, { force: true });
          }
        }),
      );
    } catch {
      // It is noted, and shown by `fault`.
    }
  }

  /**
   * Takes over what processes left that are gone.
   * @returns paths of their segments, and what could not be taken over
   */
  adopt(): { adopted: string[]; failures: unknown[] } {
    try {
      return this.#inDirectory(({ path }) => adoptSegments(path, () => this.#nextPath(path)));
    } catch (error) {
      this.#fault = error;
      return { adopted: [], failures: [error] };
    }
  }

  /** The reader did not find a segment. @returns whether its lines were saved */
  missing(path: string): boolean {
    if (this.#open?.path !== path) return false;
    this.#orphan(this.#open);
    return true;
  }

  /** Ends the open segment. */
  end(): void {
    const segment = this.#open;
    this.#open = null;
    if (segment === null) return;
    closeSync(segment.descriptor);
    this.#reader.closed(segment.path);
  }

  /** Gives the place up for the next process. */
  close(): void {
    this.end();
    this.#directory?.close();
    this.#directory = null;
  }

  #noting<T>(work: () => T): T {
    try {
      const result = work();
      this.#fault = null;
      return result;
    } catch (error) {
      this.#fault = error;
      throw error;
    }
  }

  /** Does something in this process's directory: in a new one, where somebody took it away. */
  #inDirectory<T>(work: (directory: SpoolDirectory) => T): T {
    const known = this.#directory;
    if (known !== null) {
      try {
        return work(known);
      } catch (error) {
        if (!isMissing(error)) throw error;
        this.#leave();
      }
    }
    this.#directory = openSpoolDirectory(this.#root);
    return work(this.#directory);
  }

  #leave(): void {
    this.#directory?.close();
    this.#directory = null;
  }

  #nextPath(directory: string): string {
    return join(directory, `${String(++this.#number).padStart(8, "0")}.ndjson`);
  }

  #openSegment(): OpenSegment {
    const known = this.#open;
    if (known !== null && fstatSync(known.descriptor).nlink > 0) return known;
    if (known !== null) this.#orphan(known);
    const { O_CREAT, O_EXCL, O_RDWR, O_APPEND } = constants;
    const opened = this.#inDirectory((directory) => {
      const path = this.#nextPath(directory.path);
      const descriptor = openSync(path, O_CREAT | O_EXCL | O_RDWR | O_APPEND, 0o600);
      return { path, descriptor, size: 0 };
    });
    this.#open = opened;
    return opened;
  }

  #appendNow(bytes: Uint8Array): void {
    const segment = this.#openSegment();
    try {
      writeWhole(segment.descriptor, bytes);
    } catch (error) {
      this.#takeBack(segment);
      throw error;
    }
    segment.size += bytes.byteLength;
    this.#reader.grown(segment.path);
    if (segment.size > SEGMENT_BYTES) this.end();
  }

  /** Removes what there is of a line. Where not even that can be, nothing is written behind it. */
  #takeBack({ descriptor, size }: OpenSegment): void {
    try {
      ftruncateSync(descriptor, size);
    } catch {
      this.end();
    }
  }

  async #appendAlone(bytes: Uint8Array): Promise<void> {
    try {
      const path = await this.#writeAlone(bytes);
      this.#fault = null;
      this.#reader.closed(path);
    } catch (error) {
      this.#fault = error;
      throw error;
    }
  }

  async #writeAlone(bytes: Uint8Array): Promise<string> {
    const path = this.#inDirectory((directory) => {
      const next = this.#nextPath(directory.path);
      closeSync(openSync(next, "wx", 0o600));
      return next;
    });
    const file = await open(path, "r+");
    try {
      await file.writeFile(bytes);
      if ((await file.stat()).nlink === 0) throw new Error("The spool's directory was taken away");
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
    return path;
  }

  /** What is in a file that has no name any more can be read by whoever has it open. */
  #orphan({ path, descriptor }: OpenSegment): void {
    this.#open = null;
    try {
      this.#reader.orphaned(path, allLines(descriptor));
    } finally {
      closeSync(descriptor);
    }
  }
}
