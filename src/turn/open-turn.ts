import type { AuthenticatedKey } from "../auth/authenticate.ts";
import type { KeyLimits } from "../limits/open-limits.ts";
import type { RequestScope } from "../platform.ts";
import { conversationIndex } from "../record/conversation-index.ts";
import type { TurnObserver } from "../record/turn-observer.ts";
import type { TurnRecord } from "../record/turn-record.ts";
import { maskOf } from "../secrets/known-secrets.ts";
import { isTooLarge, keptInPart } from "./keep-in-part.ts";
import { Turn } from "./turn.ts";

/** What a turn is opened with. */
export interface OpenedTurn {
  key: AuthenticatedKey;
  limits: KeyLimits;
  /** The normalised path. */
  endpoint: string;
  /** When the request arrived, in milliseconds since 1970. */
  startedAt: number;
}

/**
 * Who hears of every turn, in this order. What must be known of all requests (metrics, traces, who
 * owns what) is one more row.
 */
function observersOf(
  { platform }: RequestScope,
  { limits, key }: Pick<OpenedTurn, "limits" | "key">,
): TurnObserver[] {
  const mask = maskOf(platform, key.upstreamApiKey);
  return [
    limits.observer,
    { ended: (record) => conversationIndex.of(platform.memory).note(record) },
    { ended: (record) => keep(record, (kept) => platform.keepRecord(mask.json(kept))) },
  ];
}

/** Keeps a record, or as much of it as is kept of a large one. */
function keep(
  record: TurnRecord,
  take: (kept: TurnRecord) => void | Promise<void>,
): void | Promise<void> {
  return isTooLarge(record) ? keptInPart(record).then(take) : take(record);
}

/** Opens the turn of an authenticated request, before anything can refuse it. */
export function openTurn(scope: RequestScope, opened: OpenedTurn): Turn {
  const { key, startedAt } = opened;
  return new Turn({
    id: scope.requestId,
    endpoint: scope.endpoint ?? opened.endpoint,
    ...(scope.endpoint === undefined ? {} : { bodies: opened.endpoint }),
    apiKey: key,
    startedAt,
    observers: observersOf(scope, opened),
  });
}
