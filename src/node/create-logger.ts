import { pino } from "pino";
import type { Config } from "../config/read-config.ts";
import { Memory } from "../memory.ts";
import type { Logger } from "../platform.ts";
import { maskOf } from "../secrets/known-secrets.ts";
import { maskLogger } from "../secrets/mask-logger.ts";

/** JSON lines on standard output, without secrets. */
export function createLogger(config: Config): Logger {
  const level = config.logLevel;
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime });
  const plain: Logger = {
    error: (message, fields) => logger.error(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    debug: (message, fields) => logger.debug(fields ?? {}, message),
  };
  return maskLogger(plain, maskOf({ config, memory: new Memory() }));
}
