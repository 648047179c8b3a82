import type { Logger } from "../platform.ts";
import type { Mask } from "./mask.ts";

type Write = (message: string, fields?: Record<string, unknown>) => void;

/** A logger whose lines hold no secret that the mask knows. */
export function maskLogger(logger: Logger, mask: Mask): Logger {
  const masked =
    (write: Write): Write =>
    (message, fields) =>
      fields === undefined
        ? write(mask.text(message))
        : write(mask.text(message), mask.json(fields));
  return {
    error: masked((...line) => logger.error(...line)),
    warn: masked((...line) => logger.warn(...line)),
    info: masked((...line) => logger.info(...line)),
    debug: masked((...line) => logger.debug(...line)),
  };
}
