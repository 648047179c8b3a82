import type { Usage } from "../openai/usage.ts";
import type { Platform } from "../platform.ts";
import { isUsed, priceRounds } from "../record/price-rounds.ts";
import type { RoundRecord, TurnRecord } from "../record/turn-record.ts";
import { estimateUsage } from "./estimate-usage.ts";
import { requestedModel } from "./requested-model.ts";

/** An upstream call whose use is known, as far as it can be. */
type UsedRound = RoundRecord & { tokensEstimated: boolean };

/** Whether upstream said what it used. Nothing at all is no use, unless it says that it is free. */
export const isReported = (usage: Usage | null): usage is Usage =>
  usage !== null && (usage.total_tokens > 0 || typeof usage["cost"] === "number");

/** The calls of a turn that were not counted yet. @param counted how many were */
export function usedRounds(record: TurnRecord, counted: number): UsedRound[] {
  return record.rounds
    .slice(counted)
    .map((round) =>
      isReported(round.usage)
        ? { ...round, tokensEstimated: false }
        : { ...round, usage: estimateUsage(record, round), tokensEstimated: true },
    );
}

/** Tokens of these calls. */
export const tokensOf = (rounds: UsedRound[]): number =>
  rounds.reduce((sum, { usage }) => sum + Math.max(0, usage?.total_tokens ?? 0), 0);

/** What these calls of a turn cost, in US dollars, as far as prices are known. */
export async function costOf(
  rounds: UsedRound[],
  record: TurnRecord,
  { prices }: Pick<Platform["config"], "prices">,
): Promise<number> {
  const used = rounds.filter(isUsed);
  if (used.length === 0) return 0;
  const call = {
    model: requestedModel(record),
    upstream: record.upstream ?? null,
    at: new Date(record.startedAt),
  };
  const priced = await priceRounds(used, call, prices);
  return priced.reduce((sum, { cost }) => sum + (cost ?? 0), 0);
}
