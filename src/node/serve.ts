import { serve, type ServerType } from "@hono/node-server";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { v7 as uuidv7 } from "uuid";
import { createApp } from "../app.ts";
import type { Platform, RequestScope } from "../platform.ts";
import { describeError } from "../store/describe-error.ts";
import { servePage } from "./serve-page.ts";

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

const SWEEP_MS = 100;

function closed(server: ServerType): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

/**
 * Listens, and gives each request what the core needs to know of its connection: Node's side of
 * `fetch(request, env, ctx)`.
 */
export function startServer(platform: Platform): Promise<RunningServer> {
  const app = createApp();
  const background = createBackground(platform);
  const state = { draining: false };
  const ending = new AbortController();
  const handle = (
    request: Request,
    { incoming, outgoing }: { incoming: IncomingMessage; outgoing: ServerResponse },
  ) => {
    // A busy client would keep a closed server open for ever on the connection that it has.
    if (state.draining) outgoing.shouldKeepAlive = false;
    const page = servePage(incoming);
    if (page !== null) return page;
    const scope: RequestScope = {
      platform,
      requestId: uuidv7(),
      clientGone: clientGone(outgoing),
      ending: ending.signal,
      clientAddress: incoming.socket.remoteAddress ?? "unknown",
      waitUntil: background.waitUntil,
    };
    return app.fetch(request, scope);
  };
  return new Promise((resolve, reject) => {
    const { host, port } = platform.config;
    // Requests may take as long as their upstream: only the wait for a request's headers has a
    // limit.
    const server = serve(
      {
        fetch: handle as Parameters<typeof serve>[0]["fetch"],
        hostname: host,
        port,
        serverOptions: { requestTimeout: 0, keepAliveTimeout: 65_000 },
      },
      (address: AddressInfo) => {
        const name = address.family === "IPv6" ? `[${address.address}]` : address.address;
        resolve({
          url: `http://${name}:${address.port}`,
          drain: async (limitMs) => {
            state.draining = true;
            ending.abort();
            const ended = closed(server);
            // Connections whose last request began before: they stay open, idle, for as long as
            // keep-alive lets them.
            const sweep = setInterval(
              () => "closeIdleConnections" in server && server.closeIdleConnections(),
              SWEEP_MS,
            );
            const timer = setTimeout(
              () => "closeAllConnections" in server && server.closeAllConnections(),
              limitMs,
            );
            await ended;
            clearInterval(sweep);
            clearTimeout(timer);
            await background.settled();
          },
        });
      },
    );
    server.once("error", reject);
  });
}
