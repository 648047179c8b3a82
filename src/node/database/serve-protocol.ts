import type { PGlite } from "@electric-sql/pglite";
import { createServer, type Server, type Socket } from "node:net";
import { describeError } from "./database-start-error.ts";
import { type ClientMessage, MessageFramer } from "./frame-messages.ts";

/**
 * Longest that a connection may sit in a transaction, or between two messages of one query, while
 * others wait.
 */
const MAX_IDLE_OWNER_MS = 60_000;

const REFUSE_ENCRYPTION = Buffer.from("N");
const SYNC = Buffer.from([0x53, 0, 0, 0, 4]);
const ROLLBACK = Buffer.concat([Buffer.from([0x51, 0, 0, 0, 13]), Buffer.from("ROLLBACK\0")]);

interface Client {
  socket: Socket;
  /** Messages that PGlite has not seen yet. */
  messages: ClientMessage[];
  /**
   * Names of prepared statements that it made: the session is shared, so they outlive it unless
   * closed.
   */
  statements: Set<string>;
}

interface Task {
  run(): Promise<void>;
}

/**
 * PostgreSQL's protocol over a socket, for the one session that PGlite has.
 *
 * Why not @electric-sql/pglite-socket 0.2.17: it hands out the session per message, not per query.
 * Eight connections with unnamed statements (all that drizzle sends) then bind each other's
 * statements: of 800 concurrent queries 594 failed and one resolved with a wrong answer (one run,
 * 2026-11-21, named statements not tried).
 *
 * Here a connection owns the session from the first message of a query until
 * its Sync, and from BEGIN until COMMIT.
 *
 * Not supported, since PGlite itself has one session: LISTEN, COPY FROM STDIN, cancelling, SET that
 * affects one connection only.
 */
export class ProtocolServer {
  readonly #pglite: PGlite;
  readonly #server: Server;
  readonly #clients = new Set<Client>();
  /** Who is next, first come first served. */
  #waiting: (Client | Task)[] = [];
  #owner: Client | Task | null = null;
  #idleOwner: NodeJS.Timeout | null = null;
  #turnIsDue = false;
  #bytesReceived = 0;

