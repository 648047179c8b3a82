import { memorySlot } from "../memory.ts";
import type { RequestScope } from "../platform.ts";
import { describeError } from "../store/describe-error.ts";
import { noteKeyUse } from "../store/key-usage.ts";

/** When a use of a key was last noted, by the clock's `elapsed`. */
const notedUses = memorySlot(() => new Map<string, number>());

const EVERY_MS = 60_000;
/** By then the request that it is about has done with the database, as a rule. */
const LATER_MS = 500;

/** Notes that a key was used: once a minute, and behind the response. */
export function noteUse(
  { platform, waitUntil }: RequestScope,
  { id, lastUsedAt }: { id: string; lastUsedAt: Date | null },
): void {
  const { clock } = platform;
  const [now, elapsed] = [clock.now(), clock.elapsed()];
  const noted = notedUses.of(platform.memory);
  // A replica's clock may be ahead: what it says of the future says nothing.
  const sinceUsed = Math.abs(now - (lastUsedAt?.getTime() ?? -Infinity));
  if (Math.min(elapsed - (noted.get(id) ?? -Infinity), sinceUsed) < EVERY_MS) return;
  noted.set(id, elapsed);
  const write = async (): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, LATER_MS));
    await noteKeyUse(platform.database, id, {
      at: new Date(now),
      unlessSince: new Date(now - EVERY_MS),
    });
  };
  waitUntil(
    write().catch((error: unknown) =>
      platform.logger.warn("The use of a key could not be noted", { error: describeError(error) }),
    ),
  );
}
