/** A client's WebSocket as the core knows one. */
import type { WebSocket } from "ws";
import type { ClientSocket } from "../platform.ts";
import { textOf } from "../stream/bytes-text.ts";

/** So often a client is asked whether it is there: what is between cuts quiet connections. */
const PING_MS = 15_000;

/** As it came. */
interface Message {
  bytes: Buffer;
  isText: boolean;
}

/** A message as it is served. A large one is decoded in pieces, between which others go. */
const served = ({ bytes, isText }: Message): Promise<string> | Uint8Array =>
  isText ? textOf(bytes) : bytes;

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
  ws.on("message", (bytes: Buffer, isBinary) => {
    const message = { bytes, isText: !isBinary };
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
      if (next !== undefined) return served(next);
      if (gone.signal.aborted) return null;
      const message = await new Promise<Message | null>((resolve) => {
        waiting = resolve;
        ws.resume();
      });
      return message === null ? null : served(message);
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
