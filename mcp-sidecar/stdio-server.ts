import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import type { ClientCapabilities } from "@modelcontextprotocol/sdk/types.js";
import { AjvJsonSchemaValidator } from "@modelcontextprotocol/sdk/validation/ajv-provider.js";
import { labelServer, type ServerDefinition } from "../src/tools/mcp/server-command.ts";
import { Audience } from "./audience.ts";
import { BusyError, CallGate } from "./call-gate.ts";
import { buildChildEnvironment } from "./child-environment.ts";
import { ChildTransport, NotSentError } from "./child-transport.ts";
import { Circuit } from "./circuit.ts";
import type { SidecarConfig } from "./config.ts";
import { ToolCatalogue } from "./list-tools.ts";
import type { Log } from "./log.ts";
import type { ProcessLedger } from "./process-ledger.ts";
import { withoutPrefixes } from "./relay.ts";
import { resolveCommand } from "./resolve-command.ts";
import type { ServerUsers } from "./server-users.ts";
import {
  hideEnvironment,
  lastOutput,
  ServerBusy,
  ServerFailure,
  whyNotStarted,
  type Failure,
} from "./server-failure.ts";

/**
 * A wait that is shorter than this is waited, a longer one is an error that says when to try again.
 */
const PATIENCE_MS = 1_100;

/** Where an MCP server is in its life; `failed`: it may be started again when its wait is over. */
export type ServerState = "stopped" | "starting" | "running" | "failed";

/** What one MCP server needs of the sidecar around it. */
export interface ServerSurroundings {
  config: SidecarConfig;
  log: Log;
  ledger: ProcessLedger;
  /** Null where servers run as the sidecar's own user. */
  users: ServerUsers | null;
  /** Called before a process is started: makes room, or throws. */
  makeRoom(server: StdioServer): void;
}

/** What tells one process from another. */
export interface ServerIdentity {
  /** Of the definition. */
  id: string;
  /** Of the same definition without its owner. */
  sharedId: string;
  definition: ServerDefinition;
  /** What the clients of its sessions can do, which a server is told once and acts on. */
  capabilities: ClientCapabilities;
}

interface Running {
  client: Client;
  transport: ChildTransport;
  startedAt: number;
  /** The same by the monotonic clock. */
  since: number;
}

/**
 * One is enough for all: it keeps nothing of one schema for another, and each costs a millisecond
 * to make.
 */
const jsonSchemaValidator = new AjvJsonSchemaValidator();

const iso = (time: number | null | undefined) =>
  time === null || time === undefined ? null : new Date(time).toISOString();

/**
 * One configured stdio MCP server: at most one process, started on first use and shared by all
 * sessions.
 */
export class StdioServer {
  readonly identity: ServerIdentity;
  readonly label: string;
  readonly audience: Audience;
  readonly catalogue: ToolCatalogue;
  lastUsedAt: number | null = null;
  restarts = 0;
  calls = 0;
  /** Uses that are not over, those that wait for their turn included. */
  users = 0;
  readonly #around: ServerSurroundings;
  readonly #circuit = new Circuit();
  readonly #gate: CallGate;
  #starting: Promise<Running> | null = null;
  #running: Running | null = null;
  #last: ChildTransport | null = null;
  #lastFailure: Failure | null = null;
  #idle: NodeJS.Timeout | undefined;

  constructor(identity: ServerIdentity, around: ServerSurroundings) {
    const { config, log } = around;
    this.identity = identity;
    this.label = labelServer(identity.definition);
    this.audience = new Audience(log, config.callLimitMs);
    this.catalogue = new ToolCatalogue({ log, label: this.label });
    this.#gate = new CallGate({ most: config.maxCalls, mostQueued: config.maxQueue });
    this.#around = around;
  }

