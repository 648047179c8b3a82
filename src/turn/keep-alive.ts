import type { ClientStream } from "../stream/client-stream.ts";

/** A client hears something at least this often, or what is between cuts its connection. */
const EVERY_MS = 10_000;

/** What a stream is kept open with. */
interface KeepAlive {
  /** A comment of the dialect. */
  comment: Uint8Array;
  /** How often something must be written so that the runtime notices who has left; null: never. */
  noticesLeavingMs: number | null;
}

/**
 * Keeps a quiet stream open: writes a comment, between two events, where nothing else was written
 * for a while.
 */
export function keepAlive(
  client: ClientStream,
  { comment, noticesLeavingMs }: KeepAlive,
): { end(): void } {
  const everyMs = Math.min(EVERY_MS, noticesLeavingMs ?? Infinity);
  const beat = () => {
    const quietMs = performance.now() - client.lastWriteAt();
    const isQuiet = quietMs >= everyMs;
    if (isQuiet) void client.write(comment);
    timer = setTimeout(beat, isQuiet ? everyMs : everyMs - quietMs);
  };
  let timer = setTimeout(beat, everyMs);
  return { end: () => clearTimeout(timer) };
}
