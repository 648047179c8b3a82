import { createParser } from "eventsource-parser";

/**
 * Feeds bytes of a `text/event-stream`, cut anywhere, to `onData`, one call per event with its data lines joined.
 * CRLF, comments, a BOM and split UTF-8 are survived. Comments are dropped.
 */
export function createEventReader(onData: (data: string) => void): { push(bytes: Uint8Array): void; end(): void } {
  const decoder = new TextDecoder();
  const parser = createParser({ onEvent: (event) => onData(event.data) });
  return {
    push: (bytes) => parser.feed(decoder.decode(bytes, { stream: true })),
    // A last event without its blank line is an answer that was cut short by a careless server, not by a failure: read it.
    end: () => parser.feed(`${decoder.decode()}\n\n`),
  };
}

/** All data payloads of a whole event stream. */
export function readEvents(text: string): string[] {
  const events: string[] = [];
  const parser = createParser({ onEvent: (event) => events.push(event.data) });
  parser.feed(`${text}\n\n`);
  return events;
}
