import { createParser } from "eventsource-parser";
import { parseJson } from "./json.ts";

/** Whether a body is a stream of events, whatever it is called: its first line is one of theirs. */
export const looksLikeEvents = (start: string): boolean =>
  /^\uFEFF?\s*(?:data|event|id|retry)?:/.test(start);

/**
 * Events of a server that forgets the blank lines between them come as one, each on a line of its
 * own.
 */
function separated(data: string): string[] {
  return !data.includes("\n") || parseJson(data) !== undefined ? [data] : data.split("\n");
}

/**
 * Feeds bytes of a `text/event-stream`, cut anywhere, to `onData`, one call per event with its data
 * lines joined and its name. CRLF, comments, a BOM and split UTF-8 are survived. Comments are
 * dropped.
 */
export function createEventReader(onData: (data: string, name: string | undefined) => void): {
  push(bytes: Uint8Array): void;
  end(): void;
} {
  // workerd's decoder takes a byte order mark from the start of every piece, not of the first alone
  // (seen 2026-11 with wrangler
  // 4.124): a model's own would be lost where a piece begins with it.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const parser = createParser({
    onEvent: (event) => {
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
    push: (bytes) => feed(decoder.decode(bytes, { stream: true })),
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
