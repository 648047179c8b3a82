/** A client's WebSocket as the core knows one. */
import type { WebSocket } from "ws";
import type { ClientSocket } from "../platform.ts";

/** So often a client is asked whether it is there: what is between cuts quiet connections. */
const PING_MS = 15_000;

type Message = string | Uint8Array;

/** @param maxUnreadBytes see `Platform` */
export function clientSocket(ws: WebSocket, maxUnreadBytes: number): ClientSocket {
  const gone = new AbortController();
  const inbox: Message[] = [];
  let waiting: ((message: Message | null) => void) | null = null;
  const hand = (message: Message | null) => {
    const taker = waiting;
    waiting = null;
    taker?.(message);
  };
  ws.on("message", (data: Buffer, isBinary) => {
    const message = isBinary ? data : data.toString();
    if (waiting !== null) return hand(message);
    inbox.push(message);
    ws.pause();
  });
  const pings = setInterval(() => ws.ping(), PING_MS);
  ws.once("close", () => {
    clearInterval(pings);
    gone.abort(new Error("The client has gone away"));
    hand(null);
  });
  // What it was is the client's affair: the connection closes, and whoever serves it hears of that.
  ws.on("error", () => undefined);
  return {
    gone: gone.signal,
    receive: async () => {
      const next = inbox.shift();
      if (next !== undefined) return next;
      if (gone.signal.aborted) return null;
      return new Promise((resolve) => {
        waiting = resolve;
        ws.resume();
      });
    },
    send: (text) => {
      const sent = Promise.withResolvers<void>();
      ws.send(text, () => sent.resolve());
      return ws.bufferedAmount > maxUnreadBytes ? sent.promise : undefined;
    },
    close: (code, reason) => {
      ws.close(code, reason);
      // Its client's answer to that is read though nobody takes messages.
      ws.resume();
    },
  };
}
