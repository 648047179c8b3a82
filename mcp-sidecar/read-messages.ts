/** What {@link MessageReader} finds in the output of an MCP server. */
export interface MessageSink {
  message(message: Record<string, unknown>): void;
  /** A line that is no JSON-RPC message, such as a banner. */
  noise(line: string): void;
  /**
   * A line that was over the limit and was dropped; the id of the request that it answers, where it
   * could be told.
   */
  tooLarge(id: number | undefined): void;
  /**
   * So much that is no message that reading on would cost more than the server is worth; nothing is
   * read after it.
   */
  flooded(reason: string): void;
}

const NEWLINE = 0x0a;
/** Enough to find the id in, which serializers write first or last. */
const EDGE_BYTES = 512;
/** A line may be this many times the limit before it is taken for one that never ends. */
const ENDLESS = 16;
const FLOOD_MS = 10_000;
const FLOOD_LINES = 10_000;
/**
 * What nobody has asked for, and how many bytes of it within ten seconds are a server gone wrong.
 * Lines that are no messages are read by nobody; what a server says by itself is kept for clients
 * until they read it.
 */
const UNASKED = {
  noise: {
    bytes: 1024 * 1024,
    reason:
      "flooded its standard output, which is for MCP messages alone, with other lines (a log belongs to standard error)",
  },
  messages: {
    bytes: 32 * 1024 * 1024,
    reason: "flooded its clients with notifications or requests",
  },
};

/**
 * Cuts the standard output of an MCP server into JSON-RPC messages, one per line, without ever
 * holding more than the limit.
 */
export class MessageReader {
  readonly #sink: MessageSink;
  readonly #maxBytes: number;
  #pieces: Buffer[] = [];
  #size = 0;
  /** First and last bytes of a line that is over the limit and is being skipped. */
  #skipped: { head: Buffer; tail: Buffer; size: number } | null = null;
  readonly #unasked = {
    noise: { since: 0, bytes: 0, lines: 0 },
    messages: { since: 0, bytes: 0, lines: 0 },
  };
  #hasGivenUp = false;

  constructor(maxBytes: number, sink: MessageSink) {
    this.#maxBytes = maxBytes;
    this.#sink = sink;
  }

  read(chunk: Buffer): void {
    let start = 0;
    for (
      let end = chunk.indexOf(NEWLINE);
      end !== -1 && !this.#hasGivenUp;
      end = chunk.indexOf(NEWLINE, start)
    ) {
      this.#keep(chunk.subarray(start, end));
      this.#endLine();
      start = end + 1;
    }
    if (start < chunk.length && !this.#hasGivenUp) this.#keep(chunk.subarray(start));
  }

  #keep(piece: Buffer): void {
    if (this.#skipped !== null) {
      this.#skipped.tail = Buffer.concat([
        this.#skipped.tail,
        piece.subarray(-EDGE_BYTES),
      ]).subarray(-EDGE_BYTES);
      this.#skipped.size += piece.length;
      if (this.#skipped.size > this.#maxBytes * ENDLESS)
        this.#giveUp(
          `wrote a line of more than ${this.#maxBytes * ENDLESS} bytes to its standard output`,
        );
      return;
    }
    this.#pieces.push(piece);
    this.#size += piece.length;
    if (this.#size <= this.#maxBytes) return;
    const all = Buffer.concat(this.#pieces);
    this.#skipped = {
      head: Buffer.from(all.subarray(0, EDGE_BYTES)),
      tail: Buffer.from(all.subarray(-EDGE_BYTES)),
      size: this.#size,
    };
    this.#pieces = [];
    this.#size = 0;
  }

  #endLine(): void {
    if (this.#skipped !== null) {
      const { head, tail } = this.#skipped;
      this.#skipped = null;
      const id =
        /^\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d+)/.exec(head.toString("latin1")) ??
        /"id"\s*:\s*(\d+)\s*\}\s*$/.exec(tail.toString("latin1"));
      this.#sink.tooLarge(id?.[1] === undefined ? undefined : Number(id[1]));
      return;
    }
    const line = (
      this.#pieces.length === 1 && this.#pieces[0] ? this.#pieces[0] : Buffer.concat(this.#pieces)
    )
      .toString("utf8")
      .trim();
    this.#pieces = [];
    this.#size = 0;
    if (line === "") return;
    const message = readMessage(line);
    if (message === null) this.#sink.noise(line);
    else this.#sink.message(message);
    if (message === null || "method" in message)
      this.#count(message === null ? "noise" : "messages", line.length);
  }

  #count(kind: keyof typeof UNASKED, bytes: number): void {
    const now = performance.now();
    const counted = this.#unasked[kind];
    if (now - counted.since > FLOOD_MS) Object.assign(counted, { since: now, bytes: 0, lines: 0 });
    counted.bytes += bytes;
    counted.lines += 1;
    if (counted.bytes > UNASKED[kind].bytes || counted.lines > FLOOD_LINES)
      this.#giveUp(UNASKED[kind].reason);
  }

  #giveUp(reason: string): void {
    this.#hasGivenUp = true;
    this.#pieces = [];
    this.#size = 0;
    this.#skipped = null;
    this.#sink.flooded(reason);
  }
}

function readMessage(line: string): Record<string, unknown> | null {
  if (!line.startsWith("{")) return null;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && "jsonrpc" in value ? { ...value } : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
