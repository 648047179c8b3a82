/** Remote MCP servers of both eras, made with both SDKs, and what they were asked. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { createMcpHandler, Server as ModernServer } from "@modelcontextprotocol/server";
import { Server as LegacyServer } from "@modelcontextprotocol/sdk/server/index.js";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { onTestFinished } from "vitest";

type Json = Record<string, unknown>;

/** What a server offers, and does. */
export interface RemoteTools {
  tools: Json[];
  /** How many to a page; all on one where it is not given. */
  pageSize?: number;
  call?(call: {
    name: string;
    args: Json;
    signal: AbortSignal;
    progress(value: number): Promise<void>;
  }): Promise<Json> | Json;
}

/** `modern`: 2026-07-28 only. `both`. `stateless` and `stateful`: 2025-11-25, on SDK v1. */
export type Spoken = "modern" | "both" | "stateless" | "stateful";

type Handle = (request: Request) => Promise<Response>;

/** One HTTP request that a server got. */
export interface HeardRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  /** JSON-RPC method, where it has one. */
  rpc: string;
}

/** A server that is listening. */
export interface RemoteServer {
  url: string;
  heard: HeardRequest[];
  /** JSON-RPC methods in the order in which they came. */
  methods(): string[];
  /** From now on it is another server, at the same place. */
  become(spoken: Spoken): void;
}

/** A tool as servers list it. */
export const tool = (name: string, more: Json = {}): Json => ({
  name,
  description: `${name} it`,
  inputSchema: { type: "object" },
  ...more,
});

const CAPABILITIES = { capabilities: { tools: {} } };
const WHO = { name: "remote", version: "1" };

function pageOf({ tools, pageSize = tools.length }: RemoteTools, cursor: unknown): Json {
  const start = typeof cursor === "string" ? Number(cursor) : 0;
  const end = start + pageSize;
  return {
    tools: tools.slice(start, end),
    ...(end < tools.length ? { nextCursor: String(end) } : {}),
  };
}

/** What both SDKs hand to a handler, by the names that it has in v1. */
interface Extra {
  signal: AbortSignal;
  notify(value: number): Promise<void>;
}

async function answer(
  offer: RemoteTools,
  params: { name: string; arguments?: Json | undefined },
  { signal, notify }: Extra,
): Promise<Json> {
  const args = params.arguments ?? {};
  return (
    (await offer.call?.({ name: params.name, args, signal, progress: notify })) ?? {
      content: [{ type: "text", text: `${params.name}: ${JSON.stringify(args)}` }],
    }
  );
}

function modernHandler(offer: RemoteTools, legacy: "reject" | "stateless"): Handle {
  const handler = createMcpHandler(
    () => {
      const server = new ModernServer(WHO, CAPABILITIES);
      server.setRequestHandler(
        "tools/list",
        (request) => pageOf(offer, request.params?.cursor) as never,
      );
      server.setRequestHandler("tools/call", (request, { mcpReq }) => {
        const progressToken = mcpReq["_meta"]?.progressToken ?? 0;
        const notify = (progress: number) =>
          mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress } });
        return answer(offer, request.params, { signal: mcpReq.signal, notify }) as never;
      });
      return server;
    },
    { legacy },
  );
  return (request) => handler.fetch(request);
}

function legacyServer(offer: RemoteTools): LegacyServer {
  const server = new LegacyServer(WHO, CAPABILITIES);
  server.setRequestHandler(
    ListToolsRequestSchema,
    (request) => pageOf(offer, request.params?.cursor) as never,
  );
  server.setRequestHandler(CallToolRequestSchema, (request, extra) => {
    const progressToken = extra["_meta"]?.progressToken ?? 0;
    const notify = (progress: number) =>
      extra.sendNotification({
        method: "notifications/progress",
        params: { progressToken, progress },
      });
    return answer(offer, request.params, { signal: extra.signal, notify });
  });
  return server;
}

function statelessHandler(offer: RemoteTools): Handle {
  return async (request) => {
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const server = legacyServer(offer);
    const transport = new WebStandardStreamableHTTPServerTransport({});
    await server.connect(transport);
    // Without a session, hanging up is all that reaches the instance that runs the call.
    request.signal.addEventListener("abort", () => void server.close());
    return transport.handleRequest(request);
  };
}

