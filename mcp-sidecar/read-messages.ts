/** What {@link MessageReader} finds in the output of an MCP server. */
export interface MessageSink {
  message(message: Record<string, unknown>): void;
  /** A line that is no JSON-RPC message, such as a banner. */
  noise(line: string): void;
  /** A line that was over the limit and was dropped; the id of the request that it answers, where it could be told. */
  tooLarge(id: number | undefined): void;
}

const NEWLINE = 0x0a;
/** Enough to find the id in, which serializers write first or last. */
const EDGE_BYTES = 512;

/** Cuts the standard output of an MCP server into JSON-RPC messages, one per line, without ever holding more than the limit. */
export class MessageReader {
  readonly #sink: MessageSink;
  readonly #maxBytes: number;
  #pieces: Buffer[] = [];
  #size = 0;
  /** First and last bytes of a line that is over the limit and is being skipped. */
  #skipped: { head: Buffer; tail: Buffer } | null = null;

  constructor(maxBytes: number, sink: MessageSink) {
    this.#maxBytes = maxBytes;
    this.#sink = sink;
  }

  read(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#keep(chunk.subarray(start, end));
      this.#endLine();
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
  }

  #keep(piece: Buffer): void {
    if (this.#skipped !== null) {
      this.#skipped.tail = Buffer.concat([this.#skipped.tail, piece.subarray(-EDGE_BYTES)]).subarray(-EDGE_BYTES);
      return;
    }
    this.#pieces.push(piece);
    this.#size += piece.length;
    if (this.#size <= this.#maxBytes) return;
    const all = Buffer.concat(this.#pieces);
    this.#skipped = { head: Buffer.from(all.subarray(0, EDGE_BYTES)), tail: Buffer.from(all.subarray(-EDGE_BYTES)) };
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
    const line = (this.#pieces.length === 1 && this.#pieces[0] ? this.#pieces[0] : Buffer.concat(this.#pieces)).toString("utf8").trim();
    this.#pieces = [];
    this.#size = 0;
    if (line === "") return;
    const message = readMessage(line);
    if (message === null) this.#sink.noise(line);
    else this.#sink.message(message);
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
