import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { ErrorCode, ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { labelServer, type ServerDefinition } from "../src/tools/server-command.ts";
import { Backoff } from "./backoff.ts";
import { buildChildEnvironment } from "./child-environment.ts";
import { ChildTransport } from "./child-transport.ts";
import type { SidecarConfig } from "./config.ts";
import type { Log } from "./log.ts";
import type { ProcessLedger } from "./process-ledger.ts";
import { resolveCommand } from "./resolve-command.ts";

/** A wait that is shorter than this is waited, a longer one is an error that says when to try again. */
const PATIENCE_MS = 1_100;
/** How much of a server's last output an error shows. */
const SHOWN_OUTPUT = 1_000;

/** Where an MCP server is in its life; `failed`: it may be started again when its wait is over. */
export type ServerState = "stopped" | "starting" | "running" | "failed";

/** What one MCP server needs of the sidecar around it. */
export interface ServerSurroundings {
  config: SidecarConfig;
  log: Log;
  ledger: ProcessLedger;
  /** Called before a process is started: makes room, or throws. */
  makeRoom(server: StdioServer): void;
}

/** A failure of the sidecar or of a process, not an answer of an MCP server; its message is for models and operators. */
export class ServerFailure extends Error {
  readonly code = -32603;
  readonly data = { origin: "mcp-sidecar" };
}

/** A sentence, and what the process wrote last. Kept apart, so that what is to be done comes before a page of output. */
interface Failure {
  sentence: string;
  output: string;
}

interface Running {
  client: Client;
  transport: ChildTransport;
  startedAt: number;
}

/** One configured stdio MCP server: at most one process, started on first use and shared by all sessions. */
export class StdioServer {
  readonly id: string;
  readonly label: string;
  readonly definition: ServerDefinition;
  lastUsedAt: number | null = null;
  restarts = 0;
  calls = 0;
  callsInFlight = 0;
  readonly toolListListeners = new Set<() => void>();
  readonly #around: ServerSurroundings;
  readonly #backoff = new Backoff();
  #starting: Promise<Running> | null = null;
  #running: Running | null = null;
  #last: ChildTransport | null = null;
  #lastFailure: Failure | null = null;
  #idle: NodeJS.Timeout | undefined;

  constructor(id: string, definition: ServerDefinition, around: ServerSurroundings) {
    this.id = id;
    this.definition = definition;
    this.label = labelServer(definition);
    this.#around = around;
  }

  get state(): ServerState {
    if (this.#running) return "running";
    if (this.#starting) return "starting";
    return this.#backoff.failures > 0 ? "failed" : "stopped";
  }

  /** What the operator sees: no arguments, no environment. Times are ISO 8601. */
  describe(): Record<string, unknown> {
    const iso = (time: number | null | undefined) => (time === null || time === undefined ? null : new Date(time).toISOString());
    return {
      id: this.id,
      command: this.label,
      state: this.state,
      pid: this.#last?.exit === null ? this.#last.pid : null,
      lastError: this.#lastFailure && this.#lastFailure.sentence + this.#lastFailure.output,
      stderr: this.#hideEnvironment(this.#last?.stderrTail ?? ""),
      ignoredOutputLines: this.#last?.noiseLines ?? 0,
      restarts: this.restarts,
      startedAt: iso(this.#running?.startedAt),
      lastUsedAt: iso(this.lastUsedAt),
      calls: this.calls,
      callsInFlight: this.callsInFlight,
    };
  }

  /**
   * Runs something at the server, which is started first where needed.
   * @throws ServerFailure when it cannot be started or ends meanwhile; otherwise whatever `run` throws
   */
  async use<T>(run: (client: Client) => Promise<T>): Promise<T> {
    this.callsInFlight += 1;
    this.lastUsedAt = Date.now();
    clearTimeout(this.#idle);
    try {
      const { client, transport } = await this.#connect();
      try {
        return await run(client);
      } catch (error) {
        if (transport.exit === null && this.#running?.transport === transport) throw error;
        const how = transport.exit ?? "it was stopped";
        throw new ServerFailure(`The MCP server \`${this.label}\` ended during the call: ${how}.${this.#lastOutput(transport)}`, {
          cause: error,
        });
      }
    } finally {
      this.callsInFlight -= 1;
      this.lastUsedAt = Date.now();
      this.#armIdleStop();
    }
  }

  /** Ends the process, if there is one. */
  async stop(): Promise<void> {
    clearTimeout(this.#idle);
    const transport = this.#running?.transport ?? (this.#starting ? this.#last : null);
    this.#running = null;
    await transport?.close();
  }

  /** Ends the process, forgets its failures and starts it again. */
  async restart(): Promise<void> {
    await this.stop();
    await Promise.allSettled([this.#starting]);
    this.#backoff.reset();
    await this.use(() => Promise.resolve());
  }

  async #connect(): Promise<Running> {
    if (this.#running) return this.#running;
    this.#starting ??= this.#startWhenAllowed().finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  async #startWhenAllowed(): Promise<Running> {
    const wait = this.#backoff.waitMs;
    if (wait > PATIENCE_MS) throw this.#failureUntilRetry();
    if (wait > 0) await sleep(wait);
    this.#around.makeRoom(this);
    if (this.#last) this.restarts += 1;
    return this.#start();
  }

  async #start(): Promise<Running> {
    const { config, ledger, log } = this.#around;
    const startedAt = Date.now();
    const executable = await resolveCommand(this.definition, process.cwd());
    const env = buildChildEnvironment(process.env, this.definition.env);
    const transport = new ChildTransport({ executable, env, maxMessageBytes: config.maxMessageBytes, ledger });
    const client = new Client({ name: "openai-proxy-mcp-sidecar", version: "1" });
    client.onerror = (error) =>
      log.debug({ server: this.label, error: this.#hideEnvironment(error.message) }, "An MCP server sent something unexpected");
    this.#last = transport;
    try {
      await client.connect(transport, { timeout: config.startLimitMs });
    } catch (error) {
      const failure = this.#whyNotStarted(transport, error);
      await transport.close();
      this.#backoff.failed(0);
      this.#lastFailure = failure;
      log.warn({ server: this.label, failures: this.#backoff.failures }, "An MCP server could not be started");
      throw this.#failureUntilRetry(error);
    }
    const running: Running = { client, transport, startedAt };
    this.#running = running;
    client.onclose = () => this.#ended(running);
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
      for (const listener of this.toolListListeners) listener();
    });
    log.info({ server: this.label, pid: transport.pid, ms: Date.now() - startedAt }, "An MCP server was started");
    return running;
  }

  /** The process is gone. That is a failure unless it was stopped, or left politely while nobody used it. */
  #ended(running: Running): void {
    if (this.#running !== running) return;
    this.#running = null;
    clearTimeout(this.#idle);
    const { exit } = running.transport;
    if (exit === "exit code 0" && this.callsInFlight === 0) return;
    this.#backoff.failed(Date.now() - running.startedAt);
    this.#lastFailure = {
      sentence: `The MCP server \`${this.label}\` ended by itself: ${exit ?? "for an unknown reason"}.`,
      output: this.#lastOutput(running.transport),
    };
    this.#around.log.warn({ server: this.label, exit, failures: this.#backoff.failures }, "An MCP server ended by itself");
  }

  #armIdleStop(): void {
    clearTimeout(this.#idle);
    if (this.callsInFlight > 0 || !this.#running) return;
    this.#idle = setTimeout(() => {
      this.#around.log.info({ server: this.label }, "An idle MCP server is stopped");
      this.stop().catch((error: unknown) =>
        this.#around.log.error({ server: this.label, error: String(error) }, "An idle MCP server could not be stopped"),
      );
    }, this.#around.config.idleStopMs);
  }

  #failureUntilRetry(cause?: unknown): ServerFailure {
    const { sentence, output } = this.#lastFailure ?? { sentence: `The MCP server \`${this.label}\` failed.`, output: "" };
    return new ServerFailure(`${sentence} It will be tried again in ${(this.#backoff.waitMs / 1000).toFixed(1)} s.${output}`, { cause });
  }

  #whyNotStarted(transport: ChildTransport, error: unknown): Failure {
    const failure = (reason: string, output = this.#lastOutput(transport)) => ({
      sentence: `The MCP server \`${this.label}\` could not be started: ${reason}.`,
      output,
    });
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT") {
      const source = this.definition.command === "uvx" ? "it comes with `pip install uv`" : "it comes with Node.js";
      return failure(`${this.definition.command} is not installed where the MCP sidecar runs (${source})`, "");
    }
    if (transport.exit !== null) return failure(transport.exit);
    if (code === ErrorCode.RequestTimeout) return failure(`it did not answer within ${this.#around.config.startLimitMs / 1000} s`);
    return failure(this.#hideEnvironment(error instanceof Error ? error.message : String(error)));
  }

  #lastOutput(transport: ChildTransport): string {
    const tail = this.#hideEnvironment(transport.stderrTail);
    if (tail === "") return " It wrote nothing that says why.";
    return ` Its last output: ${tail.length > SHOWN_OUTPUT ? `…${tail.slice(-SHOWN_OUTPUT)}` : tail}`;
  }

  /** Servers like to print their configuration; messages must not carry an operator's secrets to a model. */
  #hideEnvironment(text: string): string {
    const secrets = Object.entries(this.definition.env).filter(([, value]) => value.length >= 4);
    return secrets
      .toSorted(([, a], [, b]) => b.length - a.length)
      .reduce((shown, [name, value]) => shown.replaceAll(value, `[${name}]`), text);
  }
}
