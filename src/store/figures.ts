/**
 * The figures of statistics: a row for each, with what a turn adds to it. Its column is in the
 * schema (`usage_hours`); what is written, summed up, answered and described is made from here.
 */
import type { usageHours } from "../../drizzle/schema.ts";
import type { PricedRound } from "../record/price-rounds.ts";
import type { TurnRecord } from "../record/turn-record.ts";
import type { ReadTurn } from "../record/turn-rows.ts";
import { finiteCost, wholeCount } from "./whole-count.ts";

/** What the figures need of a turn. */
export interface CountedTurn {
  record: TurnRecord;
  read: Pick<ReadTurn, "model" | "usage"> & { rounds: PricedRound[] };
}

interface Figure {
  /** What a turn adds to it. */
  of(turn: CountedTurn): number;
  /** What there is to say of it, beside its name. */
  description?: string;
}

type UsageHour = typeof usageHours.$inferSelect;
/** Every column of an hour that is no part of its key and no histogram. */
type FigureName = Exclude<
  keyof UsageHour,
  "hour" | "apiKeyId" | "apiKeyName" | "model" | "endpoint" | "durations" | "timesToFirstToken"
>;

const ofStatus = (status: TurnRecord["status"]) => (turn: CountedTurn) =>
  turn.record.status === status ? 1 : 0;
const sumOf = (valueOf: (round: PricedRound) => number | null) => (turn: CountedTurn) =>
  turn.read.rounds.reduce((sum, round) => sum + (valueOf(round) ?? 0), 0);
const isUnpriced = ({ read }: CountedTurn) =>
  read.rounds.some(({ costIncomplete }) => costIncomplete);

const FIGURES: Record<FigureName, Figure> = {
  requests: { of: () => 1 },
  failed: { of: ofStatus("failed") },
  cancelled: { of: ofStatus("cancelled") },
  refused: {
    of: ofStatus("refused"),
    description: "By the proxy itself, before upstream was asked; not among those that failed",
  },
  promptTokens: { of: ({ read }) => read.usage?.prompt_tokens ?? 0 },
  completionTokens: { of: ({ read }) => read.usage?.completion_tokens ?? 0 },
  cachedTokens: { of: sumOf(({ cachedTokens }) => cachedTokens) },
  reasoningTokens: { of: sumOf(({ reasoningTokens }) => reasoningTokens) },
  cost: { of: sumOf(({ cost }) => cost) },
  unpriced: {
    of: (turn) => (isUnpriced(turn) ? 1 : 0),
    description: "Requests with tokens whose price is not known",
  },
};

/** A number for each figure. */
export type Counts = Record<FigureName, number>;

/** The names of all figures, in the order in which they are answered. */
export const COUNTS = Object.keys(FIGURES) as FigureName[];

/** What there is to say of a figure, or undefined. */
export const descriptionOf = (figure: FigureName): string | undefined =>
  FIGURES[figure].description;

/** Figures of nothing. */
export const noCounts = (): Counts =>
  Object.fromEntries(COUNTS.map((figure) => [figure, 0])) as Counts;

/** Adds what a turn counts for. */
export function addCounts(sum: Counts, turn: CountedTurn): void {
  for (const figure of COUNTS) {
    const within = figure === "cost" ? finiteCost<number> : wholeCount<number>;
    sum[figure] = within(sum[figure] + within(FIGURES[figure].of(turn)));
  }
}
