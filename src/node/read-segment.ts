import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** Some lines of a segment. */
export interface SegmentLines {
  lines: string[];
  /** The offset after them. */
  end: number;
  /** Bytes of the whole file. */
  size: number;
}

const READ_BYTES = 1024 * 1024;
const MAX_LINES = 100;

/**
 * Complete lines from an offset on. A line that is longer than one read is read whole. A last line
 * without an end is none: it is being written, or its process was ended.
 */
export function readSegment(path: string, offset: number): SegmentLines {
  const descriptor = openSync(path, "r");
  try {
    return readLines(descriptor, offset);
  } finally {
    closeSync(descriptor);
  }
}

/** The same, of a file that is open. */
export function readLines(descriptor: number, offset: number): SegmentLines {
  const { size } = fstatSync(descriptor);
  for (let length = READ_BYTES; ; length *= 4) {
    const bytes = Buffer.alloc(Math.max(0, Math.min(length, size - offset)));
    const read = readSync(descriptor, bytes, 0, bytes.byteLength, offset);
    const last = bytes.subarray(0, read).lastIndexOf(10);
    if (last === -1 && offset + read < size && read > 0) continue;
    return { ...splitLines(bytes.subarray(0, last + 1), offset), size };
  }
}

function splitLines(bytes: Buffer, offset: number): Pick<SegmentLines, "lines" | "end"> {
  const lines: string[] = [];
  let start = 0;
  while (start < bytes.byteLength && lines.length < MAX_LINES) {
    const end = bytes.indexOf(10, start);
    lines.push(bytes.toString("utf8", start, end));
    start = end + 1;
  }
  return { lines, end: offset + start };
}
