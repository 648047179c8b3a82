import { describeError } from "../store/describe-error.ts";
import { backgroundRuns } from "../turn/background-runs.ts";
import { resumeResponses, type BackgroundScope } from "../turn/begin-background.ts";

/** Goes on with responses in the background that other processes have left. */
export interface BackgroundDriver {
  /** Takes over no more, and lets what is made end within the limit; the rest is given up. */
  close(limitMs: number): Promise<void>;
}

/** How often is looked for what nobody makes any more. In milliseconds. */
const EVERY_MS = 2000;

/** Looks now, and every two seconds. @param scope of what is gone on with */
export function driveBackground(scope: BackgroundScope): BackgroundDriver {
  const { platform } = scope;
  const look = () =>
    resumeResponses(scope).catch((error: unknown) =>
      platform.logger.debug("Responses in the background could not be looked for", {
        error: describeError(error),
      }),
    );
  let isClosed = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const lookOn = async (): Promise<void> => {
    await look();
    if (!isClosed) timer = setTimeout(lookAgain, EVERY_MS).unref();
  };
  const lookAgain = (): void => void (looking = lookOn());
  let looking = lookOn();
  return {
    close: async (limitMs) => {
      isClosed = true;
      clearTimeout(timer);
      await looking;
      await backgroundRuns.of(platform.memory).close(platform, limitMs);
    },
  };
}
