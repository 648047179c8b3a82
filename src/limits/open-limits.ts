import type { AuthenticatedKey } from "../auth/authenticate.ts";
import { ApiError, type ErrorName } from "../openai/api-error.ts";
import type { RequestScope } from "../platform.ts";
import type { TurnObserver } from "../record/turn-observer.ts";
import type { TurnRecord } from "../record/turn-record.ts";
import { describeError } from "../store/describe-error.ts";
import { isUsedUp, type KeyLimit, type LimitReading, type Meter } from "./limit-store.ts";
import { openLimitStore } from "./open-limit-store.ts";
import { costOf, tokensOf, usedRounds } from "./turn-use.ts";

/** The limits of a key, for one request. */
export interface KeyLimits {
  /**
   * Takes nothing.
   * @throws ApiError 429 with `retry-after` where a limit of the key is used up already
   */
  check(): Promise<void>;
  /**
   * Counts one request, in one step with the check.
   * @throws ApiError 429 with `retry-after`, and counts nothing
   */
  take(): Promise<void>;
  /**
   * Which limit is used up while a turn goes on, as a clause ("the API key's …"), or null. A turn's
   * own request must not stop it: only what grows meanwhile is looked at.
   */
  reached(record: TurnRecord): Promise<string | null>;
  /** Counts the turn's tokens and cost: when a round ends, and when the turn ends. */
  observer: TurnObserver;
}

/** A limit that a key can have. */
interface LimitRow {
  meter: Meter;
  of(key: AuthenticatedKey): number | null;
  /** What a request is told. @param readings of all limits of the key */
  refusal(reading: LimitReading, readings: LimitReading[], now: number): ApiError;
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
  const headers = readings.flatMap(({ meter, limit, used, emptyMs }) =>
    meter === "cost"
      ? []
      : [
          [`x-ratelimit-limit-${meter}`, String(limit)],
          [`x-ratelimit-remaining-${meter}`, String(Math.max(0, Math.floor(limit - used)))],
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
      `This API key may use ${limit} ${meter} per minute, and has used them. Try again in ${retryAfter} seconds.`,
      { retryAfter, headers: rateHeaders(readings) },
    );
  };

function budgetRefusal({ limit, waitMs }: LimitReading, _: LimitReading[], now: number): ApiError {
  const end = new Date(now + waitMs).toISOString();
  return new ApiError(
    "insufficient_quota",
    `This API key has used up its budget of ${dollars(limit)} for this month, which ends at ${end}. Ask the operator of this proxy for more, or wait until then.`,
    // What official clients obey: they would try again at once.
    { retryAfter: waitMs / 1000, headers: { "x-should-retry": "false" } },
  );
}

/** The first that is used up is the one that a request is told of. */
const LIMITS: LimitRow[] = [
  {
    meter: "cost",
    of: (key) => key.monthlyBudget,
    refusal: budgetRefusal,
    clause: (limit) => `the API key's budget of ${dollars(limit)} for this month is used up`,
  },
  {
    meter: "tokens",
    of: (key) => key.tokensPerMinute,
    refusal: minuteRefusal("too_many_tokens"),
    clause: (limit) => `the API key's limit of ${limit} tokens per minute is reached`,
  },
  {
    meter: "requests",
    of: (key) => key.requestsPerMinute,
    refusal: minuteRefusal("too_many_requests"),
    clause: null,
  },
];

const rowOf = (meter: Meter) => LIMITS.find((row) => row.meter === meter);

/** Of a key without limits nothing is counted. */
const NO_LIMITS: KeyLimits = {
  check: async () => {},
  take: async () => {},
  reached: async () => null,
  observer: {},
};

/** Opens the limits of a key for one request: nothing is counted yet. */
export function openLimits(scope: RequestScope, key: AuthenticatedKey): KeyLimits {
  const { clock, config, logger } = scope.platform;
  const limits = LIMITS.flatMap(({ meter, of }): KeyLimit[] => {
    const limit = of(key);
    return limit === null ? [] : [{ meter, limit }];
  });
  if (limits.length === 0) return NO_LIMITS;
  const store = openLimitStore(scope);
  const growing = limits.filter(({ meter }) => rowOf(meter)?.clause !== null);
  const counts = (meter: Meter) => limits.some((limit) => limit.meter === meter);

  const refuse = (readings: LimitReading[]): void => {
    const reading = readings.find(isUsedUp);
    const row = reading === undefined ? undefined : rowOf(reading.meter);
    if (reading !== undefined && row !== undefined)
      throw row.refusal(reading, readings, clock.now());
  };

  let counted = 0;
  /** Costs are added up in the order of rounds. */
  let counting: Promise<void> = Promise.resolve();
  /** Counts what was not counted yet: tokens at once, their cost when it is known. Never throws. */
  const count = (record: TurnRecord): Promise<void> => {
    const add = (meter: Meter, amount: number) => store.add(key.id, { meter, amount }, record);
    const addUse = async (): Promise<void> => {
      const rounds = usedRounds(record, counted);
      counted += rounds.length;
      if (counts("tokens")) await add("tokens", tokensOf(rounds));
      const cost = counts("cost") ? await costOf(rounds, record, config) : 0;
      if (cost > 0) await add("cost", cost);
    };
    const adding = addUse().catch((error: unknown) =>
      logger.error("What a turn used could not be counted", {
        turn: record.id,
        error: describeError(error),
      }),
    );
    counting = Promise.all([counting, adding]).then(() => {});
    return counting;
  };

  return {
    check: async () => refuse(await store.read(key.id, limits)),
    take: async () => {
      const wanted = limits.map((limit) => ({
        ...limit,
        amount: limit.meter === "requests" ? 1 : 0,
      }));
      const { taken, readings } = await store.take(key.id, wanted);
      if (!taken) refuse(readings);
    },
    reached: async (record) => {
      await count(record);
      const readings = await store.read(key.id, growing);
      const reading = readings.find(isUsedUp);
      return reading === undefined ? null : (rowOf(reading.meter)?.clause?.(reading.limit) ?? null);
    },
    observer: {
      roundEnded: (record) => scope.waitUntil(count(record)),
      ended: (record) => (counts("cost") ? count(record) : void count(record)),
    },
  };
}
