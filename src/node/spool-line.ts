/** A record as one line of a segment: the one place where it is written and read. */
import { figuresOf } from "../limits/read-figures.ts";
import { messageOf } from "../openai/error-message.ts";
import { parseJson } from "../openai/json.ts";
import type { TurnRecord } from "../record/turn-record.ts";

/** A record's line. What no serialiser writes, because it is nested too deeply, is left out. */
export function lineOf(record: TurnRecord): string {
  try {
    return JSON.stringify(record);
  } catch (error) {
    return figuresLine(record, `Its content cannot be kept: ${messageOf(error)}`);
  }
}

/** The line of a record's figures. @param reason why its content is not kept */
export const figuresLine = (record: TurnRecord, reason: string): string =>
  JSON.stringify(figuresOf(record, reason));

/** The record of a line, or undefined where there is none in it. */
export const recordOfLine = (line: string): TurnRecord | undefined =>
  parseJson(line) as TurnRecord | undefined;
