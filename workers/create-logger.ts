import type { Config } from "../src/config/read-config.ts";
import type { Logger } from "../src/platform.ts";

const LEVELS = ["error", "warn", "info", "debug"] as const;

/** Makes log lines of JSON, as Workers Logs indexes them. */
export function createLogger(level: Config["logLevel"]): Logger {
  const shown = LEVELS.indexOf(level as (typeof LEVELS)[number]);
  const write =
    (name: (typeof LEVELS)[number]) => (message: string, fields?: Record<string, unknown>) => {
      if (LEVELS.indexOf(name) <= shown)
        console[name](JSON.stringify({ level: name, msg: message, ...fields }));
    };
  return { error: write("error"), warn: write("warn"), info: write("info"), debug: write("debug") };
}
