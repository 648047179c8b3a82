import type { RequestScope } from "../platform.ts";
import { openDatabaseLimits } from "./database-limits.ts";
import type { LimitStore } from "./limit-store.ts";
import { openMemoryLimits } from "./memory-limits.ts";

/** Where this proxy counts. A store that replicas share is chosen here, where one is configured. */
export const openLimitStore = (scope: RequestScope): LimitStore =>
  openDatabaseLimits(scope, openMemoryLimits(scope.platform));
