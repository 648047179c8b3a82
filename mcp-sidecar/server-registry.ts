import type { ClientCapabilities } from "@modelcontextprotocol/sdk/types.js";
import {
  identifyServer,
  readLaunchedServer,
  type ServerDefinition,
} from "../src/tools/mcp/server-command.ts";
import { ServerBusy, ServerFailure } from "./server-failure.ts";
import { StdioServer, type ServerIdentity, type ServerSurroundings } from "./stdio-server.ts";

/**
 * What a server is told of its client: whom it may ask what. The rest it could not use through a
 * sidecar.
 */
export function capabilitiesOf({
  sampling,
  elicitation,
  roots,
}: ClientCapabilities = {}): ClientCapabilities {
  return {
    ...(sampling && { sampling }),
    ...(elicitation && { elicitation }),
    ...(roots && { roots }),
  };
}

/**
 * The MCP servers that the proxy has defined since this sidecar started, least recently used first.
 */
export class ServerRegistry {
  /** By id; behind it, for clients that can be asked something, what they can do. */
  readonly #servers = new Map<string, StdioServer>();
  readonly #around: Omit<ServerSurroundings, "makeRoom">;
  #closed = false;

  constructor(around: Omit<ServerSurroundings, "makeRoom">) {
    this.#around = around;
  }

  /**
   * Remembers a server; nothing is started.
   * @throws Error when the command is not allowed or the id is not the definition's
   */
  async define(id: string, definition: ServerDefinition): Promise<StdioServer> {
    readLaunchedServer(definition);
    if ((await identifyServer(definition)) !== id)
      throw new Error("The id is not the SHA-256 of the definition.");
    const known = this.get(id);
    if (known) return known;
    const sharedId = await identifyServer({ ...definition, owner: "" });
    return this.get(id) ?? this.#add(id, { id, sharedId, definition, capabilities: {} });
  }

  /**
   * The server as clients of these capabilities get it. A server is told once what its client can
   * do, and acts on it: it offers tools that ask the user, say, which must not be offered to those
   * who have none.
   */
  forClient(server: StdioServer, capabilities: ClientCapabilities): StdioServer {
    if (Object.keys(capabilities).length === 0) return server;
    const key = `${server.identity.id} ${JSON.stringify(capabilities)}`;
    return this.get(key) ?? this.#add(key, { ...server.identity, capabilities });
  }

  #add(key: string, identity: ServerIdentity): StdioServer {
    this.#forgetOldest();
    const server = new StdioServer(identity, {
      ...this.#around,
      makeRoom: (caller) => this.#makeRoom(caller),
    });
    this.#servers.set(key, server);
    return server;
  }

  get(key: string): StdioServer | undefined {
    const server = this.#servers.get(key);
    if (server) {
      this.#servers.delete(key);
      this.#servers.set(key, server);
    }
    return server;
  }

  list(): StdioServer[] {
    return [...this.#servers.values()];
  }

  /** The processes of one definition: more than one where its clients can do different things. */
  variantsOf(id: string): StdioServer[] {
    return this.list().filter(({ identity }) => identity.id === id);
  }

  /** How many servers are in each state. */
  count(): Record<string, number> {
    const counts: Record<string, number> = {
      known: this.#servers.size,
      running: 0,
      starting: 0,
      failed: 0,
    };
    for (const { state } of this.#servers.values()) counts[state] = (counts[state] ?? 0) + 1;
    return counts;
  }

  /** Ends every process and lets none start. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.list().map((server) => server.stop()));
  }

  #forgetOldest(): void {
    if (this.#servers.size < this.#around.config.maxDefinitions) return;
    const [key, oldest] = [...this.#servers].find(([, server]) => server.users === 0) ?? [];
    if (!oldest || key === undefined)
      throw new ServerFailure(
        `The MCP sidecar knows ${this.#servers.size} servers, and all of them are in use: try again later.`,
      );
    this.#servers.delete(key);
    this.#stop(oldest);
  }

  #stop(server: StdioServer): void {
    server
      .stop()
      .catch((error: unknown) =>
        this.#around.log.error(
          { server: server.label, error: String(error) },
          "An MCP server could not be stopped",
        ),
      );
  }

  /**
   * Stops the server that was unused for longest, where the limit is reached. Busy is an error of
   * its own, never "unknown tool".
   */
  #makeRoom(caller: StdioServer): void {
    if (this.#closed)
      throw new ServerFailure("The MCP sidecar is shutting down: try again in a few seconds.");
    if (!this.list().includes(caller))
      throw new ServerFailure("The MCP sidecar has forgotten this server: define it again.");
    const others = this.list().filter(
      (server) => server !== caller && (server.state === "running" || server.state === "starting"),
    );
    if (others.length < this.#around.config.maxProcesses) return;
    const [idle] = others
      .filter((server) => server.state === "running" && server.users === 0)
      .toSorted((a, b) => (a.lastUsedAt ?? 0) - (b.lastUsedAt ?? 0));
    if (!idle) {
      throw new ServerBusy(
        `The MCP sidecar runs ${this.#around.config.maxProcesses} servers already, and all of them are in use: try again later, or raise MCP_SIDECAR_MAX_PROCESSES.`,
      );
    }
    this.#stop(idle);
  }
}
