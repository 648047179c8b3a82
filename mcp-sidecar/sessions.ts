import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import type { SidecarConfig } from "./config.ts";
import { createForwarder } from "./forward-tools.ts";
import type { Log } from "./log.ts";
import type { StdioServer } from "./stdio-server.ts";

interface Session {
  server: StdioServer;
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
 * The Streamable HTTP sessions of all servers. Most clients never end theirs (punkpeye/mcp-proxy#79: 108 of 10,593 did), so
 * unused ones are closed after a while, and the oldest unused one where there are too many.
 */
export class Sessions {
  readonly #sessions = new Map<string, Session>();
  readonly #config: SidecarConfig;
  readonly #log: Log;
  readonly #reaper: NodeJS.Timeout;

  constructor(config: SidecarConfig, log: Log) {
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
    if (id !== null && known?.server !== server) return jsonRpcError(404, { code: -32001, message: "Session not found" });
    const session = known ?? (await this.#open(server));
    session.lastUsedAt = Date.now();
    const requestIds = idsOf(body);
    session.requestsInFlight += requestIds.length;
    request.signal.addEventListener("abort", () => this.#cancel(session, requestIds), { once: true });
    const response = await session.transport.handleRequest(request, body === undefined ? {} : { parsedBody: body });
    // It was no handshake, so nobody knows this session.
    if (session.transport.sessionId === undefined) await session.transport.close();
    return onEnd(response, () => {
      session.requestsInFlight -= requestIds.length;
      session.lastUsedAt = Date.now();
    });
  }

  async close(): Promise<void> {
    clearInterval(this.#reaper);
    await Promise.all([...this.#sessions.values()].map(({ transport }) => transport.close()));
  }

  async #open(server: StdioServer): Promise<Session> {
    if (this.#sessions.size >= this.#config.maxSessions) this.#closeOldest();
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (id) => void this.#sessions.set(id, session),
    });
    const session: Session = { server, transport, lastUsedAt: Date.now(), requestsInFlight: 0 };
    const forwarder = createForwarder(server, { log: this.#log, callLimitMs: this.#config.callLimitMs });
    await forwarder.connect(transport);
    const forget = transport.onclose;
    transport.onclose = () => {
      if (transport.sessionId !== undefined) this.#sessions.delete(transport.sessionId);
      forget?.();
    };
    return session;
  }

  /** A caller that hangs up without a word has no use for the result: its calls are cancelled as if it had said so. */
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
    const limit = Date.now() - this.#config.sessionIdleMs;
    for (const session of this.#sessions.values()) if (session.requestsInFlight === 0 && session.lastUsedAt < limit) this.#end(session);
  }

  #closeOldest(): void {
    const [oldest] = [...this.#sessions.values()]
      .filter(({ requestsInFlight }) => requestsInFlight === 0)
      .toSorted((a, b) => a.lastUsedAt - b.lastUsedAt);
    if (oldest) this.#end(oldest);
    else this.#log.warn({ sessions: this.#sessions.size }, "All MCP sessions are in use, and their limit is exceeded");
  }

  #end(session: Session): void {
    session.transport.close().catch((error: unknown) => this.#log.warn({ error: String(error) }, "An MCP session did not close"));
  }
}

function idsOf(body: unknown): (string | number)[] {
  return (Array.isArray(body) ? body : [body]).flatMap((message: unknown) => {
    const id = typeof message === "object" && message !== null && "method" in message && "id" in message ? message.id : undefined;
    return typeof id === "string" || typeof id === "number" ? [id] : [];
  });
}

/** The same response, and a call once its body has ended, failed or been cancelled. */
function onEnd(response: Response, run: () => void): Response {
  let hasEnded = false;
  const ended = () => {
    if (!hasEnded) run();
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
      ended();
      await reader.cancel(reason);
    },
  });
  return new Response(body, response);
}

/** A JSON-RPC error that answers no request in particular. */
export function jsonRpcError(status: number, error: { code: number; message: string }): Response {
  return Response.json({ jsonrpc: "2.0", error, id: null }, { status });
}
