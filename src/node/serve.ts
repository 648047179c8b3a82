import { getRequestListener, RequestError } from "@hono/node-server";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { v7 as uuidv7 } from "uuid";
import { createApp } from "../app.ts";
import { checkHost } from "../auth/check-host.ts";
import { clientAddressOf } from "../config/client-address.ts";
import { ApiError } from "../openai/api-error.ts";
import type { Logger, Platform, RequestScope } from "../platform.ts";
import { endpointOf } from "../routes/normalise-path.ts";
import { describeError } from "../store/describe-error.ts";
import { breakOff, shielded } from "./break-off.ts";
import { driveBackground } from "./drive-background.ts";
import { continueWhenRead } from "./expect-continue.ts";
import { answerHalfClosed } from "./half-closed.ts";
import { keepSpelling, normaliseIncoming } from "./normalise-incoming.ts";
import { answerRefused, refuseBytes, refuseRequest } from "./refuse-request.ts";
import { followConnections, type OpenConnections } from "./open-connections.ts";
import { headLimit, limitBodies } from "./request-limit.ts";
import { servePage } from "./serve-page.ts";
import { mayBecomeSocket, openSocketDoor } from "./socket-door.ts";

/** A server that listens. */
export interface RunningServer {
  url: string;
  /** Takes no new connections, lets running requests end within the limit, then breaks them off. */
  drain(limitMs: number): Promise<void>;
}

/** Fires when the connection ends before the response does. */
function clientGone(outgoing: ServerResponse): AbortSignal {
  const gone = new AbortController();
  outgoing.once("close", () => {
    if (!outgoing.writableFinished) gone.abort(new Error("The client has gone away"));
  });
  return gone.signal;
}

/** What is left of a turn after its response is awaited before the process ends. */
function createBackground(platform: Platform) {
  const running = new Set<Promise<unknown>>();
  return {
    waitUntil: (promise: Promise<unknown>) => {
      const settled = promise.catch((error: unknown) =>
        platform.logger.error("Work behind a response failed", { error: describeError(error) }),
      );
      running.add(settled);
      void settled.finally(() => running.delete(settled));
    },
    settled: () => Promise.all(running),
  };
}

/** A `Host` header that is none, say: the adapter finds it. Anything else is a bug. */
function refusalOf(error: unknown): unknown {
  if (!(error instanceof RequestError)) return error;
  return new ApiError("bad_request", `This is no HTTP request: ${error.message}.`, {
    cause: error,
  });
}

function urlOf({ address, family, port }: AddressInfo): string {
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}

function named(answer: Response, requestId: string): Response {
  answer.headers.set("x-proxy-request-id", requestId);
  return answer;
}

/** Answers in our shape where node:http could not read what a client sent. */
function refuseUnreadable(server: Server, connections: OpenConnections, logger: Logger): void {
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    const answer = connections.responseOn(socket);
    const isAnswering = answer?.headersSent === true && !answer.writableFinished;
    // Who opened a connection and said nothing, as browsers do, must not find an answer on it
    // later.
    const isSilent = socket.bytesRead === 0;
    if (error.code === "ECONNRESET" || !socket.writable || isAnswering || isSilent)
      socket.destroy(error);
    else void refuseBytes(error, { socket, logger });
  });
}

/** One connection's two sides of a request. */
interface Exchange {
  incoming: IncomingMessage;
  outgoing: ServerResponse;
}

/**
 * Listens, and gives each request what the core needs to know of its connection: Node's side of
 * `fetch(request, env, ctx)`.
 */
export function startServer(platform: Platform): Promise<RunningServer> {
  const { logger } = platform;
  const { host, port, requestTimeoutMs, trustedProxies } = platform.config;
  const app = createApp();
  const background = createBackground(platform);
  const ending = new AbortController();
  const addressOf = ({ socket, headers }: IncomingMessage) =>
    clientAddressOf(trustedProxies, socket.remoteAddress ?? "unknown", (name) => {
      const value = headers[name];
      return Array.isArray(value) ? value.join(",") : (value ?? null);
    });
  const refusals = new WeakMap<IncomingMessage, Error>();
  const handle = (request: Request, { incoming, outgoing }: Exchange) => {
    const requestId = uuidv7();
    // The page is served before the app, which checks what is its own.
    const path = endpointOf(request.url);
    if (!path.startsWith("/v1/")) checkHost(platform.config, request, path);
    const page = servePage(incoming);
    if (page !== null) return page.then((answer) => named(answer, requestId));
    keepSpelling(request, incoming);
    const scope: RequestScope = {
      platform,
      requestId,
      clientGone: clientGone(outgoing),
      breakOff: () => breakOff(outgoing),
      acceptSocket: door.acceptSocket(incoming),
      ending: ending.signal,
      clientAddress: addressOf(incoming),
      waitUntil: background.waitUntil,
    };
    const refusal = refusals.get(incoming);
    if (refusal !== undefined) scope.refusal = refusal;
    const answering = app.fetch(request, scope);
    // What is behind these breaks off by itself, and an answer in a shield takes a slower way.
    if (incoming.url?.startsWith("/v1/") === true) return answering;
    return Promise.resolve(answering).then((answer) => shielded(answer, outgoing, logger));
  };
  const listen = getRequestListener(handle as Parameters<typeof getRequestListener>[0], {
    hostname: host,
    errorHandler: (error) => answerRefused(refusalOf(error), logger),
  });
  const server = createServer(
    {
      ...headLimit(requestTimeoutMs),
      keepAliveTimeout: 65_000,
      shouldUpgradeCallback: mayBecomeSocket,
    },
    (incoming, outgoing) => {
      try {
        const refusal = normaliseIncoming(incoming);
        if (refusal !== null) refusals.set(incoming, refusal);
      } catch (error) {
        return void refuseRequest(error, { outgoing, logger });
      }
      void listen(incoming, outgoing);
    },
  );
  const connections = followConnections(server);
  const { maxUnreadBytes } = platform;
  const door = openSocketDoor(server, { ...background, connections, maxUnreadBytes });
  refuseUnreadable(server, connections, logger);
  answerHalfClosed(server, connections);
  continueWhenRead(server);
  limitBodies(server, requestTimeoutMs);
  const waitUntil = background.waitUntil;
  const driver = driveBackground({ platform, ending: ending.signal, waitUntil });
  const drain = async (limitMs: number) => {
    ending.abort();
    await Promise.all([connections.drain(limitMs), driver.close(limitMs)]);
    await background.settled();
  };
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () =>
      resolve({ url: urlOf(server.address() as AddressInfo), drain }),
    );
  });
}
