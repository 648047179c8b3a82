/** The limits that a key can have, and what is said of each: a row each. */
import type { AuthenticatedKey } from "../auth/authenticate.ts";
import { ApiError, type ErrorName } from "../openai/api-error.ts";
import {
  isTooMuchBeside,
  isUsedUp,
  type LimitReading,
  type Meter,
  type WantedUse,
} from "./limit-store.ts";

/** A limit that a key can have. */
interface LimitRow {
  meter: Meter;
  of(key: AuthenticatedKey): number | null;
  /** What a request is told. @param readings of all limits of the key */
  refusal(reading: LimitReading, readings: LimitReading[], now: number): ApiError;
  /** What one is told for which nothing is left beside those under way, here or elsewhere. */
  heldRefusal(reading: LimitReading, readings: LimitReading[]): ApiError;
  /** What ends a turn, as a clause; null where a turn does not use more of it as it goes on. */
  clause: ((limit: number) => string) | null;
}

const dollars = (amount: number) =>
  `$${amount.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 6 })}`;

/**
 * Spelled as OpenAI does.
 * https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
 */
function rateHeaders(readings: LimitReading[]): Record<string, string> {
  const headers = readings.flatMap(({ meter, limit, used, held, emptyMs }) =>
    meter === "cost"
      ? []
      : [
          [`x-ratelimit-limit-${meter}`, String(limit)],
          [`x-ratelimit-remaining-${meter}`, String(Math.max(0, Math.floor(limit - used - held)))],
          [`x-ratelimit-reset-${meter}`, `${Math.ceil(emptyMs / 1000)}s`],
        ],
  );
  return Object.fromEntries(headers) as Record<string, string>;
}

const minuteRefusal =
  (error: ErrorName): LimitRow["refusal"] =>
  ({ meter, limit, waitMs }, readings) => {
    const retryAfter = Math.max(1, Math.ceil(waitMs / 1000));
    return new ApiError(
      error,
      `This API key may use ${limit} ${meter} per minute, and has used them. ` +
        `Try again in ${retryAfter} seconds.`,
      { retryAfter, headers: rateHeaders(readings) },
    );
  };

function budgetRefusal({ limit, waitMs }: LimitReading, _: LimitReading[], now: number): ApiError {
  const end = new Date(now + waitMs).toISOString();
  return new ApiError(
    "insufficient_quota",
    `This API key has used up its budget of ${dollars(limit)} for this month, ` +
      `which ends at ${end}. Ask the operator of this proxy for more, or wait until then.`,
    // What official clients obey: they would try again at once.
    { retryAfter: waitMs / 1000, headers: { "x-should-retry": "false" } },
  );
}

/** Requests under way end at any time, and mostly use less than they might. */
const HELD_RETRY_SECONDS = 1;

const atOnce = (limit: string): string =>
  `This API key may use ${limit}, and its requests that are under way may use all that is left. ` +
  `Try again in ${HELD_RETRY_SECONDS} s, or ask for one thing after the other.`;

const requestsHeld: LimitRow["heldRefusal"] = ({ limit }, readings) =>
  new ApiError(
    "too_many_requests",
    `This API key may use ${limit} requests per minute, and other replicas of this proxy hold ` +
      `what is left of them. Try again in ${HELD_RETRY_SECONDS} s.`,
    { retryAfter: HELD_RETRY_SECONDS, headers: rateHeaders(readings) },
  );

const tokensHeld: LimitRow["heldRefusal"] = ({ limit }, readings) =>
  new ApiError("too_many_tokens", atOnce(`${limit} tokens per minute`), {
    retryAfter: HELD_RETRY_SECONDS,
    headers: rateHeaders(readings),
  });

const budgetHeld: LimitRow["heldRefusal"] = ({ limit }) =>
  new ApiError("budget_in_use", atOnce(`${dollars(limit)} in this month`), {
    retryAfter: HELD_RETRY_SECONDS,
  });

/** The first that is used up is the one that a request is told of. */
export const LIMITS: LimitRow[] = [
  {
    meter: "cost",
    of: (key) => key.monthlyBudget,
    refusal: budgetRefusal,
    heldRefusal: budgetHeld,
    clause: (limit) => `the API key's budget of ${dollars(limit)} for this month is used up`,
  },
  {
    meter: "tokens",
    of: (key) => key.tokensPerMinute,
    refusal: minuteRefusal("too_many_tokens"),
    heldRefusal: tokensHeld,
    clause: (limit) => `the API key's limit of ${limit} tokens per minute is reached`,
  },
  {
    meter: "requests",
    of: (key) => key.requestsPerMinute,
    refusal: minuteRefusal("too_many_requests"),
    heldRefusal: requestsHeld,
    clause: null,
  },
];

/** The row of a meter. */
export const rowOf = (meter: Meter) => LIMITS.find((row) => row.meter === meter);

/** What a request is told whose limits have these readings, or null where nothing refuses it. */
export function refusalOf(
  readings: LimitReading[],
  wanted: WantedUse[],
  now: number,
): ApiError | null {
  const usedUp = readings.find(isUsedUp);
  if (usedUp !== undefined) return rowOf(usedUp.meter)?.refusal(usedUp, readings, now) ?? null;
  const beside = readings.find((reading) => {
    const use = wanted.find(({ meter }) => meter === reading.meter);
    return use !== undefined && isTooMuchBeside(reading, use);
  });
  return beside === undefined ? null : (rowOf(beside.meter)?.heldRefusal(beside, readings) ?? null);
}
