import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { buildChildEnvironment } from "../../mcp-sidecar/child-environment.ts";
import { SIDECAR_VARIABLES } from "../../mcp-sidecar/variables.ts";
import type { Config } from "../config/read-config.ts";
import type { Logger, PartHealth, SidecarEndpoint } from "../platform.ts";
import { underMask } from "./private-files.ts";

const ENTRY = fileURLToPath(new URL("../../mcp-sidecar/main.ts", import.meta.url));

/**
 * A sidecar starts in some 300 ms; one that takes longer than this is given up and started again.
 */
const START_LIMIT_MS = 20_000;
/** How long a call waits for a sidecar that is being restarted. */
const ENDPOINT_PATIENCE_MS = 10_000;
const HEALTH_LIMIT_MS = 2_000;
/** The sidecar itself gives its servers 4 s. */
const CLOSE_LIMIT_MS = 6_000;
const FIRST_WAIT_MS = 500;
const LAST_WAIT_MS = 30_000;
/** A sidecar that ran for this long was healthy: the next restart is again a first one. */
const HEALTHY_MS = 30_000;

/** The MCP sidecar that this server uses, started by it or running elsewhere. */
export interface Sidecar {
  /**
   * Where it listens. Waits while it starts or restarts; throws a sentence when that takes too
   * long.
   */
  endpoint(): Promise<SidecarEndpoint>;
  /** Asks the sidecar. Never throws. */
  health(): Promise<PartHealth>;
  /** Ends it and every process group that it started. */
  close(): Promise<void>;
}

type SidecarSettings = Pick<Config, "sidecarUrl" | "sidecarToken" | "logLevel">;

/**
 * The sidecar at `sidecarUrl`, or, where none is configured, one of this server's own as a child
 * process.
 * @param mask for files that its MCP servers write
 */
export function startSidecar(
  config: SidecarSettings,
  logger: Logger,
  mask = process.umask(),
): Sidecar {
  if (config.sidecarUrl !== null) {
    const endpoint = { url: config.sidecarUrl, token: config.sidecarToken ?? "" };
    return {
      endpoint: () => Promise.resolve(endpoint),
      health: () => askHealth(endpoint),
      close: () => Promise.resolve(),
    };
  }
  const keeper = new SidecarKeeper(config.logLevel, logger, mask);
  return {
    endpoint: () => keeper.endpoint(),
    health: async () => {
      const endpoint = keeper.current;
      return endpoint === null
        ? { status: "down", message: keeper.explain() }
        : { ...(await askHealth(endpoint)), pid: keeper.pid };
    },
    close: () => keeper.close(),
  };
}

async function askHealth(endpoint: SidecarEndpoint): Promise<PartHealth> {
  try {
    const headers = { authorization: `Bearer ${endpoint.token}` };
    const response = await fetch(`${endpoint.url}/health`, {
      headers,
      signal: AbortSignal.timeout(HEALTH_LIMIT_MS),
    });
    if (response.status === 401)
      return {
        status: "down",
        message:
          "The MCP sidecar refuses the token: MCP_SIDECAR_TOKEN must be the same on both sides.",
      };
    if (!response.ok)
      return { status: "down", message: `The MCP sidecar answers with status ${response.status}.` };
    const body = (await response.json()) as Record<string, unknown>;
    return { ...body, status: "ok" };
  } catch (error) {
    const cause =
      error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    return { status: "down", message: `The MCP sidecar cannot be reached: ${cause}` };
  }
}

/** Keeps one sidecar process running until it is closed. */
class SidecarKeeper {
  /** Where the sidecar listens; null while there is none. */
  current: SidecarEndpoint | null = null;
  readonly #logLevel: string;
  readonly #mask: number;
  readonly #logger: Logger;
  readonly #waiting = new Set<(endpoint: SidecarEndpoint) => void>();
  #child: ChildProcess | null = null;
  #restart: NodeJS.Timeout | undefined;
  #failures = 0;
  #lastExit = "";
  #closing = false;

