import { ApiError, type ErrorName } from "../openai/api-error.ts";
import type { RequestScope } from "../platform.ts";
import { describeError } from "../store/describe-error.ts";
import { monthlySpend } from "../store/usage-hours.ts";
import { withinLimit } from "../store/within-limit.ts";
import type { AuthenticatedKey } from "./authenticate.ts";
import {
  metersOf,
  readEverywhere,
  usedOf,
  waitOf,
  type KeyMeters,
  type Spend,
} from "./key-meters.ts";

/**
 * Limits of a key that a turn can reach while it goes on, for one request that they let through.
 */
export interface KeyLimits {
  /** Whether costs count. */
  hasBudget: boolean;
  /** Counts tokens, as soon as they are known. */
  addTokens(count: number): void;
  /** Counts what a turn cost that has ended, in US dollars. */
  addCost(dollars: number): void;
  /**
   * What is used up, as a clause ("the key's …"), or null: for a turn that goes on and has cost so
   * many dollars by now.
   */
  reached(costSoFar: number): Promise<string | null>;
}

/** What is counted by the minute. */
interface MinuteLimit {
  name: "requests" | "tokens";
  error: ErrorName;
  of(key: AuthenticatedKey): number | null;
}

const MINUTE_LIMITS: MinuteLimit[] = [
  { name: "tokens", error: "too_many_tokens", of: (key) => key.tokensPerMinute },
  { name: "requests", error: "too_many_requests", of: (key) => key.requestsPerMinute },
];

/** Spend is asked for again after the first, and waited for after the second. */
const SPEND_FRESH_MS = 2000;
const SPEND_USABLE_MS = 10_000;
const SPEND_LIMIT_MS = 2500;

/**
 * Asks the database; what it does not tell stays as it was, because known keys go on working
 * without it.
 */
async function readSpend({ platform }: RequestScope, id: string, spend: Spend): Promise<void> {
  const { added } = spend;
  try {
    const recorded =
      (await withinLimit(monthlySpend(platform.database, [id]), SPEND_LIMIT_MS)).get(id) ?? 0;
    Object.assign(spend, { recorded, added: spend.added - added });
  } catch (error) {
    platform.logger.warn("What a key has spent could not be read", {
      key: id,
      error: describeError(error),
    });
  }
}

function askSpend(scope: RequestScope, id: string, spend: Spend): Promise<void> {
  // On workerd a promise belongs to the request that made it, so that nobody else may wait for it.
  if (spend.asking !== null && scope.platform.sharesConnections) return spend.asking;
  spend.askedAt = Date.now();
  const asking = readSpend(scope, id, spend).finally(() => {
    spend.asking = null;
  });
  spend.asking = asking;
  return asking;
}

/** What a key has spent this month, in US dollars, as far as that is known. */
async function spentBy(scope: RequestScope, id: string, { spend }: KeyMeters): Promise<number> {
  const age = Date.now() - spend.askedAt;
  const isFirst = spend.recorded === null && spend.asking !== null;
  if (isFirst || age >= (spend.recorded === null ? SPEND_FRESH_MS : SPEND_USABLE_MS))
    await askSpend(scope, id, spend);
  else if (age >= SPEND_FRESH_MS) scope.waitUntil(askSpend(scope, id, spend));
  return (spend.recorded ?? 0) + spend.added;
}

function monthEnd(): Date {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1));
}

const dollars = (amount: number) =>
  `$${amount.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 6 })}`;

function budgetError(budget: number): ApiError {
  const end = monthEnd();
  return new ApiError(
    "insufficient_quota",
    `This API key has used up its budget of ${dollars(budget)} for this month, which ends at ${end.toISOString()}. Ask the operator of this proxy for more, or wait until then.`,
    // What official clients obey: they would try again at once.
    { retryAfter: (end.getTime() - Date.now()) / 1000, headers: { "x-should-retry": "false" } },
  );
}

/**
 * Spelled as OpenAI does.
 * https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
 */
function rateHeaders(
  key: AuthenticatedKey,
  meters: KeyMeters,
  now: number,
): Record<string, string> {
  const headers = MINUTE_LIMITS.flatMap(({ name, of }) => {
    const limit = of(key);
    if (limit === null) return [];
    return [
      [`x-ratelimit-limit-${name}`, String(limit)],
      [
        `x-ratelimit-remaining-${name}`,
        String(Math.max(0, Math.floor(limit - usedOf(meters[name], now)))),
      ],
      [
        `x-ratelimit-reset-${name}`,
        `${Math.ceil(waitOf(meters[name], Number.MIN_VALUE, now) / 1000)}s`,
      ],
    ];
  });
  return Object.fromEntries(headers) as Record<string, string>;
}

/** @throws ApiError 429 where a limit by the minute is used up */
function checkMinute(key: AuthenticatedKey, meters: KeyMeters, now: number): void {
  for (const { name, error, of } of MINUTE_LIMITS) {
    const limit = of(key);
    if (limit === null || usedOf(meters[name], now) < limit) continue;
    const retryAfter = Math.max(1, Math.ceil(waitOf(meters[name], limit, now) / 1000));
    throw new ApiError(
      error,
      `This API key may use ${limit} ${name} per minute, and has used them. Try again in ${retryAfter} seconds.`,
      {
        retryAfter,
        headers: rateHeaders(key, meters, now),
      },
    );
  }
}

/** A turn's own request must not stop it: only what grows while it goes on is looked at. */
async function reached(
  scope: RequestScope,
  key: AuthenticatedKey,
  { meters, cost }: { meters: KeyMeters; cost: number },
) {
  meters.touchedAt = Date.now();
  readEverywhere(scope, meters);
  const { tokensPerMinute, monthlyBudget } = key;
  if (tokensPerMinute !== null && usedOf(meters.tokens, Date.now()) >= tokensPerMinute)
    return `the API key's limit of ${tokensPerMinute} tokens per minute is reached`;
  if (monthlyBudget !== null && (await spentBy(scope, key.id, meters)) + cost >= monthlyBudget)
    return `the API key's budget of ${dollars(monthlyBudget)} for this month is used up`;
  return null;
}

/**
 * Counts a request, unless a limit of its key is used up. Null where nothing of the turn counts.
 * @throws ApiError 429 with `retry-after`
 */
export async function checkLimits(
  scope: RequestScope,
  key: AuthenticatedKey,
): Promise<KeyLimits | null> {
  const { monthlyBudget } = key;
  if (monthlyBudget === null && MINUTE_LIMITS.every(({ of }) => of(key) === null)) return null;
  const meters = metersOf(scope.platform.memory, key.id);
  if (monthlyBudget !== null && (await spentBy(scope, key.id, meters)) >= monthlyBudget)
    throw budgetError(monthlyBudget);
  // No await from here on: of many requests at the same time, no more than the limit pass.
  const now = Date.now();
  readEverywhere(scope, meters);
  checkMinute(key, meters, now);
  meters.requests.here.add(1, now);
  if (key.tokensPerMinute === null && monthlyBudget === null) return null;
  return {
    hasBudget: monthlyBudget !== null,
    addTokens: (count) => meters.tokens.here.add(count, Date.now()),
    addCost: (cost) => {
      meters.spend.added += cost;
    },
    reached: (cost) => reached(scope, key, { meters, cost }),
  };
}
