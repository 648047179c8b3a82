import type { UsingTurn } from "./limit-store.ts";

/** A turn by what finds its record. */
type LedgerTurn = Pick<UsingTurn, "id" | "conversationId">;

/**
 * What turns of this process cost in one month, until the database has it: counted from when it
 * happens to when a reading of the database has it, and never twice nor not at all. A turn whose
 * record is never written counts here until the month is over.
 */
export interface MonthLedger {
  /** US dollars that no reading has yet. */
  total(): number;
  add(turn: LedgerTurn, dollars: number): void;
  /** Counts what a turn cost whose record is in the database already. */
  addWritten(dollars: number): void;
  /** Notes that a turn's record is in the database. */
  noteWritten(turnId: string): void;
  /** US dollars of turns whose record is not known to be written. */
  unwrittenTotal(): number;
  /** The turns whose record is not known to be written, oldest first. */
  unwritten(): LedgerTurn[];
  /**
   * Notes that the database is about to be read, which will tell of all that is written by now.
   * @returns to be told whether it did
   */
  beginReading(): (hasRead: boolean) => void;
}

/** Opens an empty ledger. */
export function createMonthLedger(): MonthLedger {
  const turns = new Map<string, LedgerTurn & { dollars: number }>();
  let unwritten = 0;
  /** Of turns that are written, which the next reading will tell of. */
  let written = 0;
  /** Of those that the readings under way will tell of. */
  let inReading = 0;

  return {
    total: () => unwritten + written + inReading,
    add: ({ id, conversationId }, dollars) => {
      const before = turns.get(id)?.dollars ?? 0;
      turns.set(id, { id, conversationId, dollars: before + dollars });
      unwritten += dollars;
    },
    addWritten: (dollars) => {
      written += dollars;
    },
    noteWritten: (turnId) => {
      const dollars = turns.get(turnId)?.dollars ?? 0;
      turns.delete(turnId);
      written += dollars;
      // Sums of fractions drift; of nothing, the sum is nothing.
      unwritten = turns.size === 0 ? 0 : unwritten - dollars;
    },
    unwrittenTotal: () => unwritten,
    unwritten: () => [...turns.values()],
    beginReading: () => {
      const told = written;
      written = 0;
      inReading += told;
      return (hasRead) => {
        inReading -= told;
        if (!hasRead) written += told;
      };
    },
  };
}
