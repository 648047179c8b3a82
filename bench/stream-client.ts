import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** One request and its answer, as the client's socket saw it. Times in microseconds. */
export interface Exchange {
  status: number;
  /** From the request to the first byte of the answer's body. */
  firstByte: number;
  /** From the request to the end of the answer. */
  duration: number;
  /** Reads of the socket that brought bytes of the body. */
  reads: number;
  /** How long each chunk was on its way, where upstream wrote into it when it was sent. */
  delays: number[];
}

/** A connection that is kept open. */
export interface ClientConnection {
  /** Sends the request again and reads the answer to its end. One at a time. */
  send(): Promise<Exchange>;
  close(): void;
}

const now = () => Number(process.hrtime.bigint() / 1000n);
const SENT = /"sent_us":(\d+)/g;
const LAST_CHUNK = "0\r\n\r\n";

/** Where an answer stands: the head is kept until it is whole, of the body only its end. */
class AnswerReader {
  readonly exchange: Exchange = { status: 0, firstByte: 0, duration: 0, reads: 0, delays: [] };
  readonly #started = now();
  #head = "";
  #tail = "";
  #length: number | null = null;
  #received = 0;

  /** Takes what was read; true when the answer is whole. */
  take(bytes: Buffer): boolean {
    const text = bytes.toString("latin1");
    if (this.exchange.status !== 0) return this.#takeBody(text);
    this.#head += text;
    const end = this.#head.indexOf("\r\n\r\n");
    if (end < 0) return false;
    this.exchange.status = Number(this.#head.slice(9, 12));
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.#head.slice(0, end))?.[1];
    this.#length = length === undefined ? null : Number(length);
    return this.#takeBody(this.#head.slice(end + 4));
  }

  #takeBody(text: string): boolean {
    if (text !== "") this.#note(text);
    this.#received += text.length;
    this.#tail = (this.#tail + text).slice(-LAST_CHUNK.length);
    const isWhole =
      this.#length === null ? this.#tail === LAST_CHUNK : this.#received >= this.#length;
    if (isWhole) this.exchange.duration = now() - this.#started;
    return isWhole;
  }

  #note(text: string): void {
    const { exchange } = this;
    const readAt = now();
    if (exchange.reads === 0) exchange.firstByte = readAt - this.#started;
    exchange.reads++;
    for (const [, sentAt] of text.matchAll(SENT)) exchange.delays.push(readAt - Number(sentAt));
  }
}

function requestBytes(
  url: URL,
  { headers, body }: { headers: Record<string, string>; body: string },
): Buffer {
  const all = { host: url.host, ...headers, "content-length": String(Buffer.byteLength(body)) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`POST ${url.pathname} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
}

async function readAnswer(socket: Socket, request: Buffer): Promise<Exchange> {
  const reader = new AnswerReader();
  socket.write(request);
  return new Promise((resolve, reject) => {
    const settle = () => socket.off("data", onData).off("error", onError).off("close", onClose);
    const onError = (error: Error) => (settle(), reject(error));
    const onClose = () => (
      settle(),
      reject(new Error("The proxy closed the connection in the middle of an answer"))
    );
    const onData = (bytes: Buffer) => {
      try {
        if (!reader.take(bytes)) return;
      } catch (error) {
        settle();
        return reject(error);
      }
      settle();
      resolve(reader.exchange);
    };
    socket.on("data", onData).on("error", onError).on("close", onClose);
  });
}

/** Connects, and sends the same POST request as often as asked. */
export async function openConnection(
  url: URL,
  request: { headers: Record<string, string>; body: string },
): Promise<ClientConnection> {
  const bytes = requestBytes(url, request);
  const socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true });
  await once(socket, "connect");
  return { send: () => readAnswer(socket, bytes), close: () => socket.destroy() };
}
