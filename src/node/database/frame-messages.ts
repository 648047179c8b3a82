/**
 * One message of a PostgreSQL client, whole.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export interface ClientMessage {
  /** `startup`, `encryption` and `cancel` are the three that have no type letter. */
  type: string;
  bytes: Buffer;
}

const UNTYPED: Record<number, string> = {
  80_877_102: "cancel",
  80_877_103: "encryption",
  80_877_104: "encryption",
};

/** Cuts the bytes of one connection into messages. Holds what is not yet whole. */
export class MessageFramer {
  #chunks: Buffer[] = [];
  #size = 0;
  #needed = 8;
  #started = false;

  /**
   * Takes bytes as they came and gives back every message that is whole now.
   * @throws RangeError for a length that no message can have
   */
  push(chunk: Buffer): ClientMessage[] {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    // A body of megabytes comes in hundreds of chunks: joining them each time would be quadratic.
    if (this.#size < this.#needed) return [];
    let rest = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#size);
    const messages: ClientMessage[] = [];
    for (;;) {
      this.#needed = this.#lengthOf(rest);
      if (rest.length < this.#needed) break;
      messages.push(this.#message(rest.subarray(0, this.#needed)));
      rest = rest.subarray(this.#needed);
    }
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#size = rest.length;
    return messages;
  }

  /** Bytes of the message that `bytes` begins with, or of its header while that is not there. */
  #lengthOf(bytes: Buffer): number {
    const header = this.#started ? 5 : 8;
    if (bytes.length < header) return header;
    const length = this.#started ? 1 + bytes.readInt32BE(1) : bytes.readInt32BE(0);
    if (length < header)
      throw new RangeError(`A message of ${length} bytes is not PostgreSQL's protocol.`);
    return length;
  }

  #message(bytes: Buffer): ClientMessage {
    if (this.#started) return { type: String.fromCharCode(bytes[0] ?? 0), bytes };
    const type = UNTYPED[bytes.readInt32BE(4)] ?? "startup";
    this.#started = type === "startup";
    return { type, bytes };
  }
}