  constructor(logLevel: string, logger: Logger, mask: number) {
    this.#logLevel = logLevel;
    this.#mask = mask;
    this.#logger = logger;
    this.#start();
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  explain(): string {
    return `The MCP sidecar is not running${this.#lastExit === "" ? " yet" : `: it ended with ${this.#lastExit} and is being restarted`}.`;
  }

  endpoint(): Promise<SidecarEndpoint> {
    if (this.current) return Promise.resolve(this.current);
    return new Promise((resolve, reject) => {
      const ready = (endpoint: SidecarEndpoint) => {
        clearTimeout(timer);
        resolve(endpoint);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(ready);
        reject(new Error(this.explain()));
      }, ENDPOINT_PATIENCE_MS);
      this.#waiting.add(ready);
    });
  }

  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#restart);
    const child = this.#child;
    if (child === null) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), CLOSE_LIMIT_MS);
    await gone;
    clearTimeout(timer);
  }

  #start(): void {
    const token = randomBytes(32).toString("base64url");
    const startedAt = performance.now();
    // The same few variables that MCP servers inherit: no database, no upstream key, no JWT secret.
    const env = buildChildEnvironment(process.env, {
      ...sidecarVariables(process.env),
      MCP_SIDECAR_TOKEN: "by-channel",
      PORT: "0",
      HOST: "127.0.0.1",
      LOG_LEVEL: this.#logLevel,
    });
    const start = () =>
      spawn(process.execPath, [ENTRY], { env, stdio: ["ignore", "pipe", "pipe", "ipc"] });
    const child = underMask(this.#mask, start);
    this.#child = child;
    // It may have ended already, of which its exit tells more.
    child.send(token, () => {});
    const tooSlow = setTimeout(() => child.kill("SIGKILL"), START_LIMIT_MS);
    child.on("message", (message) => {
      if (typeof message !== "object" || message === null || !("listening" in message)) return;
      clearTimeout(tooSlow);
      this.current = { url: `http://127.0.0.1:${Number(message.listening)}`, token };
      for (const ready of this.#waiting) ready(this.current);
      this.#waiting.clear();
    });
    this.#forwardLog(child);
    const ended = (how: string) => {
      clearTimeout(tooSlow);
      if (this.#child === child) this.#ended(how, performance.now() - startedAt);
    };
    child.once("exit", (code, signal) =>
      ended(signal === null ? `exit code ${code}` : `signal ${signal}`),
    );
    child.once("error", (error) => ended(error.message));
  }

  #ended(how: string, ranForMs: number): void {
    this.current = null;
    this.#child = null;
    if (this.#closing) return;
    this.#lastExit = how;
    this.#failures = ranForMs >= HEALTHY_MS ? 1 : this.#failures + 1;
    const waitMs = Math.min(LAST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.#failures - 1));
    this.#logger.error("The MCP sidecar ended and will be restarted", { how, waitMs });
    this.#restart = setTimeout(() => this.#start(), waitMs);
  }

  /**
   * The sidecar writes JSON lines; anything else it says, such as a stack trace, is worth a
   * warning.
   */
  #forwardLog(child: ChildProcess): void {
    if (child.stdout) {
      createInterface({ input: child.stdout }).on("line", (line) => {
        const { level, msg, time: _time, ...fields } = readLogLine(line);
        const method = level === "error" || level === "warn" || level === "info" ? level : "debug";
        this.#logger[method](String(msg), fields);
      });
    }
    if (child.stderr)
      createInterface({ input: child.stderr }).on("line", (line) =>
        this.#logger.warn(line, { part: "mcp-sidecar" }),
      );
  }
}

/** The sidecar's variables may be set in the environment of the server that starts it. */
function sidecarVariables(env: NodeJS.ProcessEnv): Record<string, string> {
  const names = Object.values(SIDECAR_VARIABLES).map(({ name }) => name);
  return Object.fromEntries(names.map((name) => [name, env[name] ?? ""]));
}

function readLogLine(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return { level: "warn", msg: line, part: "mcp-sidecar" };
}
