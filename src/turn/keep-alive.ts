import type { ClientStream } from "../stream/client-stream.ts";

/** A client hears something at least this often, or what is between cuts its connection. */
const EVERY_MS = 10_000;

/**
 * Keeps a quiet stream open: writes a comment, between two events, where nothing else was written
 * for a while.
 */
export function keepAlive(client: ClientStream, comment: Uint8Array): { end(): void } {
  let heard = client.writes();
  const timer = setInterval(() => {
    if (client.writes() === heard) void client.write(comment);
    heard = client.writes();
  }, EVERY_MS);
  return { end: () => clearInterval(timer) };
}
