/**
 * A client's WebSocket on workerd:
 * https://developers.cloudflare.com/workers/runtime-apis/websockets/
 */
import type { AcceptSocket, ClientSocket } from "../src/platform.ts";

type Message = string | Uint8Array;

/**
 * What may wait to be served, in messages: the runtime reads on whatever is taken, so whoever sends
 * more is sent away.
 */
const MAX_INBOX = 256;

/** RFC 6455, 7.4.1: a message that cannot be taken, and a client that does what is not allowed. */
const [TOO_LARGE, POLICY] = [1009, 1008];

/** What a runtime says of a connection that ended without a code, or without a word. */
const [NORMAL, NO_CODE, VANISHED] = [1000, 1005, 1006];

function clientSocket(socket: WorkerWebSocket, maxMessageBytes: number): ClientSocket {
  const gone = new AbortController();
  const inbox: Message[] = [];
  let waiting: ((message: Message | null) => void) | null = null;
  const hand = (message: Message | null) => {
    const taker = waiting;
    waiting = null;
    taker?.(message);
  };
  const end = () => {
    gone.abort(new Error("The client has gone away"));
    hand(null);
  };
  const close = (code: number, reason: string) => {
    if (gone.signal.aborted) return;
    socket.close(code, reason);
  };
  socket.addEventListener("message", ({ data }) => {
    const message = typeof data === "string" ? data : new Uint8Array(data);
    // In UTF-8 it is as long as this at least.
    if (message.length > maxMessageBytes) return close(TOO_LARGE, "The message is too large.");
    if (waiting !== null) return hand(message);
    inbox.push(message);
    if (inbox.length > MAX_INBOX) close(POLICY, "Too many messages at a time.");
  });
  socket.addEventListener("close", ({ code }) => {
    // Our end has to be closed, too: the runtime takes it for hung where a client has vanished, and
    // cuts connections of others (seen 2026-11). There are no such codes to send.
    close(code === NO_CODE || code === VANISHED ? NORMAL : code, "");
    end();
  });
  socket.addEventListener("error", end);
  return {
    gone: gone.signal,
    receive: async () => {
      const next = inbox.shift();
      if (next !== undefined) return next;
      if (gone.signal.aborted) return null;
      return new Promise((resolve) => {
        waiting = resolve;
      });
    },
    send: (text) => {
      if (!gone.signal.aborted) socket.send(text);
    },
    close,
  };
}

/** How a request's connection is taken over; null where it asks for no WebSocket. */
export function socketDoor(request: Request, context: ExecutionContext): AcceptSocket | null {
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return null;
  return ({ protocol, headers, maxMessageBytes, serve }) => {
    const { 0: client, 1: server } = new WebSocketPair();
    server.accept();
    context.waitUntil(serve(clientSocket(server, maxMessageBytes)));
    const chosen = protocol === null ? {} : { "sec-websocket-protocol": protocol };
    const init: WorkerResponseInit = {
      status: 101,
      headers: { ...headers, ...chosen },
      webSocket: client,
    };
    return new Response(null, init);
  };
}
