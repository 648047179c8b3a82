/**
 * The connections of a server, and how they end. A client that keeps one open may be about to send:
 * to close it then would reset a request that nobody refused, and that not every client tries
 * again.
 */
import { Server as TcpServer, type Socket } from "node:net";
import type { Server, ServerResponse } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";

/** How often it is looked for connections that nobody uses, in milliseconds. */
const SWEEP_MS = 100;
/**
 * How long a connection must have been unused since the draining began, in milliseconds. Clients
 * that are busy use each of theirs within that time, and are told then that it ends.
 */
const UNUSED_MS = 3000;
/**
 * Connections that come between the last look at the listening socket and its closing are reset by
 * the system. So many looks show how short that time can be here; after so many it is closed
 * anyway.
 */
const LEARNING_LOOKS = 50;
const MAX_LOOKS = 1000;

/** What was seen of a connection that nobody used. */
interface Unused {
  since: number;
  bytesRead: number;
}

/** The open connections of one server. */
export interface OpenConnections {
  /** The last response on a connection; undefined before its first request. */
  responseOn(socket: Socket): ServerResponse | undefined;
  /** A connection is one of HTTP no more: whoever has it now ends it. */
  upgraded(socket: Socket): void;
  /**
   * Takes no new connections; resolves when the last one has ended. Those that are unused are
   * closed after a while, all that are left after the limit.
   */
  drain(limitMs: number): Promise<void>;
}

/** A client whose answer has not begun is told with it that its connection ends. */
function endAfterResponse(response: ServerResponse | undefined): void {
  if (response?.headersSent === false) response.shouldKeepAlive = false;
}

/**
 * Resolves behind a turn of the event loop that accepted what waited and did hardly anything else.
 * A turn that is under way already may have looked for connections long ago.
 */
async function untilCalm(): Promise<void> {
  await nextTurn();
  let shortestMs = Infinity;
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const before = performance.now();
    await nextTurn();
    const tookMs = performance.now() - before;
    shortestMs = Math.min(shortestMs, tookMs);
    if (look >= LEARNING_LOOKS && tookMs <= 2 * shortestMs) return;
  }
}

/** Follows the connections of a server that does not listen yet. */
export function followConnections(server: Server): OpenConnections {
  const sockets = new Set<Socket>();
  const responses = new WeakMap<Socket, ServerResponse>();
  const unused = new Map<Socket, Unused>();
  const upgraded = new WeakSet<Socket>();
  const forget = (socket: Socket) => {
    sockets.delete(socket);
    unused.delete(socket);
  };
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => forget(socket));
  });
  const state = { draining: false };
  server.prependListener("request", ({ socket }, response) => {
    responses.set(socket, response);
    // A busy client would keep a closed server open for ever on the connection that it has.
    if (state.draining) response.shouldKeepAlive = false;
  });

  const isAnswering = (socket: Socket) => responses.get(socket)?.writableFinished === false;
  const lookAt = (socket: Socket, now: number): void => {
    const { bytesRead } = socket;
    const seen = unused.get(socket);
    if (isAnswering(socket) || upgraded.has(socket)) unused.delete(socket);
    else if (seen?.bytesRead !== bytesRead) unused.set(socket, { since: now, bytesRead });
    else if (now - seen.since >= UNUSED_MS) socket.destroySoon();
  };
  const sweep = () => {
    const now = performance.now();
    for (const socket of sockets) lookAt(socket, now);
  };
  return {
    responseOn: (socket) => responses.get(socket),
    upgraded: (socket) => {
      responses.delete(socket);
      upgraded.add(socket);
    },
    drain: async (limitMs) => {
      // Who is told that a connection ends opens another one: not before that would be refused.
      await untilCalm();
      // The HTTP server's own `close` closes at once what it takes for idle.
      const ended = new Promise<void>((resolve) => {
        TcpServer.prototype.close.call(server, () => resolve());
      });
      state.draining = true;
      for (const socket of sockets) endAfterResponse(responses.get(socket));
      const timer = setInterval(sweep, SWEEP_MS);
      // Those that were upgraded are no connections of the HTTP server any more.
      const breakAllOff = () => {
        for (const socket of sockets) socket.destroy();
      };
      const limit = setTimeout(breakAllOff, limitMs);
      await ended;
      clearInterval(timer);
      clearTimeout(limit);
    },
  };
}
