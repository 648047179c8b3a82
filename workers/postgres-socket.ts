import { Buffer } from "node:buffer";
import { connect } from "cloudflare:sockets";

type Listener = (value?: unknown) => void;

/** `SSLRequest`: https://www.postgresql.org/docs/current/protocol-message-formats.html */
const SSL_REQUEST = new Uint8Array([0, 0, 0, 8, 4, 210, 22, 47]);
/** "S": the server goes on in TLS. */
const SPEAKS_TLS = 83;

/** Whether TLS is spoken: never, where the server does, or always. */
export type TlsUse = "never" | "preferred" | "always";

/** Where a server listens. Hosts are tried in turn. */
export interface ServerPlace {
  host: string[];
  port: number[];
  tls: TlsUse;
}

async function beginTls(plain: CloudflareSocket, tls: TlsUse): Promise<CloudflareSocket> {
  const [writer, reader] = [plain.writable.getWriter(), plain.readable.getReader()];
  await writer.write(SSL_REQUEST);
  const { value } = await reader.read();
  writer.releaseLock();
  reader.releaseLock();
  if (value?.[0] === SPEAKS_TLS) return plain.startTls();
  if (tls === "preferred") return plain;
  throw new Error("The database speaks no TLS, and its URL asks for it.");
}

async function openOne(address: string, tls: TlsUse): Promise<CloudflareSocket> {
  const secureTransport = tls === "never" ? "off" : "starttls";
  const plain = connect(address, { secureTransport });
  await plain.opened;
  return tls === "never" ? plain : beginTls(plain, tls);
}

/**
 * Connects to the first of these hosts that answers.
 * @throws what the last one failed with
 */
export async function openSocket({ host, port, tls }: ServerPlace): Promise<CloudflareSocket> {
  const addresses = host.map((name, index) => `${name}:${port[index] ?? port[0]}`);
  const last = addresses.pop() ?? "";
  for (const address of addresses) {
    const socket = await openOne(address, tls).catch(() => null);
    if (socket !== null) return socket;
  }
  return openOne(last, tls);
}

/**
 * A socket as postgres.js uses one. Its own adapter (3.4.9) throws "Stream was cancelled" where
 * nobody can catch it when a connection is ended, so that none could be.
 */
export class PostgresSocket {
  readyState: "opening" | "open" | "closed" = "opening";
  readonly #listeners = new Map<string, Listener[]>();
  readonly #opening: Promise<CloudflareSocket>;
  readonly #writer: Promise<WritableStreamDefaultWriter<Uint8Array>>;
  readonly #onClosed: () => void;

  /**
   * @param opening the socket, or why there is none
   * @param onClosed is called once, whoever closes it
   */
  constructor(opening: Promise<CloudflareSocket>, onClosed: () => void) {
    this.#onClosed = onClosed;
    this.#opening = opening;
    this.#writer = opening.then((socket) => socket.writable.getWriter());
    // Who writes hears of it, and so does who reads.
    this.#writer.catch(() => {});
    void this.#read();
  }

  on(event: string, listener: Listener): this {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
    return this;
  }

  once(event: string, listener: Listener): this {
    const first: Listener = (value) => {
      this.removeListener(event, first);
      listener(value);
    };
    return this.on(event, first);
  }

  removeListener(event: string, listener: Listener): this {
    const others = (this.#listeners.get(event) ?? []).filter((other) => other !== listener);
    this.#listeners.set(event, others);
    return this;
  }

  removeAllListeners(): this {
    this.#listeners.clear();
    return this;
  }

  /** Sends bytes, as soon as the connection is there. */
  write(bytes: Uint8Array): boolean {
    this.#send(bytes).catch((error: unknown) => this.#close(error));
    return true;
  }

  /** Sends the last bytes, and closes. */
  end(bytes?: Uint8Array): void {
    const sent = bytes === undefined ? Promise.resolve() : this.#send(bytes);
    sent.then(
      () => this.#close(),
      (error: unknown) => this.#close(error),
    );
  }

  destroy(): void {
    this.#close();
  }

  #send(bytes: Uint8Array): Promise<void> {
    return this.#writer.then((writer) => writer.write(bytes));
  }

  #emit(event: string, value?: unknown): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(value);
  }

  async #read(): Promise<void> {
    try {
      const reader = (await this.#opening).readable.getReader();
      if (this.readyState === "opening") this.readyState = "open";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return this.#close();
        this.#emit("data", Buffer.from(value));
      }
    } catch (error) {
      this.#close(error);
    }
  }

  async #giveUp(): Promise<void> {
    try {
      await (await this.#opening).close();
    } catch {
      // It was never open, or is closed already.
    }
  }

  #close(error?: unknown): void {
    if (this.readyState === "closed") return;
    this.readyState = "closed";
    void this.#giveUp();
    this.#onClosed();
    if (error !== undefined) this.#emit("error", error);
    this.#emit("close");
  }
}
