import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"];

/** The checked environment of the sidecar; times are milliseconds. */
export interface SidecarConfig {
  /** 0: any free port. */
  port: number;
  host: string;
  /** What every request must show as `Authorization: Bearer …`. */
  token: string;
  logLevel: string;
  /**
   * Where the process ids of running servers are kept, so that the next sidecar can end what a
   * killed one left behind.
   */
  stateDir: string;
  /** MCP servers that may run at the same time. */
  maxProcesses: number;
  /** Calls that one MCP server gets at the same time. */
  maxCalls: number;
  /** Calls that may wait for their turn at one MCP server. */
  maxQueue: number;
  /** Definitions that are remembered. */
  maxDefinitions: number;
  /** MCP sessions that may be open at the same time. */
  maxSessions: number;
  /** An MCP server that nobody uses for this long is stopped. */
  idleStopMs: number;
  /** A session that nobody uses for this long is closed. */
  sessionIdleMs: number;
  /**
   * Time from the start of a process to the end of its MCP handshake; a first `npx` or `uvx`
   * downloads in it.
   */
  startLimitMs: number;
  /** Longest tool call without a sign of progress; callers have limits of their own. */
  callLimitMs: number;
  /** Largest message that is accepted from an MCP server, in bytes. */
  maxMessageBytes: number;
}

/** Thrown by {@link readSidecarConfig}: one message that lists every fault. */
export class SidecarConfigError extends Error {}

type Variables = Record<string, string | undefined>;

/** Whole numbers: variable, member of the configuration, default, least and greatest value. */
const NUMBERS = [
  ["PORT", "port", 3001, 0, 65_535],
  ["MCP_SIDECAR_MAX_PROCESSES", "maxProcesses", 32, 1, 10_000],
  ["MCP_SIDECAR_MAX_CALLS", "maxCalls", 8, 1, 10_000],
  ["MCP_SIDECAR_MAX_QUEUE", "maxQueue", 64, 0, 100_000],
  ["MCP_SIDECAR_MAX_DEFINITIONS", "maxDefinitions", 1_000, 1, 100_000],
  ["MCP_SIDECAR_MAX_SESSIONS", "maxSessions", 1_000, 1, 100_000],
  ["MCP_SIDECAR_IDLE_STOP_MS", "idleStopMs", 300_000, 100, 86_400_000],
  ["MCP_SIDECAR_SESSION_IDLE_MS", "sessionIdleMs", 600_000, 100, 86_400_000],
  ["MCP_SIDECAR_START_LIMIT_MS", "startLimitMs", 60_000, 100, 3_600_000],
  ["MCP_SIDECAR_CALL_LIMIT_MS", "callLimitMs", 600_000, 100, 86_400_000],
  ["MCP_SIDECAR_MAX_MESSAGE_BYTES", "maxMessageBytes", 10 * 1024 * 1024, 1_024, 1024 ** 3],
] as const;

type NumberName = (typeof NUMBERS)[number][1];

function readNumbers(env: Variables, faults: string[]): Record<NumberName, number> {
  const entries = NUMBERS.map(([variable, member, fallback, min, max]) => {
    const text = env[variable]?.trim();
    if (text === undefined || text === "") return [member, fallback];
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < min || number > max)
      faults.push(`${variable} is "${text}": it must be a whole number from ${min} to ${max}.`);
    return [member, number];
  });
  return Object.fromEntries(entries) as Record<NumberName, number>;
}

function readToken(env: Variables, faults: string[]): string {
  const file = env["MCP_SIDECAR_TOKEN_FILE"]?.trim();
  const given = env["MCP_SIDECAR_TOKEN"]?.trim();
  if (given !== undefined && given !== "") return given;
  if (file === undefined || file === "") {
    faults.push(
      "MCP_SIDECAR_TOKEN is not set, and the sidecar starts processes for whoever may reach it: set it (or MCP_SIDECAR_TOKEN_FILE) to a long random string, the same as for the proxy.",
    );
    return "";
  }
  try {
    const token = readFileSync(file, "utf8").trim();
    if (token === "") faults.push("The file that MCP_SIDECAR_TOKEN_FILE names is empty.");
    return token;
  } catch (error) {
    faults.push(
      `The file that MCP_SIDECAR_TOKEN_FILE names cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
    );
    return "";
  }
}

/**
 * Checks the environment. Only the names in this file are read.
 * @throws SidecarConfigError with every fault at once
 */
export function readSidecarConfig(env: Variables): SidecarConfig {
  const faults: string[] = [];
  const logLevel = env["LOG_LEVEL"]?.trim() || "info";
  if (!LOG_LEVELS.includes(logLevel))
    faults.push(`LOG_LEVEL is "${logLevel}": it must be one of ${LOG_LEVELS.join(", ")}.`);
  const config: SidecarConfig = {
    ...readNumbers(env, faults),
    host: env["HOST"]?.trim() || "127.0.0.1",
    token: readToken(env, faults),
    logLevel,
    stateDir:
      env["MCP_SIDECAR_STATE_DIR"]?.trim() ||
      join(tmpdir(), `openai-proxy-mcp-sidecar-${process.getuid?.() ?? "user"}`),
  };
  if (faults.length > 0)
    throw new SidecarConfigError(
      `The MCP sidecar cannot start:\n${faults.map((fault) => `  - ${fault}`).join("\n")}`,
    );
  return config;
}
