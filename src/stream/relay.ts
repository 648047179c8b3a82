import { brokeOff } from "../openai/upstream-error.ts";
import { openClientStream, type BreakOff } from "./client-stream.ts";

/** Who reads along. */
export interface RelayTap {
  /**
   * Each chunk, before the client has it. The promise that it may give back is waited for: a tap
   * that falls behind slows upstream down, and holds little.
   */
  onChunk(bytes: Uint8Array): void | Promise<void>;
  /**
   * How it ended; resolves before the client sees the end, so that what must be kept is kept.
   */
  onEnd(end: RelayEnd): void | Promise<void>;
}

/**
 * `failed`: upstream broke off (an `ApiError`), or a tap has a bug (anything else). `cancelled`: the
 * client went away.
 */
export type RelayEnd =
  | { status: "completed" }
  | { status: "failed"; error: unknown }
  | { status: "cancelled" };

interface RelayOptions {
  maxUnreadBytes: number;
  /**
   * Cancels upstream. Aborted when the client goes away; it may be by others too, who hear of it
   * sooner.
   */
  cancel: AbortController;
  /**
   * Bytes that tell the client of a failure, where the format has a place for it.
   * @param last the chunk that the client had before; null: none
   */
  failureNotice: (error: unknown, last: Uint8Array | null) => Uint8Array | null;
  /** Ends the client's connection, where an error of its body is not the way. */
  breakOff: BreakOff | null;
  /** In the order in which they hear. */
  taps: RelayTap[];
}

/**
 * Passes a stream on, chunk by chunk, unchanged, while taps read along. The producer's promise is
 * for `waitUntil`.
 */
export function relay(
  source: ReadableStream<Uint8Array>,
  options: RelayOptions,
): { readable: ReadableStream<Uint8Array>; done: Promise<void> } {
  const client = openClientStream(options.maxUnreadBytes, options.breakOff);
  client.gone.addEventListener("abort", () => options.cancel.abort());
  const { signal } = options.cancel;
  const tellEnd = async (end: RelayEnd): Promise<void> => {
    for (const tap of options.taps) await tap.onEnd(end);
  };
  const reader = source.getReader();
  let last: Uint8Array | null = null;
  const leaveSource = (): void => {
    void reader.cancel().catch(() => undefined);
  };
  const fail = (error: unknown): void => {
    leaveSource();
    const notice = options.failureNotice(error, last);
    if (notice === null) return client.fail(error);
    void client.write(notice);
    client.close();
  };
  const pass = async (): Promise<void> => {
    try {
      for (;;) {
        const { done, value } = await reader.read().catch((error: unknown) => {
          throw brokeOff(error);
        });
        if (signal.aborted) return await tellEnd({ status: "cancelled" });
        if (done) break;
        for (const tap of options.taps) {
          const behind = tap.onChunk(value);
          if (behind) await behind;
        }
        last = value;
        const room = client.write(value);
        if (room) await room;
      }
    } catch (error) {
      if (signal.aborted) return await tellEnd({ status: "cancelled" });
      await tellEnd({ status: "failed", error });
      return fail(error);
    }
    await tellEnd({ status: "completed" });
    client.close();
  };
  // Where a tap cannot even end, the client's answer ends all the same.
  return { readable: client.readable, done: pass().catch(fail) };
}
