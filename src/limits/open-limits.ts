import type { AuthenticatedKey } from "../auth/authenticate.ts";
import type { RequestScope } from "../platform.ts";
import type { TurnObserver } from "../record/turn-observer.ts";
import type { TurnRecord } from "../record/turn-record.ts";
import { describeError } from "../store/describe-error.ts";
import { expectedUse, type OpeningTurn } from "./expected-use.ts";
import { holdWhile, type Holding } from "./hold-while.ts";
import { LIMITS, refusalOf, rowOf } from "./limit-rows.ts";
import { isUsedUp, type KeyLimit, type Meter } from "./limit-store.ts";
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
   * Counts one request, and holds what it may use until its turn is over, in one step with the
   * check.
   * @param opening what is about to be sent upstream; absent where nothing is
   * @throws ApiError 429 with `retry-after`, and counts nothing
   */
  take(opening?: OpeningTurn): Promise<void>;
  /**
   * Which limit is used up while a turn goes on, as a clause ("the API key's …"), or null. A turn's
   * own request must not stop it: only what grows meanwhile is looked at.
   */
  reached(record: TurnRecord): Promise<string | null>;
  /** Counts the turn's tokens and cost: when a round ends, and when the turn ends. */
  observer: TurnObserver;
}

/** Of a key without limits nothing is counted. */
const NO_LIMITS: KeyLimits = {
  check: async () => {},
  take: async () => {},
  reached: async () => null,
  observer: {},
};

/** Opens the limits of a key for one request: nothing is counted yet. */
export function openLimits(scope: RequestScope, key: AuthenticatedKey): KeyLimits {
  const { platform } = scope;
  const { clock, config, logger, memory } = platform;
  const limits = LIMITS.flatMap(({ meter, of }): KeyLimit[] => {
    const limit = of(key);
    return limit === null ? [] : [{ meter, limit }];
  });
  if (limits.length === 0) return NO_LIMITS;
  const store = openLimitStore(scope);
  const growing = limits.filter(({ meter }) => rowOf(meter)?.clause !== null);
  const counts = (meter: Meter) => limits.some((limit) => limit.meter === meter);

  let counted = 0;
  /** What of it is held, from when the request was let in until its turn is over. */
  let holding: Holding | null = null;
  /** Costs are added up in the order of rounds. */
  let counting: Promise<void> = Promise.resolve();
  /** Counts what was not counted yet: tokens at once, their cost when it is known. Never throws. */
  const count = (record: TurnRecord): Promise<void> => {
    const add = (meter: Meter, amount: number) => store.add(key.id, { meter, amount }, record);
    const addUse = async (): Promise<void> => {
      const rounds = usedRounds(record, counted);
      if (rounds.length === 0) return;
      counted += rounds.length;
      const tokens = tokensOf(rounds);
      if (counts("tokens")) await add("tokens", tokens);
      const cost = counts("cost") ? await costOf(rounds, record, config) : 0;
      if (cost > 0) await add("cost", cost);
      await holding?.used({ tokens, cost });
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
  const end = async (record: TurnRecord): Promise<void> => {
    await count(record);
    await holding?.ended(record.status === "completed");
  };

  return {
    check: async () => {
      const refusal = refusalOf(await store.read(key.id, limits), [], clock.now());
      if (refusal !== null) throw refusal;
    },
    take: async (opening) => {
      const isAsked = opening !== undefined && growing.length > 0;
      const expected = isAsked ? await expectedUse(platform, opening, counts("cost")) : null;
      const wanted = limits.map((limit) => ({
        ...limit,
        amount: limit.meter === "requests" ? 1 : (expected?.use[limit.meter] ?? 0),
      }));
      const { taken, readings } = await store.take(key.id, wanted, scope.requestId);
      const refusal = taken ? null : refusalOf(readings, wanted, clock.now());
      if (refusal !== null) throw refusal;
      if (expected !== null)
        holding = holdWhile({ store, memory, keyId: key.id, turnId: scope.requestId }, expected);
    },
    reached: async (record) => {
      await count(record);
      const readings = await store.read(key.id, growing);
      const reading = readings.find(isUsedUp);
      return reading === undefined ? null : (rowOf(reading.meter)?.clause?.(reading.limit) ?? null);
    },
    observer: {
      roundEnded: (record) => scope.waitUntil(count(record)),
      ended: (record) => (counts("cost") ? end(record) : void end(record)),
      left: async () => holding?.ended(false),
    },
  };
}
