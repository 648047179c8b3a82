import { closeSync, fstatSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { withoutContent } from "../record/without-content.ts";
import type { LineFault } from "./line-seal.ts";
import type { SpoolLines } from "./spool-line.ts";

/** A line that the database will never take as it is. */
export interface RejectedLine {
  line: string;
  reason: string;
  /** Whether there is a turn in it, or what is left of one that was never answered. */
  isTurn: boolean;
}

/** Why a line has no record that could be read. */
export const REASONS: Record<LineFault, string> = {
  "another key":
    "The line is sealed under another ENCRYPTION_KEY (or JWT_SECRET, where that is not set). A " +
    "start with that one takes it back.",
  damaged: "The line is no record: the process was ended while it wrote, or somebody changed it.",
};

/** The file for the operator in which that stays, with its reason: `rejected.ndjson`. */
export interface RejectedFile {
  /**
   * Notes a line. It is in the file after the next {@link flush} that succeeds; never, where the
   * file cannot be written and too much is noted.
   */
  add(rejected: RejectedLine, onKept: () => void): void;
  /** Writes what is noted. @returns why it could not be, or null */
  flush(): unknown;
}

/** What may be noted, in characters: it waits in memory. */
const MAX_WAITING = 32 * 1024 * 1024;

/**
 * A record for a file that stays, as the operator can read it. A key that logs metadata only has no
 * content there either.
 */
function keptLine(lines: SpoolLines, line: string): string {
  const read = lines.read(line);
  if ("fault" in read) return line;
  const { record, text } = read;
  return record.logContent === "metadata" ? JSON.stringify(withoutContent(record)) : text;
}

/** Appends a text whole, or leaves the file as it was. */
function appendWhole(path: string, text: string): void {
  const bytes = Buffer.from(text);
  const descriptor = openSync(path, "a", 0o600);
  const { size } = fstatSync(descriptor);
  try {
    for (let offset = 0; offset < bytes.byteLength;) offset += writeSync(descriptor, bytes, offset);
  } catch (error) {
    ftruncateSync(descriptor, size);
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

/** Opens the file of a data directory. It is made when something is written. */
export function openRejectedFile(directory: string, lines: SpoolLines): RejectedFile {
  const path = join(directory, "rejected.ndjson");
  let waiting: { text: string; onKept: () => void }[] = [];
  let length = 0;
  return {
    add: ({ line, reason }, onKept) => {
      const text = `${JSON.stringify({ reason, line: keptLine(lines, line) })}\n`;
      if (length + text.length > MAX_WAITING) return;
      length += text.length;
      waiting.push({ text, onKept });
    },
    flush: () => {
      if (waiting.length === 0) return null;
      try {
        appendWhole(path, waiting.map(({ text }) => text).join(""));
      } catch (error) {
        return error;
      }
      const kept = waiting;
      waiting = [];
      length = 0;
      for (const { onKept } of kept) onKept();
      return null;
    },
  };
}
