/** A record as one line of a segment, sealed: the one place where it is written and read. */
import { figuresOf, recordText } from "../limits/read-figures.ts";
import { parseJson } from "../openai/json.ts";
import type { TurnRecord } from "../record/turn-record.ts";
import { createLineSeal, type LineFault } from "./line-seal.ts";

/** A line's record, or why there is none. */
type ReadSpoolLine = { record: TurnRecord; text: string } | { fault: LineFault };

/** Writes and reads the lines of a process, and those that it finds. */
export interface SpoolLines {
  /**
   * A record's line. What no serialiser writes, because it is nested too deeply, is left out.
   */
  of(record: TurnRecord): string;
  /** The line of a record's figures. @param reason why its content is not kept */
  ofFigures(record: TurnRecord, reason: string): string;
  /** What is in a line; `text` is its JSON. */
  read(line: string): ReadSpoolLine;
}

/** Lines that are sealed under a secret. Those of before there was a seal are read too. */
export function createSpoolLines(secret: string): SpoolLines {
  const { seal, open } = createLineSeal(secret);
  return {
    of: (record) => seal(recordText(record)),
    ofFigures: (record, reason) => seal(JSON.stringify(figuresOf(record, reason))),
    read: (line) => {
      const opened = open(line);
      if ("fault" in opened) return opened;
      const record = parseJson(opened.text) as TurnRecord | undefined;
      return record === undefined ? { fault: "damaged" } : { record, text: opened.text };
    },
  };
}
