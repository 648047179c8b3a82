import type { Logger } from "../src/platform.ts";
import { maskOf, type SecretsOwner } from "../src/secrets/known-secrets.ts";
import { maskLogger } from "../src/secrets/mask-logger.ts";

const LEVELS = ["error", "warn", "info", "debug"] as const;

/** Makes log lines of JSON, as Workers Logs indexes them, without secrets. */
export function createLogger(owner: SecretsOwner): Logger {
  const shown = LEVELS.indexOf(owner.config.logLevel as (typeof LEVELS)[number]);
  const write =
    (name: (typeof LEVELS)[number]) => (message: string, fields?: Record<string, unknown>) => {
      if (LEVELS.indexOf(name) <= shown)
        console[name](JSON.stringify({ level: name, msg: message, ...fields }));
    };
  const [error, warn] = [write("error"), write("warn")];
  const [info, debug] = [write("info"), write("debug")];
  return maskLogger({ error, warn, info, debug }, maskOf(owner));
}
