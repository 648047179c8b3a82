import type { AuthenticatedKey } from "../auth/authenticate.ts";
import { checkLimits } from "../auth/check-limits.ts";
import type { RequestScope } from "../platform.ts";
import type { TurnObserver } from "../record/turn-observer.ts";
import type { TurnRecord } from "../record/turn-record.ts";
import { openTurnLimits } from "../routes/turn-limits.ts";

export interface KeyLimits {
  check(): Promise<void>;
  take(): Promise<void>;
  reached(record: TurnRecord): Promise<string | null>;
  observer: TurnObserver;
}

export function openLimits(scope: RequestScope, key: AuthenticatedKey): KeyLimits {
  const quiet = { ...scope, platform: { ...scope.platform, keepRecord: () => undefined } };
  let turn = openTurnLimits(quiet, null);
  return {
    check: async () => {},
    take: async () => {
      turn = openTurnLimits(quiet, await checkLimits(scope, key));
    },
    reached: (record) => turn.reached({ record }),
    observer: { ended: (record) => turn.keeper.keepRecord(record) },
  };
}
