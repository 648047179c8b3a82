import type { TurnRecord } from "./turn-record.ts";

/**
 * Who wants to hear of a turn: the keeper of its record, its key's limits, the owner of objects,
 * metrics. A turn has a list of them, and tells each in the list's order. None may throw.
 */
export interface TurnObserver {
  /** One of its upstream calls ended, or was broken off: the last in `record.rounds`. */
  roundEnded?(record: TurnRecord): void;
  /**
   * The turn ended, and its record is complete. Called once. What it gives back is waited for
   * before the client sees the end of its answer.
   */
  ended?(record: TurnRecord): void | Promise<void>;
  /** Another process goes on with the turn: here it has no end. */
  left?(): void | Promise<void>;
}
