import type { TurnRecord } from "../../src/record/turn-record.ts";

/** A way for records of finished turns into the database. */
export interface RecordWay {
  /** For log lines. */
  name: string;
  /** Whether the answer of the client ends after the record is safe, and not before. */
  isAwaited: boolean;
  /**
   * Resolves when the record cannot be lost any more.
   * @throws NotThisWay where this record cannot go this way; any other error where it may later
   */
  accept(record: TurnRecord): Promise<void>;
}

/** A record has to go another way. */
export class NotThisWay extends Error {
  override readonly name = "NotThisWay";
}
