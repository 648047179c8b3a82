import { messageOf } from "../openai/error-message.ts";
import type { PriceOverrides } from "../record/price-overrides.ts";
import type { TurnRecord } from "../record/turn-record.ts";
import { readTurn, type ReadTurn } from "../record/turn-rows.ts";
import { withoutContent } from "../record/without-content.ts";
import { requestedModel } from "./reported-rounds.ts";
import { usedRounds } from "./turn-use.ts";

/** A record, and what was read of it. */
interface TurnToWrite {
  record: TurnRecord;
  read: ReadTurn;
}

/**
 * The figures of a turn, as its key's limits counted them, for a record whose content cannot be
 * kept. Its use is on record all the same.
 * @param reason why the content is not: the turn's error, where it has none of its own
 */
export function figuresOf(record: TurnRecord, reason: string): TurnRecord {
  return withoutContent({
    ...record,
    model: requestedModel(record),
    error: record.error ?? reason,
    rounds: usedRounds(record, 0),
  });
}

/** Reads the figures of a turn, and nothing else of it. */
export async function readFigures(
  record: TurnRecord,
  reason: string,
  prices: PriceOverrides,
): Promise<TurnToWrite> {
  const figures = figuresOf(record, reason);
  const read = await readTurn(figures, prices);
  const estimated = usedRounds(record, 0).map(({ tokensEstimated }) => tokensEstimated);
  const rounds = read.rounds.map((round, index) => ({
    ...round,
    tokensEstimated: estimated[index] ?? false,
  }));
  const tokensEstimated = estimated.includes(true);
  return { record: figures, read: { ...read, rounds, tokensEstimated } };
}

/** Reads a turn, or, where that fails for what it holds, its figures. Says why then. */
export async function readAnyTurn(
  record: TurnRecord,
  prices: PriceOverrides,
): Promise<TurnToWrite & { fault: string | null }> {
  try {
    return { record, read: await readTurn(record, prices), fault: null };
  } catch (error) {
    const fault = `The record cannot be read: ${messageOf(error)}`;
    return { ...(await readFigures(record, fault, prices)), fault };
  }
}
