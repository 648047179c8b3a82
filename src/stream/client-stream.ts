/** A response body that a producer writes, and that ends exactly once. */
export interface ClientStream {
  readable: ReadableStream<Uint8Array>;
  /** Fires when the client has gone away. */
  gone: AbortSignal;
  /**
   * Resolves when the client has taken enough for more to be written. Does nothing once the client
   * is gone.
   */
  write(bytes: Uint8Array): Promise<void> | void;
  /**
   * When something was written last, or when this was opened: by the monotonic clock, in
   * milliseconds.
   */
  lastWriteAt(): number;
  close(): void;
  /** Ends the response in a way that the client notices: its connection breaks. */
  fail(error: unknown): void;
}

/** How a runtime breaks off a response, where an error of its body is not the way. */
export type BreakOff = () => void;

/**
 * @param maxUnreadBytes how far the producer may run ahead of the client, in bytes. On workerd it
 * is unlimited: a producer that waits there for a client which has left is killed as hung, and the
 * record with it (seen 2026-11).
 * @param breakOff ends the connection, when the client has taken what there was before the failure
 */
export function openClientStream(
  maxUnreadBytes: number,
  breakOff: BreakOff | null = null,
): ClientStream {
  const highWaterMark = Math.min(maxUnreadBytes, Number.MAX_SAFE_INTEGER);
  const gone = new AbortController();
  let controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  /** Tools that run at the same time may all write. */
  let waiting: (() => void)[] = [];
  let failed: ReadableStreamDefaultController<Uint8Array> | null = null;
  let lastWriteAt = performance.now();
  const wake = () => {
    const resumed = waiting;
    waiting = [];
    for (const resume of resumed) resume();
  };
  /** What was taken is written in the same turn of the event loop: the connection ends after it. */
  const breakOffWhenTaken = () => {
    const isTaken = failed !== null && failed.desiredSize === highWaterMark;
    if (!isTaken || breakOff === null) return;
    failed = null;
    setTimeout(breakOff);
  };
  const readable = new ReadableStream<Uint8Array>(
    {
      start: (own) => {
        controller = own;
      },
      pull: () => {
        wake();
        breakOffWhenTaken();
      },
      cancel: (reason) => {
        controller = null;
        failed = null;
        gone.abort(reason);
        wake();
      },
    },
    // Counted in bytes: with a count of chunks an empty chunk would be pulled for ever.
    { highWaterMark, size: (chunk) => chunk.byteLength },
  );
  const end = (how: (open: ReadableStreamDefaultController<Uint8Array>) => void) => {
    const open = controller;
    controller = null;
    if (open) how(open);
    wake();
  };
  return {
    readable,
    gone: gone.signal,
    write: (bytes) => {
      if (controller === null || bytes.byteLength === 0) return;
      lastWriteAt = performance.now();
      controller.enqueue(bytes);
      if ((controller.desiredSize ?? 0) > 0) return;
      return new Promise<void>((resolve) => {
        waiting.push(resolve);
      });
    },
    lastWriteAt: () => lastWriteAt,
    close: () => end((open) => open.close()),
    fail: (error) =>
      end((open) => {
        if (breakOff === null) return open.error(error);
        failed = open;
        breakOffWhenTaken();
      }),
  };
}
