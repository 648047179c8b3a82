import { once } from "node:events";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { Worker } from "node:worker_threads";
import type { Logger, PartHealth } from "../../platform.ts";
import type { FileLock } from "../lock-file.ts";
import { chooseSocketPath, type SocketPath } from "./choose-socket-path.ts";
import { DatabaseStartError, describeError } from "./database-start-error.ts";
import type { EmbeddedOrder, EmbeddedReport, EmbeddedTask } from "./embedded-protocol.ts";
import { databaseDirectory, initialiseDirectory } from "./initialise-directory.ts";
import { lockDirectory } from "./lock-directory.ts";

const WORKER = new URL("./embedded-worker.ts", import.meta.url);
const PING_EVERY_MS = 5_000;
/**
 * PGlite ignores `statement_timeout`: a thread that is silent this long is taken for stuck and is
 * replaced.
 */
const SILENT_MS = 60_000;
const STOP_MS = 10_000;
const BACKOFF_MS = { first: 250, most: 30_000, forgottenAfter: 60_000 };

/**
 * The embedded database: PGlite in a thread of its own, kept alive. When the thread dies, clients'
 * queries fail, a new one takes its place on the same socket after a growing pause, and clients
 * reconnect by themselves.
 */
export class EmbeddedDatabase {
  readonly #task: EmbeddedTask;
  readonly #socket: SocketPath;
  readonly #lock: FileLock;
  readonly #logger: Logger;
  #worker: Worker | null = null;
  #closing = false;
  #restarts = 0;
  #pause = BACKOFF_MS.first;
  #failure: string | null = null;
  #restartTimer: NodeJS.Timeout | null = null;

  private constructor(parts: {
    task: EmbeddedTask;
    socket: SocketPath;
    lock: FileLock;
    logger: Logger;
  }) {
    this.#task = parts.task;
    this.#socket = parts.socket;
    this.#lock = parts.lock;
    this.#logger = parts.logger;
  }

  /**
   * Locks the directory, makes the database when there is none, opens it and listens.
   * @throws DatabaseStartError
   */
  static async start(dataDir: string, logger: Logger): Promise<EmbeddedDatabase> {
    const started = performance.now();
    const directory = databaseDirectory(resolve(dataDir));
    const lock = lockDirectory(resolve(dataDir));
    let socket: SocketPath | null = null;
    try {
      const isNew = await initialiseDirectory(directory, (unfinished) =>
        runToEnd({ job: "initialise", directory: unfinished, socketPath: "" }),
      );
      socket = await chooseSocketPath(dataDir);
      const embedded = new EmbeddedDatabase({
        task: { job: "serve", directory, socketPath: socket.path },
        socket,
        lock,
        logger,
      });
      await embedded.#open();
      logger.info(isNew ? "Made the embedded database." : "Opened the embedded database.", {
        directory,
        ms: Math.round(performance.now() - started),
      });
      return embedded;
    } catch (error) {
      socket?.remove();
      lock.release();
      throw startError(directory, error);
    }
  }

  /** The socket that clients of any thread of this process connect to. */
  get path(): string {
    return this.#socket.path;
  }

  /** What the thread's own state says; whether it answers queries is for a query to find out. */
  health(): PartHealth {
    const restarts = this.#restarts === 0 ? {} : { restarts: this.#restarts };
    if (this.#failure === null) return { status: "ok", ...restarts };
    return {
      status: "down",
      message: `The embedded database stopped and is being restarted: ${this.#failure}`,
      ...restarts,
    };
  }

  /** Rolls back what is open, writes everything to disk and gives the directory free. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#restartTimer) clearTimeout(this.#restartTimer);
    const worker = this.#worker;
    if (worker) {
      const ended = new Promise((done) => worker.once("exit", done));
      order(worker, { kind: "stop" });
      const deadline = setTimeout(() => void worker.terminate(), STOP_MS);
      await ended;
      clearTimeout(deadline);
    }
    this.#socket.remove();
    this.#lock.release();
  }

  /** Resolves when a new thread listens; rejects when it dies before. */
  async #open(): Promise<void> {
    const worker = new Worker(WORKER, { workerData: this.#task, name: "embedded-database" });
    this.#worker = worker;
    let lastWord: unknown = new Error("its thread ended");
    worker.once("error", (error) => {
      lastWord = error;
    });
    worker.once("exit", () => {
      this.#worker = null;
    });
    worker.on("message", (report: EmbeddedReport) => {
      if (report.kind === "warning") this.#logger.warn(report.message, { error: report.error });
      if (report.kind === "aborted") lastWord = new Error(report.error);
    });
    await untilReady(worker, () => lastWord);
    this.#failure = null;
    const openedAt = performance.now();
    const watch = watchSilence(worker, () => {
      lastWord = new Error(`it did not answer for ${SILENT_MS / 1000} s`);
    });
    worker.once("exit", () => {
      clearInterval(watch);
      if (performance.now() - openedAt > BACKOFF_MS.forgottenAfter) this.#pause = BACKOFF_MS.first;
      this.#reopenLater(lastWord);
    });
  }

  #reopenLater(cause: unknown): void {
    if (this.#closing) return;
    this.#failure = describeError(cause);
    this.#logger.error("The embedded database stopped; it is restarted.", {
      error: this.#failure,
      inMs: this.#pause,
    });
    this.#restartTimer = setTimeout(() => {
      this.#restarts += 1;
      this.#open().catch((error: unknown) => this.#reopenLater(error));
    }, this.#pause);
    this.#pause = Math.min(this.#pause * 2, BACKOFF_MS.most);
  }
}

function startError(directory: string, error: unknown): DatabaseStartError {
  const advice = existsSync(directory)
    ? "restore that directory from a backup, or move it away to start with an empty database"
    : "see that its disk has 100 MB free and is writable, or use a PostgreSQL server with DATABASE_URL";
  return new DatabaseStartError(
    `The embedded database in ${directory} does not open (${describeError(error)}): ${advice}.`,
    {
      cause: error,
    },
  );
}

function order(worker: Worker, message: EmbeddedOrder): void {
  worker.postMessage(message);
}

/** Runs a thread that does one thing; most of its memory is given back when it ends. */
async function runToEnd(task: EmbeddedTask): Promise<void> {
  const worker = new Worker(WORKER, { workerData: task, name: "embedded-database-initialise" });
  // `once` rejects when the thread ends with an error.
  const [code] = (await once(worker, "exit")) as [number];
  if (code !== 0) throw new Error(`making it ended with code ${code}`);
}

function untilReady(worker: Worker, cause: () => unknown): Promise<void> {
  return new Promise((done, reject) => {
    const ended = () => reject(cause());
    worker.once("exit", ended);
    worker.on("message", function listen(report: EmbeddedReport) {
      if (report.kind !== "ready") return;
      worker.off("message", listen);
      worker.off("exit", ended);
      done();
    });
  });
}

/**
 * Ends a thread that answers no pings, unless it said that it would be busy. Counts pings, as a
 * clock runs on while a laptop sleeps.
 */
function watchSilence(worker: Worker, onStuck: () => void): NodeJS.Timeout {
  let unanswered = 0;
  let busy = false;
  worker.on("message", (report: EmbeddedReport) => {
    unanswered = 0;
    if (report.kind === "busy") busy = report.running;
  });
  return setInterval(() => {
    if (busy) return;
    if (unanswered * PING_EVERY_MS >= SILENT_MS) {
      onStuck();
      void worker.terminate();
      return;
    }
    unanswered += 1;
    order(worker, { kind: "ping" });
  }, PING_EVERY_MS);
}
