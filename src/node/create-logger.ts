import { pino } from "pino";
import type { Config } from "../config/read-config.ts";
import type { Logger } from "../platform.ts";

/** JSON lines on standard output. */
export function createLogger(level: Config["logLevel"]): Logger {
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime });
  return {
    error: (message, fields) => logger.error(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    debug: (message, fields) => logger.debug(fields ?? {}, message),
  };
}
