import { identifyServer, readLaunchedServer, type ServerDefinition } from "../src/tools/server-command.ts";
import type { SidecarConfig } from "./config.ts";
import type { Log } from "./log.ts";
import type { ProcessLedger } from "./process-ledger.ts";
import { ServerFailure, StdioServer } from "./stdio-server.ts";

/** The MCP servers that the proxy has defined since this sidecar started, least recently used first. */
export class ServerRegistry {
  readonly #servers = new Map<string, StdioServer>();
  readonly #config: SidecarConfig;
  readonly #log: Log;
  readonly #ledger: ProcessLedger;
  #closed = false;

  constructor(config: SidecarConfig, log: Log, ledger: ProcessLedger) {
    this.#config = config;
    this.#log = log;
    this.#ledger = ledger;
  }

  /**
   * Remembers a server; nothing is started.
   * @throws Error when the command is not allowed or the id is not the definition's
   */
  async define(id: string, definition: ServerDefinition): Promise<StdioServer> {
    readLaunchedServer(definition);
    if ((await identifyServer(definition)) !== id) throw new Error("The id is not the SHA-256 of the definition.");
    const known = this.get(id);
    if (known) return known;
    await this.#forgetOldest();
    const server = new StdioServer(id, definition, {
      config: this.#config,
      log: this.#log,
      ledger: this.#ledger,
      makeRoom: (caller) => this.#makeRoom(caller),
    });
    this.#servers.set(id, server);
    return server;
  }

  get(id: string): StdioServer | undefined {
    const server = this.#servers.get(id);
    if (server) {
      this.#servers.delete(id);
      this.#servers.set(id, server);
    }
    return server;
  }

  list(): StdioServer[] {
    return [...this.#servers.values()];
  }

  /** How many servers are in each state. */
  count(): Record<string, number> {
    const counts: Record<string, number> = { known: this.#servers.size, running: 0, starting: 0, failed: 0 };
    for (const { state } of this.#servers.values()) counts[state] = (counts[state] ?? 0) + 1;
    return counts;
  }

  /** Ends every process and lets none start. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.list().map((server) => server.stop()));
  }

  async #forgetOldest(): Promise<void> {
    if (this.#servers.size < this.#config.maxDefinitions) return;
    const oldest = this.list().find((server) => server.callsInFlight === 0);
    if (!oldest)
      throw new ServerFailure(`The MCP sidecar knows ${this.#servers.size} servers, and all of them are in use: try again later.`);
    this.#servers.delete(oldest.id);
    await oldest.stop();
  }

  /** Stops the server that was unused for longest, where the limit is reached. Busy is an error of its own, never "unknown tool". */
  #makeRoom(caller: StdioServer): void {
    if (this.#closed) throw new ServerFailure("The MCP sidecar is shutting down: try again in a few seconds.");
    const others = this.list().filter((server) => server !== caller && (server.state === "running" || server.state === "starting"));
    if (others.length < this.#config.maxProcesses) return;
    const [idle] = others
      .filter((server) => server.state === "running" && server.callsInFlight === 0)
      .toSorted((a, b) => (a.lastUsedAt ?? 0) - (b.lastUsedAt ?? 0));
    if (!idle) {
      throw new ServerFailure(
        `The MCP sidecar runs ${this.#config.maxProcesses} servers already, and all of them are in use: try again later, or raise MCP_SIDECAR_MAX_PROCESSES.`,
      );
    }
    idle
      .stop()
      .catch((error: unknown) => this.#log.error({ server: idle.label, error: String(error) }, "An MCP server could not be stopped"));
  }
}
