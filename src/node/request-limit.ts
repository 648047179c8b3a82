/**
 * How long a request may take to arrive. Its head must be there within the limit. Its body has the
 * same time, and a second more for each 16 KB that came of it: an upload may take hours, a trickle
 * ends. While we do not read, because upstream takes no more, no time passes.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { ApiError } from "../openai/api-error.ts";

/** What a body must bring to be given more time, in bytes per second. */
const MIN_BYTES_PER_SECOND = 16 * 1024;
/** How often it is looked, in milliseconds at most; short limits are looked after sooner. */
const LOOK_MS = 1000;
const LOOKS_PER_LIMIT = 10;

/** How often to look whether a limit is over, in milliseconds. */
const everyMs = (limitMs: number): number => Math.min(LOOK_MS, limitMs / LOOKS_PER_LIMIT);

/** Options of a server, by which node:http itself limits the time of heads. */
export const headLimit = (limitMs: number) => ({
  headersTimeout: limitMs,
  // Node's own limit knows no upload that goes on; and it is no limit for heads where it is 0.
  requestTimeout: 0,
  connectionsCheckingInterval: everyMs(limitMs),
});

/** A request whose body is on its way. */
interface Arriving {
  incoming: IncomingMessage;
  outgoing: ServerResponse;
  /** What its connection had carried when it began, in bytes. */
  bytesBefore: number;
  /** How long it has been waited for, in milliseconds. */
  waitedMs: number;
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;

/** Whether all that came was read: it is the client's turn. */
const isAwaited = ({ incoming }: Arriving): boolean => incoming.readableLength === 0;

const isOver = ({ incoming, outgoing }: Arriving): boolean =>
  incoming.complete || incoming.destroyed || outgoing.destroyed;

function tooSlow(limitMs: number): ApiError {
  const seconds = Math.round(limitMs / 100) / 10;
  return new ApiError(
    "request_timeout",
    `The body of this request did not come within ${seconds} s, and was slower than 16 KB a second. Send it again; the operator of this proxy can raise REQUEST_TIMEOUT_MS.`,
  );
}

/**
 * Ends a request that came too slowly: whoever reads its body hears why, and answers; the
 * connection cannot be used again. Where the answer has begun, it is broken off.
 */
function endRequest({ incoming, outgoing }: Arriving, error: ApiError): void {
  outgoing.shouldKeepAlive = false;
  if (outgoing.headersSent) return incoming.socket.destroySoon();
  // Node would destroy the connection too, on which the answer has to go.
  // oxlint-disable-next-line no-underscore-dangle
  incoming._destroy = (reason, done) => done(incoming.listenerCount("error") === 0 ? null : reason);
  incoming.destroy(error);
}

/** Watches over the bodies of a server's requests until it is closed. */
export function limitBodies(server: Server, limitMs: number): void {
  const arriving = new Set<Arriving>();
  const look = (): void => {
    for (const one of arriving) {
      if (isOver(one)) {
        arriving.delete(one);
        continue;
      }
      if (isAwaited(one)) one.waitedMs += everyMs(limitMs);
      const came = one.incoming.socket.bytesRead - one.bytesBefore;
      if (one.waitedMs <= limitMs + (came / MIN_BYTES_PER_SECOND) * 1000) continue;
      arriving.delete(one);
      endRequest(one, tooSlow(limitMs));
    }
  };
  server.prependListener("request", (incoming, outgoing) => {
    if (!hasBody(incoming) || incoming.complete) return;
    const bytesBefore = incoming.socket.bytesRead;
    arriving.add({ incoming, outgoing, bytesBefore, waitedMs: 0 });
  });
  const timer = setInterval(look, everyMs(limitMs)).unref();
  server.once("close", () => clearInterval(timer));
}