  constructor(pglite: PGlite) {
    this.#pglite = pglite;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Grows with everything that clients sent, so that a pause in it shows. */
  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(path, resolve);
    });
  }

  /** Runs `work` while no connection is inside a query or a transaction, and none can begin one. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#enqueue({ run: () => work().then(resolve, reject) });
    });
  }

  /** Disconnects everyone; resolves when PGlite is at rest, open transactions rolled back. */
  async close(): Promise<void> {
    this.#server.close();
    for (const { socket } of this.#clients) socket.destroy();
    await this.exclusively(async () => undefined);
  }

  #accept(socket: Socket): void {
    const client: Client = { socket, messages: [], statements: new Set() };
    const framer = new MessageFramer();
    this.#clients.add(client);
    socket.on("data", (chunk) => {
      this.#bytesReceived += chunk.length;
      try {
        for (const message of framer.push(chunk)) this.#receive(client, message);
      } catch (error) {
        socket.destroy(error instanceof Error ? error : new Error(String(error)));
      }
    });
    // A client that breaks off is no fault of the server: "close" follows and cleans up.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#leave(client));
  }

  #receive(client: Client, message: ClientMessage): void {
    if (message.type === "encryption") client.socket.write(REFUSE_ENCRYPTION);
    else if (message.type === "cancel" || message.type === "X") client.socket.end();
    else {
      client.messages.push(message);
      if (client === this.#owner) this.#planTurn();
      else if (client.messages.length === 1) this.#enqueue(client);
    }
  }

  #leave(client: Client): void {
    this.#clients.delete(client);
    client.messages = [];
    this.#waiting = this.#waiting.filter((other) => other !== client);
    const abandon = async () => this.#abandon(client);
    if (this.#owner === client) {
      this.#setOwner(null);
      this.#waiting.unshift({ run: abandon });
      this.#planTurn();
    } else if (client.statements.size > 0) this.#enqueue({ run: abandon });
  }

  #enqueue(turn: Client | Task): void {
    this.#waiting.push(turn);
    this.#planTurn();
  }

  /** One turn per pass of the event loop: sockets are read and written between turns. */
  #planTurn(): void {
    if (this.#turnIsDue) return;
    this.#turnIsDue = true;
    setImmediate(() => {
      this.#turnIsDue = false;
      this.#takeTurn();
    });
  }

  #takeTurn(): void {
    const turn = this.#owner ?? this.#waiting.shift();
    if (turn === undefined) return;
    if ("run" in turn) this.#runTask(turn);
    else if (turn.messages.length > 0) this.#serve(turn);
    else this.#watchIdleOwner(turn);
  }

  #runTask(task: Task): void {
    // A task that already runs plans the next turn when it is done.
    if (this.#owner === task) return;
    this.#setOwner(task);
    void task.run().finally(() => {
      this.#setOwner(null);
      this.#planTurn();
    });
  }

  /** Runs a client's messages up to the end of one query. */
  #serve(client: Client): void {
    const end = client.messages.findIndex(
      ({ type }) => type === "S" || type === "Q" || type === "startup",
    );
    const batch = client.messages.splice(0, end === -1 ? client.messages.length : end + 1);
    trackStatements(client, batch);
    this.#execute(batch, (bytes) => {
      // A copy: PGlite reuses its memory.
      if (client.socket.writable) client.socket.write(Buffer.from(bytes));
    });
    const mayPassOn = end !== -1 && !this.#pglite.isInTransaction();
    this.#setOwner(mayPassOn ? null : client);
    if (mayPassOn && client.messages.length > 0) this.#waiting.push(client);
    this.#planTurn();
  }

  /**
   * Synchronous in fact, because `syncToFs` has nothing to do on a disk. A failure that is not
   * SQL's ends the thread.
   */
  #execute(batch: ClientMessage[], onRawData: (bytes: Uint8Array) => void): void {
    const message =
      batch.length === 1 && batch[0]
        ? batch[0].bytes
        : Buffer.concat(batch.map(({ bytes }) => bytes));
    this.#pglite
      .execProtocolRawStream(message, { syncToFs: false, onRawData })
      .catch((cause: unknown) => {
        setImmediate(() => {
          throw new Error(`PGlite gave up: ${describeError(cause)}`, { cause });
        });
      });
  }

  /**
   * Ends what a client left open: first inside a query, then whatever state a failed query left,
   * then its statements.
   */
  #abandon(client: Client): void {
    const closing = [...client.statements].map((name) => ({
      type: "C",
      bytes: closeStatement(name),
    }));
    const [sync, rollback] = [
      { type: "S", bytes: SYNC },
      { type: "Q", bytes: ROLLBACK },
    ];
    this.#execute([rollback, sync, rollback, ...closing, sync], () => undefined);
  }

  #setOwner(owner: Client | Task | null): void {
    this.#owner = owner;
    if (this.#idleOwner) clearTimeout(this.#idleOwner);
    this.#idleOwner = null;
  }

  #watchIdleOwner(owner: Client): void {
    this.#idleOwner ??= setTimeout(() => {
      this.#idleOwner = null;
      if (this.#waiting.length > 0) owner.socket.destroy();
      else this.#watchIdleOwner(owner);
    }, MAX_IDLE_OWNER_MS);
  }
}

function trackStatements(client: Client, batch: ClientMessage[]): void {
  for (const { type, bytes } of batch) {
    if (type !== "P") continue;
    const name = bytes.toString("utf8", 5, bytes.indexOf(0, 5));
    if (name !== "") client.statements.add(name);
  }
}

function closeStatement(name: string): Buffer {
  const body = Buffer.from(`S${name}\0`);
  const header = Buffer.alloc(5);
  header.write("C");
  header.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
}
