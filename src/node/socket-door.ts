/**
 * Requests whose connection becomes a WebSocket. Until somebody takes it over, such a request is
 * served as any other is, so that it is refused in the same words.
 */
import { ServerResponse, type IncomingMessage, type Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { ApiError } from "../openai/api-error.ts";
import type { AcceptSocket, SocketHandshake } from "../platform.ts";
import { normaliseTarget } from "../routes/normalise-path.ts";
import { clientSocket } from "./client-socket.ts";
import type { OpenConnections } from "./open-connections.ts";

/** Where there is something to upgrade to: all else goes the way of plain requests. */
const SERVED = /^\/v1\/responses(?:\?|$)/;

/** RFC 6455, 4.1: 16 bytes in base64. */
const KEY = /^[+/\dA-Za-z]{22}==$/;

/** How long a client may take to read what is left, and to close: then the connection is cut. */
const CLOSE_TIMEOUT_MS = 10_000;

/** What the adapter takes for the word that an answer was sent by other means. */
const ALREADY_SENT = { "x-hono-already-sent": "true" };

/** Whether a request is one to take out of HTTP, as far as its head says. */
export function mayBecomeSocket({ method, headers, url = "" }: IncomingMessage): boolean {
  const hasBody = "transfer-encoding" in headers || Number(headers["content-length"] ?? 0) > 0;
  if (method !== "GET" || hasBody || headers.upgrade?.toLowerCase() !== "websocket") return false;
  try {
    return SERVED.test(normaliseTarget(url));
  } catch {
    // Whoever reads the request refuses it, and says why.
    return false;
  }
}

/** A request as it came out of HTTP. */
interface Upgrade {
  incoming: IncomingMessage;
  outgoing: ServerResponse;
  socket: Socket;
  /** What the client sent behind its request. */
  head: Buffer;
}

/** What a door needs of its server. */
interface DoorParts {
  connections: OpenConnections;
  maxUnreadBytes: number;
  waitUntil(promise: Promise<unknown>): void;
}

function acceptIn({ incoming, outgoing, socket, head }: Upgrade, parts: DoorParts): AcceptSocket {
  return ({ protocol, headers, maxMessageBytes, serve }: SocketHandshake) => {
    if (!KEY.test(incoming.headers["sec-websocket-key"] ?? ""))
      throw new ApiError("bad_request", "The sec-websocket-key is none.", {
        param: "sec-websocket-key",
      });
    outgoing.detachSocket(socket);
    parts.connections.upgraded(socket);
    // Its types do not have the last one (8.18).
    const options = {
      noServer: true,
      clientTracking: false,
      maxPayload: maxMessageBytes,
      handleProtocols: () => protocol ?? false,
      closeTimeout: CLOSE_TIMEOUT_MS,
    };
    const server = new WebSocketServer(options);
    server.on("headers", (lines) => {
      for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
    });
    server.handleUpgrade(incoming, socket, head, (ws) =>
      parts.waitUntil(serve(clientSocket(ws, parts.maxUnreadBytes))),
    );
    return new Response(null, { headers: ALREADY_SENT });
  };
}

/** Which requests of a server can become WebSockets. */
export interface SocketDoor {
  /** How a request's connection is taken over; null: it cannot be. */
  acceptSocket(incoming: IncomingMessage): AcceptSocket | null;
}

/** Opens the door of a server that was made with {@link mayBecomeSocket}. */
export function openSocketDoor(server: Server, parts: DoorParts): SocketDoor {
  const upgrades = new WeakMap<IncomingMessage, Upgrade>();
  server.on("upgrade", (incoming: IncomingMessage, duplex: Duplex, head: Buffer) => {
    const socket = duplex as Socket;
    const outgoing = new ServerResponse(incoming);
    outgoing.shouldKeepAlive = false;
    outgoing.assignSocket(socket);
    // node:http has let go of it: a client that leaves now is nobody's failure.
    socket.on("error", () => undefined);
    outgoing.once("finish", () => socket.destroySoon());
    upgrades.set(incoming, { incoming, outgoing, socket, head });
    server.emit("request", incoming, outgoing);
  });
  return {
    acceptSocket: (incoming) => {
      const upgrade = upgrades.get(incoming);
      return upgrade === undefined ? null : acceptIn(upgrade, parts);
    },
  };
}
