import { createParser } from "eventsource-parser";
import { ApiError } from "./api-error.ts";
import { parseWithinBounds } from "./json.ts";

/** Whether a body is a stream of events, whatever it is called: its first line is one of theirs. */
export const looksLikeEvents = (start: string): boolean =>
  /^\uFEFF?\s*(?:data|event|id|retry)?:/.test(start);

/** A longer event is none: the largest that are sent hold an image. In bytes. */
const MAX_EVENT_BYTES = 8 * 1024 * 1024;

/** Bytes of the event that has not ended yet. */
class EventSize {
  #bytes = 0;

  /** @throws ApiError 502 where the event is too long */
  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > MAX_EVENT_BYTES)
      throw new ApiError(
        "upstream_too_large",
        `The upstream API sent an event of more than ${MAX_EVENT_BYTES} bytes, which is more than this proxy reads.`,
      );
  }

  ended(): void {
    this.#bytes = 0;
  }
}

/**
 * Events of a server that forgets the blank lines between them come as one, each on a line of its
 * own.
 */
function separated(data: string): string[] {
  return !data.includes("\n") || parseWithinBounds(data) !== undefined ? [data] : data.split("\n");
}

/**
 * Feeds bytes of a `text/event-stream`, cut anywhere, to `onData`, one call per event with its data
 * lines joined and its name. CRLF, comments, a BOM and split UTF-8 are survived. Comments are
 * dropped. `push` throws an ApiError 502 where an event is too long.
 */
export function createEventReader(onData: (data: string, name: string | undefined) => void): {
  push(bytes: Uint8Array): void;
  end(): void;
} {
  // workerd's decoder takes a byte order mark from the start of every piece, not of the first alone
  // (seen 2026-11 with wrangler
  // 4.124): a model's own would be lost where a piece begins with it.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const size = new EventSize();
  const parser = createParser({
    onComment: () => size.ended(),
    onEvent: (event) => {
      size.ended();
      for (const data of separated(event.data)) onData(data, event.event);
    },
  });
  let isStart = true;
  const feed = (text: string) => {
    if (text === "") return;
    parser.feed(isStart ? text.replace(/^\uFEFF/, "") : text);
    isStart = false;
  };
  return {
    push: (bytes) => {
      size.add(bytes.byteLength);
      feed(decoder.decode(bytes, { stream: true }));
    },
    // A last event without its blank line is an answer that was cut short by a careless server, not
    // by a failure: read it.
    end: () => feed(`${decoder.decode()}\n\n`),
  };
}

/** All data payloads of a whole event stream. */
export function readEvents(text: string): string[] {
  const events: string[] = [];
  const parser = createParser({ onEvent: (event) => events.push(...separated(event.data)) });
  parser.feed(`${text}\n\n`);
  return events;
}