  get state(): ServerState {
    if (this.#running) return "running";
    if (this.#starting) return "starting";
    return this.#circuit.failures > 0 ? "failed" : "stopped";
  }

  /** What the operator sees: no arguments, no environment. Times are ISO 8601. */
  describe(): Record<string, unknown> {
    const { id, sharedId, definition } = this.identity;
    return {
      id,
      sharedId,
      command: this.label,
      owner: definition.owner,
      state: this.state,
      pid: this.#last?.exit === null ? this.#last.pid : null,
      lastError: this.#lastFailure && this.#lastFailure.sentence + this.#lastFailure.output,
      retryAt: this.state === "failed" ? iso(this.#circuit.retryAt) : null,
      stderr: hideEnvironment(definition, this.#last?.stderrTail ?? ""),
      ignoredOutputLines: this.#last?.noiseLines ?? 0,
      restarts: this.restarts,
      startedAt: iso(this.#running?.startedAt),
      lastUsedAt: iso(this.lastUsedAt),
      calls: this.calls,
      callsInFlight: this.#gate.inside,
      queued: this.#gate.queued,
    };
  }

  /** The client of the process, where one runs: for what is not worth starting one. */
  get runningClient(): Client | null {
    return this.#running?.client ?? null;
  }

  /**
   * What the process says of itself, which is started first where needed.
   * @throws ServerFailure where it cannot be
   */
  introduce(): Promise<Client> {
    return this.#whileUsed((client) => Promise.resolve(client));
  }

  /**
   * Runs something at the server, which is started first where needed, when it is its turn.
   * @param run gets what is left of the time limit
   * @throws ServerFailure when the server is busy, cannot be started or ends meanwhile; otherwise
   * whatever `run` throws
   */
  async use<T>(
    run: (client: Client, leftMs: number) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const limitMs = this.#around.config.callLimitMs;
    const from = performance.now();
    this.users += 1;
    try {
      await this.#gate.enter({ signal, limitMs });
    } catch (error) {
      if (!(error instanceof BusyError)) throw error;
      throw new ServerBusy(
        `The MCP server \`${this.label}\` is busy: ${error.message}. Try again later.`,
        { cause: error },
      );
    } finally {
      this.users -= 1;
    }
    try {
      return await this.#whileUsed((client) =>
        run(client, Math.max(1, limitMs - (performance.now() - from))),
      );
    } finally {
      this.#gate.leave();
    }
  }

  async #whileUsed<T>(run: (client: Client) => Promise<T>): Promise<T> {
    this.users += 1;
    this.lastUsedAt = Date.now();
    clearTimeout(this.#idle);
    try {
      return await this.#runAt(await this.#connect(), run).catch(async (error: unknown) => {
        if (!(error instanceof NotSentError)) throw error;
        // It ended before it got the call, which therefore is nobody's yet.
        return this.#runAt(await this.#connect(), run);
      });
    } finally {
      this.users -= 1;
      this.lastUsedAt = Date.now();
      this.#armIdleStop();
    }
  }

  async #runAt<T>({ client, transport }: Running, run: (client: Client) => Promise<T>): Promise<T> {
    try {
      return await run(client);
    } catch (error) {
      if (error instanceof NotSentError) {
        await transport.close();
        await transport.gone;
        throw error;
      }
      if (transport.exit === null && this.#running?.transport === transport) throw error;
      const how = `${transport.exit ?? "it was stopped"}.${lastOutput(this.identity.definition, transport)}`;
      throw new ServerFailure(`The MCP server \`${this.label}\` ended during the call: ${how}`, {
        cause: error,
      });
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
    this.#circuit.reset();
    await this.introduce();
  }

  async #connect(): Promise<Running> {
    if (this.#running) return this.#running;
    if (this.#starting && this.#circuit.isOpen) {
      throw new ServerFailure(
        `The MCP server \`${this.label}\` failed ${this.#circuit.failures} times and is just being tried again: try again in a few seconds.`,
      );
    }
    this.#starting ??= this.#startWhenAllowed().finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  async #startWhenAllowed(): Promise<Running> {
    const wait = this.#circuit.waitMs;
    if (wait > PATIENCE_MS || (wait > 0 && this.#circuit.isOpen)) throw this.#failureUntilRetry();
    if (wait > 0) await sleep(wait);
    this.#around.makeRoom(this);
    if (this.#last) this.restarts += 1;
    return this.#start();
  }

  async #start(): Promise<Running> {
    const { config, ledger, log, users } = this.#around;
    const { definition, capabilities, sharedId } = this.identity;
    const since = performance.now();
    const executable = await resolveCommand(definition, process.cwd());
    const user = users?.of(sharedId) ?? null;
    const home: Record<string, string> = user === null ? {} : { HOME: user.home };
    const env = buildChildEnvironment(process.env, { ...home, ...definition.env });
    const transport = new ChildTransport({
      executable,
      env,
      maxMessageBytes: config.maxMessageBytes,
      user,
      ledger,
    });
    const client = new Client(
      { name: "openai-proxy-mcp-sidecar", version: "1" },
      { capabilities, jsonSchemaValidator },
    );
    client.onerror = (error) =>
      log.debug(
        { server: this.label, error: hideEnvironment(definition, error.message) },
        "An MCP server sent something unexpected",
      );
    client.fallbackNotificationHandler = (notification) =>
      Promise.resolve(this.audience.hear(notification));
    client.fallbackRequestHandler = (request, { signal }) =>
      withoutPrefixes(() => this.audience.ask(request, { signal, relay: client }));
    this.#last = transport;
    try {
      await client.connect(transport, { timeout: config.startLimitMs });
    } catch (error) {
      const failure = whyNotStarted(
        { label: this.label, definition, startLimitMs: config.startLimitMs },
        transport,
        error,
      );
      await transport.close();
      this.#circuit.failed(0);
      this.#lastFailure = failure;
      log.warn(
        { server: this.label, failures: this.#circuit.failures },
        "An MCP server could not be started",
      );
      throw this.#failureUntilRetry(error);
    }
    const running: Running = { client, transport, startedAt: Date.now(), since };
    this.#running = running;
    client.onclose = () => this.#ended(running);
    await this.audience.restore(client);
    log.info(
      { server: this.label, pid: transport.pid, ms: Math.round(performance.now() - since) },
      "An MCP server was started",
    );
    return running;
  }

  /**
   * The process is gone. That is a failure unless it was stopped, or left politely while nobody
   * used it.
   */
  #ended(running: Running): void {
    if (this.#running !== running) return;
    this.#running = null;
    clearTimeout(this.#idle);
    const { exit } = running.transport;
    if (exit === "exit code 0" && this.users === 0) return;
    this.#circuit.failed(performance.now() - running.since);
    this.#lastFailure = {
      sentence: `The MCP server \`${this.label}\` ended by itself: ${exit ?? "for an unknown reason"}.`,
      output: lastOutput(this.identity.definition, running.transport),
    };
    this.#around.log.warn(
      { server: this.label, exit, failures: this.#circuit.failures },
      "An MCP server ended by itself",
    );
  }

  #armIdleStop(): void {
    clearTimeout(this.#idle);
    if (this.users > 0 || !this.#running) return;
    this.#idle = setTimeout(() => {
      if (this.audience.isSubscribed) return this.#armIdleStop();
      this.#around.log.info({ server: this.label }, "An idle MCP server is stopped");
      this.stop().catch((error: unknown) =>
        this.#around.log.error(
          { server: this.label, error: String(error) },
          "An idle MCP server could not be stopped",
        ),
      );
    }, this.#around.config.idleStopMs);
  }

  #failureUntilRetry(cause?: unknown): ServerFailure {
    const { sentence, output } = this.#lastFailure ?? {
      sentence: `The MCP server \`${this.label}\` failed.`,
      output: "",
    };
    return new ServerFailure(
      `${sentence} It will be tried again in ${(this.#circuit.waitMs / 1000).toFixed(1)} s.${output}`,
      { cause },
    );
  }
}
