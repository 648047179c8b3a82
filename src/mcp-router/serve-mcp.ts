import { createMcpHandler } from "@modelcontextprotocol/server";
import { authenticate } from "../auth/authenticate.ts";
import { requireAllowedHost } from "../auth/check-host.ts";
import { ApiError } from "../openai/api-error.ts";
import { isObject, readJsonBody, type JsonObject } from "../openai/json.ts";
import type { RequestScope } from "../platform.ts";
import { describeError } from "../store/describe-error.ts";
import { readBody } from "../stream/read-body.ts";
import { checkOrigin, corsHeaders } from "./check-origin.ts";
import { mcpError } from "./mcp-error.ts";
import { createRouterServer } from "./router-server.ts";
import type { AskProxy, RouterCaller } from "./router-tool.ts";
import { cancelRunningCall, endSession, hasEnded, openRunningCall } from "./running-calls.ts";

/** Serves a request by this proxy's own routes. */
export type ServeInside = (request: Request, scope: RequestScope) => Response | Promise<Response>;

interface McpRequest {
  scope: RequestScope;
  request: Request;
  serveInside: ServeInside;
  /** Of the product. */
  version: string;
}

const PARSE_ERROR = -32700;
const SESSION_HEADER = "mcp-session-id";
/** Comments in streams, so that nothing between cuts a connection on which a model thinks. */
const KEEP_ALIVE_MS = 15_000;

/** What an HTTP client of the proxy would send too; all else of an MCP request is about MCP. */
const HANDED_ON =
  /^(?:authorization|user-agent|openai-.*|x-proxy-tools|x-conversation-id|traceparent|tracestate|baggage)$/;

/** Requests of the same client to the routes for HTTP; the record has them under `/mcp`. */
function proxyAsker({ scope, request, serveInside }: McpRequest): AskProxy {
  const handedOn = [...request.headers].filter(([name]) => HANDED_ON.test(name));
  return async ({ method, path, headers, body, signal }) => {
    const bytes = body === undefined ? null : new TextEncoder().encode(JSON.stringify(body));
    const about =
      bytes === null
        ? {}
        : { "content-type": "application/json", "content-length": String(bytes.byteLength) };
    const inside = new Request(new URL(path, request.url), {
      method,
      headers: { ...Object.fromEntries(handedOn), ...about, ...headers },
      body: bytes,
    });
    const own = { clientGone: signal, breakOff: null, acceptSocket: null, endpoint: "/mcp" };
    return serveInside(inside, { ...scope, ...own });
  };
}

/**
 * The one message of a request, or why it is none.
 * @throws ApiError for a batch, which the eras since 2025-06-18 do not have
 */
async function readMessage(request: Request, maxBytes: number): Promise<JsonObject | ApiError> {
  const text = await (await readBody(request, maxBytes)).text();
  const message = await readJsonBody(text).catch((error: unknown) => {
    // What is beyond a bound cannot be parsed.
    if (error instanceof ApiError && error.status === 400) return error;
    throw error;
  });
  if (Array.isArray(message))
    throw new ApiError(
      "bad_request",
      "Send one JSON-RPC message per request: batches are not served.",
    );
  if (isObject(message) || message instanceof ApiError) return message;
  return new ApiError("bad_request", "The request body is no JSON-RPC message.");
}

/**
 * What ends a request before its answer: the client has left or cancelled it; and what lasts for
 * ever ends with the server.
 */
function endOf(
  { scope }: McpRequest,
  message: JsonObject,
  cancelled: AbortSignal | null,
): AbortSignal {
  const signals = [scope.clientGone, ...(cancelled === null ? [] : [cancelled])];
  return AbortSignal.any(
    message["method"] === "subscriptions/listen" ? [...signals, scope.ending] : signals,
  );
}

interface Served extends McpRequest {
  caller: RouterCaller;
  /** What tells its calls from those of others, where the client has a session. */
  session: string | null;
}

