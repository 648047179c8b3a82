import { pino, type Logger } from "pino";

/** JSON lines on standard output; never environment values, arguments or tool content. */
export type Log = Pick<Logger, "error" | "warn" | "info" | "debug">;

/** The sidecar's log, at a level of pino's. */
export function createLog(level: string): Log {
  return pino({
    level,
    base: { part: "mcp-sidecar" },
    formatters: { level: (label) => ({ level: label }) },
  });
}
