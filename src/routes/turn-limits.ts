import type { KeyLimits } from "../auth/check-limits.ts";
import { isObject, parseJson } from "../openai/json.ts";
import { memberText } from "../openai/json-object-text.ts";
import { readUsage, type Usage } from "../openai/usage.ts";
import type { Platform, RequestScope } from "../platform.ts";
import { priceRounds } from "../record/price-rounds.ts";
import type { RoundRecord, TurnRecord } from "../record/turn-record.ts";
import { describeError } from "../store/describe-error.ts";

/** A turn as its key's limits see it. */
export interface TurnLimits {
  /** What records are kept with: each is counted as it is kept. */
  keeper: Pick<Platform, "keepRecord" | "memory">;
  /** Which limit of the key is used up by now, or null. */
  reached(turn: { record: TurnRecord }): Promise<string | null>;
}

/**
 * How many lines from the end of a stream the usage may be: after it come `[DONE]` and an empty
 * line or two.
 */
const LAST_LINES = 8;

/**
 * What upstream reported in a raw answer. Where it reported nothing, the record counts, and the
 * limits learn of it from there.
 */
function usageIn({ response }: TurnRecord): Usage | null {
  if (response === null || response.truncated) return null;
  if (!response.contentType.toLowerCase().startsWith("text/event-stream")) {
    const body = parseJson(response.text);
    return isObject(body) ? readUsage(body["usage"]) : null;
  }
  const lines = response.text
    .slice(-64_000)
    .trimEnd()
    .split(/\r\n|\r|\n/)
    .slice(-LAST_LINES);
  const chunks = lines
    .filter((line) => line.startsWith("data:"))
    .map((line) => parseJson(line.slice("data:".length)));
  return chunks.reduce<Usage | null>(
    (found, chunk) => (isObject(chunk) ? readUsage(chunk["usage"]) : null) ?? found,
    null,
  );
}

function reportedRounds(record: TurnRecord): RoundRecord[] {
  if (record.response === null) return record.rounds;
  const { status, timeToFirstTokenMs, durationMs, finishReason, error } = record;
  return [
    {
      round: 1,
      status: status === "refused" ? "failed" : status,
      usage: usageIn(record),
      timeToFirstTokenMs,
      durationMs,
      finishReason,
      error,
    },
  ];
}

function modelOf({ model, request }: TurnRecord): string | null {
  const named =
    model ?? (request === null ? null : parseJson(memberText(request, "model") ?? "null"));
  return typeof named === "string" ? named : null;
}

/** What a turn has cost until now, in US dollars, as far as prices are known. */
async function costOf(record: TurnRecord, { config }: Pick<Platform, "config">): Promise<number> {
  const rounds = reportedRounds(record).flatMap((round) =>
    round.usage === null ? [] : [{ ...round, tokensEstimated: false }],
  );
  if (rounds.length === 0) return 0;
  const call = {
    model: modelOf(record),
    upstream: record.upstream ?? null,
    at: new Date(record.startedAt),
  };
  const priced = await priceRounds(rounds, call, config.prices);
  return priced.reduce((sum, { cost }) => sum + (cost ?? 0), 0);
}

/** Counts what a turn uses of its key's limits, as soon as upstream has reported it. */
export function openTurnLimits(
  { platform, waitUntil }: RequestScope,
  limits: KeyLimits | null,
): TurnLimits {
  if (limits === null) return { keeper: platform, reached: async () => null };
  let counted = 0;
  const countTokens = (record: TurnRecord): void => {
    const tokens = reportedRounds(record).reduce(
      (sum, { usage }) => sum + (usage?.total_tokens ?? 0),
      0,
    );
    limits.addTokens(tokens - counted);
    counted = tokens;
  };
  const cost = async (record: TurnRecord): Promise<number> =>
    limits.hasBudget ? costOf(record, platform) : 0;
  const countCost = async (record: TurnRecord): Promise<void> => limits.addCost(await cost(record));
  return {
    keeper: {
      memory: platform.memory,
      keepRecord: (record) => {
        countTokens(record);
        waitUntil(
          countCost(record).catch((error: unknown) =>
            platform.logger.warn("The cost of a turn could not be counted", {
              turn: record.id,
              error: describeError(error),
            }),
          ),
        );
        return platform.keepRecord(record);
      },
    },
    reached: async ({ record }) => {
      countTokens(record);
      return limits.reached(await cost(record));
    },
  };
}
