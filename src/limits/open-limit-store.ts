import type { RequestScope } from "../platform.ts";
import { openDatabaseLimits } from "./database-limits.ts";
import type { LimitStore } from "./limit-store.ts";
import { openMemoryLimits } from "./memory-limits.ts";
import { openSharedLimits } from "./shared-limits.ts";

/**
 * Where this proxy counts. A store that replicas share is chosen here, where one is configured. An
 * embedded database has one process, which need not share anything.
 */
export function openLimitStore(scope: RequestScope): LimitStore {
  const { config } = scope.platform;
  const own = openMemoryLimits(scope.platform);
  const shared = config.databaseUrl === null ? null : openSharedLimits(scope, own.readNow);
  return openDatabaseLimits(scope, own, shared);
}
