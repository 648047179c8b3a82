/**
 * Every environment variable that the sidecar reads, one row each, as `src/config/variables.ts`.
 */
import { logLevel, text, variable, wholeNumber, type Kind } from "../src/config/variable.ts";
import type { UserRange } from "./server-users.ts";

/** Of Linux's 32 bits the last means nobody at all. */
const MAX_UID = 2 ** 32 - 2;

/** Two numbers with a hyphen between them, of which neither is root's. */
const userRange: Kind<UserRange> = {
  accepts: "",
  read(given, fail) {
    const [first = 0, last = 0] = /^(\d+)-(\d+)$/.exec(given)?.slice(1).map(Number) ?? [];
    if (first < 1 || last < first || last > MAX_UID)
      fail(`is "${given}": it must be two user ids with a hyphen between them, as 20000-29999`);
    return { first, last };
  },
};

/** The rows, by the member of the sidecar's configuration; times are milliseconds. */
export const SIDECAR_VARIABLES = {
  token: variable({
    name: "MCP_SIDECAR_TOKEN",
    kind: text,
    default: null,
    about: "what every request must show, the same text as for the proxy",
    unset: "the sidecar does not start",
    isSecret: true,
  }),
  port: variable({
    name: "PORT",
    kind: wholeNumber(0, 65_535),
    default: "3001",
    about: "TCP port; 0: any free one",
  }),
  host: variable({
    name: "HOST",
    kind: text,
    default: "127.0.0.1",
    about: "address to listen on; in the container all interfaces",
  }),
  logLevel: variable({
    name: "LOG_LEVEL",
    kind: logLevel,
    default: "info",
    about: "how much is logged",
  }),
  stateDir: variable({
    name: "MCP_SIDECAR_STATE_DIR",
    kind: text,
    default: null,
    about:
      "where the directories of running servers are, and a note of each, so that the next sidecar " +
      "can end what a killed one left behind",
    unset: "a directory for each user among the temporary files",
  }),
  users: variable({
    name: "MCP_SIDECAR_USERS",
    kind: userRange,
    default: null,
    about:
      "user ids for MCP servers, as `20000-29999`: each server gets one of its own; takes a " +
      "sidecar that runs as root",
    unset: "MCP servers run as the sidecar's own user (the image sets it)",
  }),
  maxProcesses: variable({
    name: "MCP_SIDECAR_MAX_PROCESSES",
    kind: wholeNumber(1, 10_000),
    default: "32",
    about: "MCP servers that may run at the same time",
  }),
  maxCalls: variable({
    name: "MCP_SIDECAR_MAX_CALLS",
    kind: wholeNumber(1, 10_000),
    default: "8",
    about: "calls that one MCP server gets at the same time",
  }),
  maxQueue: variable({
    name: "MCP_SIDECAR_MAX_QUEUE",
    kind: wholeNumber(0, 100_000),
    default: "64",
    about: "calls that may wait for their turn at one MCP server",
  }),
  maxDefinitions: variable({
    name: "MCP_SIDECAR_MAX_DEFINITIONS",
    kind: wholeNumber(1, 100_000),
    default: "1000",
    about: "definitions of MCP servers that are remembered",
  }),
  maxSessions: variable({
    name: "MCP_SIDECAR_MAX_SESSIONS",
    kind: wholeNumber(1, 100_000),
    default: "1000",
    about: "MCP sessions that may be open at the same time",
  }),
  idleStopMs: variable({
    name: "MCP_SIDECAR_IDLE_STOP_MS",
    kind: wholeNumber(100, 86_400_000),
    default: "300000",
    about: "an MCP server that nobody uses for this long is stopped, in milliseconds",
  }),
  sessionIdleMs: variable({
    name: "MCP_SIDECAR_SESSION_IDLE_MS",
    kind: wholeNumber(100, 86_400_000),
    default: "600000",
    about: "a session that nobody uses for this long is closed, in milliseconds",
  }),
  startLimitMs: variable({
    name: "MCP_SIDECAR_START_LIMIT_MS",
    kind: wholeNumber(100, 3_600_000),
    default: "60000",
    about:
      "time from the start of a process to the end of its MCP handshake, in milliseconds; a " +
      "first `npx` or `uvx` downloads in it",
  }),
  callLimitMs: variable({
    name: "MCP_SIDECAR_CALL_LIMIT_MS",
    kind: wholeNumber(100, 86_400_000),
    default: "600000",
    about:
      "longest tool call without a sign of progress, in milliseconds; callers have limits of " +
      "their own",
  }),
  maxMessageBytes: variable({
    name: "MCP_SIDECAR_MAX_MESSAGE_BYTES",
    kind: wholeNumber(1024, 1024 ** 3),
    default: "10485760",
    about: "largest message that is accepted from an MCP server",
  }),
} as const;
