import type { ClientStream } from "../stream/client-stream.ts";

/** A client hears something at least this often, or what is between cuts its connection. */
const EVERY_MS = 10_000;

/**
 * Keeps a quiet stream open: writes a comment, between two events, where nothing else was written
 * for a while.
 */
export function keepAlive(client: ClientStream, comment: Uint8Array): { end(): void } {
  const beat = () => {
    const quietMs = performance.now() - client.lastWriteAt();
    const isQuiet = quietMs >= EVERY_MS;
    if (isQuiet) void client.write(comment);
    timer = setTimeout(beat, isQuiet ? EVERY_MS : EVERY_MS - quietMs);
  };
  let timer = setTimeout(beat, EVERY_MS);
  return { end: () => clearTimeout(timer) };
}
