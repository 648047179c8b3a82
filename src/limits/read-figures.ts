import { messageOf } from "../openai/error-message.ts";
import { addUsage, type Usage } from "../openai/usage.ts";
import type { PriceOverrides } from "../record/price-overrides.ts";
import type { TurnRecord } from "../record/turn-record.ts";
import { priceRounds } from "../record/price-rounds.ts";
import { readTurn, type ReadTurn } from "../record/turn-rows.ts";
import { withoutContent } from "../record/without-content.ts";
import { estimateUsage } from "./estimate-usage.ts";
import { requestedModel } from "./requested-model.ts";
import { isReported, usedRounds } from "./turn-use.ts";

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

/** A record's JSON. What no serialiser writes, because it is nested too deeply, is left out. */
export function recordText(record: TurnRecord): string {
  try {
    return JSON.stringify(record);
  } catch (error) {
    return JSON.stringify(figuresOf(record, `Its content cannot be kept: ${messageOf(error)}`));
  }
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

/**
 * Fills in what nobody counted: not upstream, and not the tokenizer, which reads chats alone. What
 * the budget was taken from when it happened must be on record too, or reading that gives it back.
 */
async function withEstimates(
  record: TurnRecord,
  read: ReadTurn,
  prices: PriceOverrides,
): Promise<ReadTurn> {
  const estimates = read.rounds.map((round) =>
    isReported(round.usage) ? null : estimateUsage(record, round),
  );
  if (estimates.every((usage) => usage === null)) return read;
  const call = {
    model: read.model,
    upstream: record.upstream ?? null,
    at: new Date(record.startedAt),
  };
  const counted = read.rounds.map((round, index) => {
    const usage = estimates[index] ?? null;
    return usage === null ? round : { ...round, usage, tokensEstimated: true };
  });
  const priced = await priceRounds(counted, call, prices);
  const rounds = priced.map((round, index) =>
    estimates[index] === null ? (read.rounds[index] ?? round) : round,
  );
  const usage = rounds.reduce<Usage | null>((sum, round) => addUsage(sum, round.usage), null);
  return { ...read, rounds, usage, tokensEstimated: true };
}

/** Reads a turn, or, where that fails for what it holds, its figures. Says why then. */
export async function readAnyTurn(
  record: TurnRecord,
  prices: PriceOverrides,
): Promise<TurnToWrite & { fault: string | null }> {
  try {
    const read = await readTurn(record, prices);
    return { record, read: await withEstimates(record, read, prices), fault: null };
  } catch (error) {
    const fault = `The record cannot be read: ${messageOf(error)}`;
    return { ...(await readFigures(record, fault, prices)), fault };
  }
}
