import { spawn, type ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";
import { signalGroup, type Kin } from "./kin.ts";
import type { Place, ProcessLedger } from "./process-ledger.ts";
import { MessageReader } from "./read-messages.ts";
import type { Executable } from "./resolve-command.ts";
import type { ServerUser } from "./server-users.ts";

const STDERR_BYTES = 16 * 1024;

/** The process has no input any more, so that it is certain that it did not get a message. */
export class NotSentError extends Error {}

/** What a child process is made from. */
export interface ChildOptions {
  executable: Executable;
  env: Record<string, string>;
  maxMessageBytes: number;
  /** Null: the sidecar's own. */
  user: ServerUser | null;
  ledger: ProcessLedger;
}

/**
 * MCP over the standard input and output of a process that leads its own process group, in an empty
 * directory of its own.
 */
export class ChildTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  /** Lines of standard output that were no messages. */
  noiseLines = 0;
  readonly #options: ChildOptions;
  #child: ChildProcess | null = null;
  #kin: Kin | null = null;
  #output: Buffer[] = [];
  #outputBytes = 0;
  /** Whether the oldest output is gone. */
  #isOutputCut = false;
  #ending: Promise<void> | null = null;
  #exit: string | null = null;
  #fault: string | null = null;
  #delivered: Promise<void> = Promise.resolve();
  readonly #gone = Promise.withResolvers<void>();

  constructor(options: ChildOptions) {
    this.#options = options;
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** How the process ended, such as `exit code 1`, or null while it runs. */
  get exit(): string | null {
    return this.#exit === null || this.#fault === null
      ? this.#exit
      : `the sidecar ended it because it ${this.#fault}`;
  }

  /** Resolves when the process has ended, and everybody was told. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** The last output on standard error, at most 16 KB. */
  get stderrTail(): string {
    const output = Buffer.concat(this.#output);
    const tail = output.subarray(-STDERR_BYTES).toString("utf8");
    const isCut = this.#isOutputCut || output.byteLength > STDERR_BYTES;
    // A line without its beginning may begin within a secret, which nobody would recognise.
    return (isCut ? tail.replace(/^[^\n]*\n/, "") : tail).replace(/^\uFFFD+/, "").trim();
  }

  async start(): Promise<void> {
    const { ledger, user } = this.#options;
    const place = ledger.open(user);
    try {
      await this.#startIn(place);
    } catch (error) {
      ledger.clear(place);
      throw error;
    }
  }

  async #startIn(place: Place): Promise<void> {
    const { executable, env, ledger, user } = this.#options;
    const [name = "", value = ""] = place.mark.split("=");
    const child = spawn(executable.file, executable.args, {
      cwd: place.directory,
      env: { ...env, [name]: value },
      ...(user === null ? {} : { uid: user.uid, gid: user.uid }),
      shell: false,
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
      windowsHide: true,
    });
    this.#child = child;
    // Recorded before anything else happens: whoever kills the sidecar now leaves a trace of it.
    if (child.pid !== undefined) this.#kin = ledger.add(child.pid, place);
    this.#readOutput(child);
    child.once("exit", (code, signal) => {
      // Unhandled, a rejection here would end the sidecar, and every other server with it.
      this.#finish(child, signal === null ? `exit code ${code}` : `signal ${signal}`).catch(
        (error: unknown) => this.#report(error),
      );
    });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    child.on("error", (error) => this.onerror?.(error));
  }

  #readOutput(child: ChildProcess): void {
    const reader = new MessageReader(this.#options.maxMessageBytes, {
      message: (message) => this.#deliver(message as JSONRPCMessage),
      noise: (line) => {
        this.noiseLines += 1;
        // A server that dies while it starts often says why on the wrong stream.
        this.#keepOutput(Buffer.from(`${line.slice(0, 1_000)}\n`));
      },
      tooLarge: (id) => this.#refuse(id),
      flooded: (reason) => this.#endFor(reason),
    });
    child.stdout?.on("data", (chunk: Buffer) => reader.read(chunk));
    child.stderr?.on("data", (chunk: Buffer) => this.#keepOutput(chunk));
    for (const stream of [child.stdin, child.stdout, child.stderr])
      stream?.on("error", (error) => this.onerror?.(error));
  }

  /**
   * One message at a time, each in a turn of its own: the SDK handles notifications a turn late and
   * answers at once, so that progress which comes in one piece with the answer would be lost.
   */
  #deliver(message: JSONRPCMessage): void {
    this.#delivered = this.#delivered
      .then(() => this.onmessage?.(message))
      .catch((error: unknown) => this.#report(error));
  }

  #report(error: unknown): void {
    this.onerror?.(error instanceof Error ? error : new Error(String(error)));
  }

  #keepOutput(chunk: Buffer): void {
    this.#output.push(chunk);
    this.#outputBytes += chunk.length;
    // Not with every chunk: a server that writes many small ones would cost a copy of everything
    // for each.
    if (this.#outputBytes < 4 * STDERR_BYTES && this.#output.length < 1_000) return;
    const kept = Buffer.from(Buffer.concat(this.#output).subarray(-STDERR_BYTES));
    this.#output = [kept];
    this.#isOutputCut = true;
    this.#outputBytes = kept.length;
  }

  /**
   * Fails the request whose answer was dropped; where it cannot be told which, nobody may wait for
   * ever: the server ends.
   */
  #refuse(id: number | undefined): void {
    const { maxMessageBytes } = this.#options;
    if (id === undefined)
      return this.#endFor(`sent a message that is larger than ${maxMessageBytes} bytes`);
    this.#deliver({
      jsonrpc: "2.0",
      id,
      error: { code: -32603, message: `the answer is larger than ${maxMessageBytes} bytes` },
    });
  }

  /**
   * Ends a process that does what cannot be lived with. It is asked no more: it may be in no state
   * to heed anything.
   */
  #endFor(reason: string): void {
    const pid = this.#child?.pid;
    this.#fault ??= reason;
    this.#child?.stdout?.destroy();
    if (pid !== undefined) signalGroup(pid, "SIGKILL");
    this.close().catch((error: unknown) => this.#report(error));
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const input = this.#child?.stdin;
    if (!input?.writable) throw new NotSentError("The MCP server takes no more input.");
    if (input.write(`${JSON.stringify(message)}\n`)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        input.off("drain", done);
        input.off("close", done);
        resolve();
      };
      input.once("drain", done);
      input.once("close", done);
    });
  }

  /** Ends the process with everything that it started, and resolves when all is gone. */
  async close(): Promise<void> {
    const child = this.#child;
    const kin = this.#kin;
    if (child === null || kin === null) return;
    this.#ending ??= this.#end(child, kin);
    await this.#ending;
  }

  async #end(child: ChildProcess, kin: Kin): Promise<void> {
    child.stdin?.end();
    await this.#options.ledger.end(kin);
  }

  async #finish(child: ChildProcess, exit: string): Promise<void> {
    this.#exit = exit;
    // What it wrote before it ended may still be on its way; but a descendant that holds the pipe
    // may hold it for ever.
    const closed = (stream: Readable | null) =>
      stream === null || stream.closed
        ? Promise.resolve()
        : new Promise<void>((resolve) => stream.once("close", () => resolve()));
    const drained = Promise.all([closed(child.stdout), closed(child.stderr)]);
    await Promise.race([drained, sleep(250)]);
    await this.#delivered;
    this.onclose?.();
    this.#gone.resolve();
    await this.close();
    child.stdout?.destroy();
    child.stderr?.destroy();
  }
}