function statefulHandler(offer: RemoteTools): Handle {
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();
  return async (request) => {
    const id = request.headers.get("mcp-session-id");
    const known = id === null ? undefined : sessions.get(id);
    if (known !== undefined) return known.handleRequest(request);
    if (id !== null)
      return Response.json(
        { jsonrpc: "2.0", error: { code: -32001, message: "Session not found" }, id: null },
        { status: 404 },
      );
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (session) => void sessions.set(session, transport),
    });
    await legacyServer(offer).connect(transport);
    return transport.handleRequest(request);
  };
}

const HANDLERS: Record<Spoken, (offer: RemoteTools) => Handle> = {
  modern: (offer) => modernHandler(offer, "reject"),
  both: (offer) => modernHandler(offer, "stateless"),
  stateless: statelessHandler,
  stateful: statefulHandler,
};

/** Serves what `handle` answers on a free port, until the test has finished. */
export async function serve(handle: Handle): Promise<{ url: string; heard: HeardRequest[] }> {
  const heard: HeardRequest[] = [];
  const listener = getRequestListener(async (request) => {
    const body = request.method === "POST" ? await request.clone().text() : "";
    const message = body.startsWith("{") ? (JSON.parse(body) as { method?: string }) : {};
    const { pathname: path } = new URL(request.url);
    heard.push({
      method: request.method,
      path,
      headers: Object.fromEntries(request.headers),
      rpc: message.method ?? "",
    });
    return handle(request);
  });
  const server = createServer(
    (request: IncomingMessage, response: ServerResponse) => void listener(request, response),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  // What a proxy learns of a server is kept, and another may come to listen at the same port.
  return { url: `http://127.0.0.1:${port}/mcp?${crypto.randomUUID()}`, heard };
}

/**
 * Starts a server that speaks so.
 * @param authorization what it wants to see in that header, where it wants anything
 */
export async function startRemote(
  spoken: Spoken,
  offer: RemoteTools,
  authorization?: string,
): Promise<RemoteServer> {
  let handle = HANDLERS[spoken](offer);
  const { url, heard } = await serve(async (request) => {
    const given = request.headers.get("authorization");
    if (authorization === undefined || given === authorization) return handle(request);
    return Response.json(
      { error: "invalid_token", error_description: `no such token: ${given}` },
      { status: 401 },
    );
  });
  return {
    url,
    heard,
    methods: () => heard.map(({ method, rpc }) => rpc || method),
    become: (other) => void (handle = HANDLERS[other](offer)),
  };
}

interface RpcAnswer {
  result?: Json;
  error?: { code: number; message: string };
  status?: number;
}

/** A server that says what no SDK would, in the era that it is asked in. */
export async function serveRaw(
  speaks: "modern" | "legacy",
  reply: (message: { method: string; params: Json }, headers: Record<string, string>) => RpcAnswer,
): Promise<{ url: string; heard: HeardRequest[] }> {
  const own: Record<string, Json> =
    speaks === "modern"
      ? {
          "server/discover": {
            supportedVersions: ["2026-07-28"],
            ...CAPABILITIES,
            ttlMs: 0,
            cacheScope: "private",
          },
        }
      : { initialize: { protocolVersion: "2025-11-25", ...CAPABILITIES, serverInfo: WHO } };
  return serve(async (request) => {
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const {
      id,
      method,
      params = {},
    } = (await request.json()) as { id?: number | string; method: string; params?: Json };
    if (id === undefined) return new Response(null, { status: 202 });
    const isOther = method === (speaks === "modern" ? "initialize" : "server/discover");
    const unknown: RpcAnswer = {
      error: { code: -32601, message: "Method not found" },
      status: speaks === "modern" ? 404 : 200,
    };
    const result = own[method];
    const { status = 200, ...said } = isOther
      ? unknown
      : result
        ? { result }
        : reply({ method, params }, Object.fromEntries(request.headers));
    if (said.result !== undefined && speaks === "modern")
      said.result = { resultType: "complete", ...said.result };
    return Response.json({ jsonrpc: "2.0", id, ...said }, { status });
  });
}
