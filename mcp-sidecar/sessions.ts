import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import {
  InitializeRequestSchema,
  type InitializeRequest,
} from "@modelcontextprotocol/sdk/types.js";
import type { SidecarConfig } from "./config.ts";
import { openForwarder } from "./forward-session.ts";
import type { Log } from "./log.ts";
import { capabilitiesOf, type ServerRegistry } from "./server-registry.ts";
import { ServerFailure } from "./server-failure.ts";
import type { StdioServer } from "./stdio-server.ts";

interface Session {
  /** As the caller knows it; the process may be one of several under this id. */
  serverId: string;
  transport: WebStandardStreamableHTTPServerTransport;
  lastUsedAt: number;
  requestsInFlight: number;
}

/** One MCP request over HTTP, its body parsed. */
export interface McpRequest {
  request: Request;
  /** Undefined for GET and DELETE. */
  body: unknown;
}

/**
 * The Streamable HTTP sessions of all servers. Most clients never end theirs
 * (punkpeye/mcp-proxy#79: 108 of 10,593 did), so unused ones are closed after a while, and the
 * oldest unused one where there are too many.
 */
export class Sessions {
  readonly #sessions = new Map<string, Session>();
  readonly #config: SidecarConfig;
  readonly #log: Log;
  readonly #registry: ServerRegistry;
  readonly #reaper: NodeJS.Timeout;

  constructor(registry: ServerRegistry, { config, log }: { config: SidecarConfig; log: Log }) {
    this.#registry = registry;
    this.#config = config;
    this.#log = log;
    this.#reaper = setInterval(() => this.#closeIdle(), Math.min(30_000, config.sessionIdleMs));
    this.#reaper.unref();
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Answers one request to a server's MCP endpoint. */
  async handle(server: StdioServer, { request, body }: McpRequest): Promise<Response> {
    const id = request.headers.get("mcp-session-id");
    const known = id === null ? undefined : this.#sessions.get(id);
    if (id !== null && known?.serverId !== server.identity.id)
      return jsonRpcError(404, { code: -32001, message: "Session not found" });
    const handshake = known ? undefined : InitializeRequestSchema.safeParse(body).data;
    if (known === undefined && handshake === undefined)
      return jsonRpcError(400, {
        code: -32000,
        message: "A session begins with `initialize`, and is named by Mcp-Session-Id",
        id: idsOf(body)[0],
      });
    try {
      const session = known ?? (await this.#open(server, handshake));
      return await this.#answer(session, { request, body });
    } catch (error) {
      if (!(error instanceof ServerFailure) || known) throw error;
      const { code, message, data } = error;
      return jsonRpcError(200, { code, message, data, id: idsOf(body)[0] });
    }
  }

  async #answer(session: Session, { request, body }: McpRequest): Promise<Response> {
    session.lastUsedAt = performance.now();
    const requestIds = idsOf(body);
    session.requestsInFlight += requestIds.length;
    const cancel = () => this.#cancel(session, requestIds);
    request.signal.addEventListener("abort", cancel, { once: true });
    const response = await session.transport.handleRequest(
      request,
      body === undefined ? {} : { parsedBody: body },
    );
    // It was no handshake after all, so nobody knows this session.
    if (session.transport.sessionId === undefined) await session.transport.close();
    return onEnd(response, (wasCancelled) => {
      // Whichever is noticed first: that the body is read no more, or that the connection is gone.
      if (wasCancelled) cancel();
      request.signal.removeEventListener("abort", cancel);
      session.requestsInFlight -= requestIds.length;
      session.lastUsedAt = performance.now();
    });
  }

  async close(): Promise<void> {
    clearInterval(this.#reaper);
    await Promise.all([...this.#sessions.values()].map(({ transport }) => transport.close()));
  }

  async #open(server: StdioServer, handshake: InitializeRequest | undefined): Promise<Session> {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (id) => {
        this.#closeOldest();
        this.#sessions.set(id, session);
      },
    });
    const session: Session = {
      serverId: server.identity.id,
      transport,
      lastUsedAt: performance.now(),
      requestsInFlight: 0,
    };
    const capabilities = capabilitiesOf(handshake?.params.capabilities);
    await openForwarder(this.#registry.forClient(server, capabilities), transport, {
      log: this.#log,
      capabilities,
    });
    const forget = transport.onclose;
    transport.onclose = () => {
      if (transport.sessionId !== undefined) this.#sessions.delete(transport.sessionId);
      forget?.();
    };
    return session;
  }

  /**
   * A caller that hangs up without a word has no use for the result: its calls are cancelled as if
   * it had said so.
   */
  #cancel(session: Session, requestIds: (string | number)[]): void {
    for (const requestId of requestIds) {
      session.transport.onmessage?.({
        jsonrpc: "2.0",
        method: "notifications/cancelled",
        params: { requestId, reason: "The caller hung up" },
      });
    }
  }

  #closeIdle(): void {
    const limit = performance.now() - this.#config.sessionIdleMs;
    for (const session of this.#sessions.values())
      if (session.requestsInFlight === 0 && session.lastUsedAt < limit) this.#end(session);
  }

  /** Makes room for one more; several where many were opened at once. */
  #closeOldest(): void {
    const excess = this.#sessions.size + 1 - this.#config.maxSessions;
    if (excess <= 0) return;
    const oldest = [...this.#sessions.values()]
      .filter(({ requestsInFlight }) => requestsInFlight === 0)
      .toSorted((a, b) => a.lastUsedAt - b.lastUsedAt)
      .slice(0, excess);
    for (const session of oldest) this.#end(session);
    if (oldest.length < excess)
      this.#log.warn(
        { sessions: this.#sessions.size },
        "All MCP sessions are in use, and their limit is exceeded",
      );
  }

  #end(session: Session): void {
    session.transport
      .close()
      .catch((error: unknown) =>
        this.#log.warn({ error: String(error) }, "An MCP session did not close"),
      );
  }
}

function idsOf(body: unknown): (string | number)[] {
  return (Array.isArray(body) ? body : [body]).flatMap((message: unknown) => {
    const id =
      typeof message === "object" && message !== null && "method" in message && "id" in message
        ? message.id
        : undefined;
    return typeof id === "string" || typeof id === "number" ? [id] : [];
  });
}

/** The same response, and a call once its body has ended, failed or been cancelled. */
function onEnd(response: Response, run: (wasCancelled: boolean) => void): Response {
  let hasEnded = false;
  const ended = (wasCancelled = false) => {
    if (!hasEnded) run(wasCancelled);
    hasEnded = true;
  };
  if (response.body === null) {
    ended();
    return response;
  }
  const reader = response.body.getReader();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        controller.close();
      } catch (error) {
        controller.error(error);
      }
      ended();
    },
    async cancel(reason) {
      ended(true);
      await reader.cancel(reason);
    },
  });
  return new Response(body, response);
}

/** A JSON-RPC error; without an id it answers no request in particular. */
export function jsonRpcError(
  status: number,
  {
    id = null,
    ...error
  }: { code: number; message: string; data?: unknown; id?: string | number | null | undefined },
): Response {
  return Response.json({ jsonrpc: "2.0", error, id }, { status });
}
