import { figuresOf } from "../../src/limits/read-figures.ts";
import { messageOf } from "../../src/openai/error-message.ts";
import type { TurnRecord } from "../../src/record/turn-record.ts";

/** A record's JSON. What no serialiser writes, because it is nested too deeply, is left out. */
export function recordText(record: TurnRecord): string {
  try {
    return JSON.stringify(record);
  } catch (error) {
    return JSON.stringify(figuresOf(record, `Its content cannot be kept: ${messageOf(error)}`));
  }
}