/** Serves one message, of whichever era, by a server that is made for it. */
async function answer(parts: Served, message: JsonObject, signal: AbortSignal): Promise<Response> {
  const { platform } = parts.scope;
  const handler = createMcpHandler(() => createRouterServer(parts.caller, parts.version), {
    // A call's answer begins at once, so that a client that waits for a model is not cut off.
    responseMode: message["method"] === "tools/call" ? "sse" : "auto",
    keepAliveMs: Math.min(KEEP_ALIVE_MS, platform.noticesLeavingMs ?? Infinity),
    onerror: (error) =>
      platform.logger.debug("An MCP request was refused, or went wrong", {
        error: describeError(error),
      }),
  });
  const { url, headers } = parts.request;
  return handler.fetch(new Request(url, { method: "POST", headers, signal }), {
    parsedBody: message,
  });
}

/** A response whose end, of whatever kind, is told. */
function whenEnded(response: Response, onEnd: () => void): Response {
  if (response.body === null) {
    onEnd();
    return response;
  }
  const reader = response.body.getReader();
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        onEnd();
        controller.close();
      } catch (error) {
        onEnd();
        controller.error(error);
      }
    },
    cancel: async (reason) => {
      onEnd();
      await reader.cancel(reason);
    },
  });
  return new Response(body, response);
}

async function servePost(parts: Served): Promise<Response> {
  const { request, scope, session } = parts;
  const { memory, config } = scope.platform;
  const message = await readMessage(request, config.maxBodyBytes);
  if (message instanceof ApiError) return mcpError(message, PARSE_ERROR);
  const { method, id, params } = message;
  if (method === "notifications/cancelled" && session !== null && isObject(params))
    cancelRunningCall(memory, session, JSON.stringify(params["requestId"]));
  if (method !== "tools/call" || session === null) {
    const response = await answer(parts, message, endOf(parts, message, null));
    if (method === "initialize" && response.ok)
      response.headers.set(SESSION_HEADER, crypto.randomUUID());
    return response;
  }
  const running = openRunningCall(scope.platform, session, JSON.stringify(id));
  try {
    return whenEnded(
      await answer(parts, message, endOf(parts, message, running.cancelled)),
      running.close,
    );
  } catch (error) {
    running.close();
    throw error;
  }
}

async function serveAllowed(parts: McpRequest): Promise<Response> {
  const { request, scope } = parts;
  const { memory } = scope.platform;
  const key = await authenticate(scope, request.headers);
  const sessionId = request.headers.get(SESSION_HEADER);
  // Another key's session of the same name is another session.
  const session = sessionId === null ? null : `${key.id} ${sessionId}`;
  if (session !== null && hasEnded(memory, session))
    throw new ApiError("not_found", "This session was ended. Begin a new one with initialize.");
  if (request.method === "POST")
    return servePost({ ...parts, session, caller: { scope, key, askProxy: proxyAsker(parts) } });
  if (request.method === "DELETE" && session !== null) {
    endSession(memory, session);
    return new Response(null, { status: 204 });
  }
  throw new ApiError(
    "method_not_allowed",
    "Send JSON-RPC messages by POST. There is no stream to be opened by GET here.",
    {
      headers: { allow: "POST, DELETE" },
    },
  );
}

/**
 * The proxy as an MCP server: one request of the Streamable HTTP transport, in the era that the
 * client speaks.
 */
export async function serveMcp(parts: McpRequest): Promise<Response> {
  const { request, scope } = parts;
  try {
    requireAllowedHost(scope.platform.config, request);
    checkOrigin(scope.platform.config, request);
  } catch (error) {
    if (error instanceof ApiError) return mcpError(error);
    throw error;
  }
  const cors = corsHeaders(request);
  if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: cors });
  const response = await serveAllowed(parts).catch((error: unknown) => {
    if (error instanceof ApiError) return mcpError(error);
    throw error;
  });
  for (const [name, value] of Object.entries(cors)) response.headers.set(name, value);
  return response;
}
