/**
 * What a runtime must supply: types only. `src/node/platform.ts` and `workers/platform.ts` are the
 * two implementations, `test/helpers` has a third of small fakes. Nothing else in the core knows
 * which runtime it is on.
 */
import type { Clock } from "./clock.ts";
import type { Config } from "./config/read-config.ts";
import type { Memory } from "./memory.ts";
import type { TurnRecord } from "./record/turn-record.ts";
import type { Database } from "./store/database.ts";

/** A request to a configured upstream. */
export interface UpstreamRequest {
  method: string;
  /** Absolute URL, query included, sent as it stands. */
  url: string;
  /** Header names in lower case. `content-length`, where known, is among them. */
  headers: Record<string, string>;
  body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null;
  /** Aborts the call, before or after its first byte. */
  signal: AbortSignal;
}

/** What upstream answered. */
export interface UpstreamResponse {
  status: number;
  /**
   * Header names in lower case; a repeated header is joined by ", ", except `set-cookie`, which is
   * left out.
   */
  headers: Record<string, string>;
  /**
   * Bytes when the whole body was at hand at once, a stream otherwise, null where there can be
   * none.
   */
  body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null;
}

/**
 * Sends a request to an upstream that the operator configured. Resolves when the response's headers
 * are there. Bodies are as upstream sent them: still compressed where `content-encoding` says so,
 * unless the runtime has decoded them and taken that header away.
 * @throws UpstreamFailure when no response came
 */
export type SendUpstream = (request: UpstreamRequest) => Promise<UpstreamResponse>;

/** Why no response came from upstream. */
export class UpstreamFailure extends Error {
  readonly reason: "unreachable" | "timeout" | "aborted";
  constructor(
    reason: "unreachable" | "timeout" | "aborted",
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.name = "UpstreamFailure";
    this.reason = reason;
  }
}

/** Compressed bytes in, plain bytes out. */
export type Decoder = ReadableWritablePair<Uint8Array, Uint8Array>;

/**
 * Opens a decoder of an encoding that the runtime knows beyond those of its `DecompressionStream`,
 * or null where it knows none.
 */
export type OpenDecoder = (encoding: string) => Decoder | null;

/** One call of an operator's JavaScript. */
export interface FunctionCall {
  /** Body of an async function of `args`. */
  implementation: string;
  /** JSON text of the arguments object. */
  args: string;
  /** Wall-clock limit in milliseconds. */
  timeoutMs: number;
  /** On whose behalf: threads are shared fairly between owners. */
  owner: string;
}

/** What became of a function call. `logs` are the lines of `console.*`, oldest first. */
export type FunctionOutcome =
  | {
      ok: true;
      /** JSON text of the returned value; `null` for undefined. */ result: string;
      logs: string[];
    }
  | { ok: false; kind: FunctionFailureKind; message: string; logs: string[] };

/**
 * `error`: the code threw. `timeout`: it ran over its time. `memory`, `stack`: over its limits.
 * `pending`: it awaits a promise that nothing can settle. `cancelled`: the caller's signal fired.
 * `crash`: the sandbox itself died.
 */
export type FunctionFailureKind =
  | "error"
  | "timeout"
  | "memory"
  | "stack"
  | "pending"
  | "cancelled"
  | "crash";

/** Runs untrusted JavaScript where it can reach nothing of the host. */
export interface FunctionSandbox {
  run(call: FunctionCall, signal: AbortSignal): Promise<FunctionOutcome>;
  /** The syntax error of an implementation, or null when it parses. The code is not run. */
  check(implementation: string): Promise<string | null>;
}

/** Arguments to be checked against a tool's JSON Schema. */
export interface ValidateTask {
  parameters: Record<string, unknown>;
  /** JSON text of the arguments object. */
  text: string;
  /** Whose they are: threads are shared fairly between owners. */
  owner: string;
}

/** What does not fit, a line each; or why nobody knows. */
export type HeavyOutcome =
  | { violations: string[] }
  | { failure: "timeout" | "busy" | "crash"; message: string };

/** Work that can hold a thread for long, done in one that nothing else waits for. */
export interface HeavyWork {
  /** Never rejects. @param limitMs after which it is given up, in milliseconds */
  validate(task: ValidateTask, limitMs: number): Promise<HeavyOutcome>;
}

/** Where the MCP sidecar listens and what it wants to see. */
export interface SidecarEndpoint {
  url: string;
  token: string;
}

/** The state of one part, as `/health` shows it. */
export interface PartHealth {
  status: "ok" | "degraded" | "down" | "unconfigured";
  /** What is wrong and what to do, where something is. */
  message?: string;
  [detail: string]: unknown;
}

/** Structured log lines. `fields` never hold secrets or message content. */
export interface Logger {
  error(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  debug(message: string, fields?: Record<string, unknown>): void;
}

/** Where one request waits until another lets it look again. */
export interface Turnstile {
  /**
   * Resolves when it is opened, or a little later where the runtime lets no request wake another,
   * or when the signal fires; and now and then for no reason. Look whether it is your turn.
   */
  pass(signal: AbortSignal): Promise<void>;
  /** Lets through who waits there now. */
  open(): void;
  /** Whether who waited has died with its request, without a word. */
  readonly isAbandoned: boolean;
}

/** SHA-256 of bytes that come piece by piece. */
export interface IncrementalHash {
  update(bytes: Uint8Array): void;
  /** Of all until now, in hexadecimal. */
  hex(): string;
}

/** Records that wait for the database outside of this process, where it hands them on. */
interface WaitingRecords {
  /**
   * US dollars of a key's turns, other than these, whose records wait. Rejects where nobody can be
   * asked.
   */
  dollars(apiKeyId: string, except: string[]): Promise<number>;
}

export interface Platform {
  config: Config;
  /** Where this runs, for the operator. `version` is Node's; workerd has none. */
  runtime: { name: "node" | "workerd"; version: string | null };
  logger: Logger;
  clock: Clock;
  /** The database, through one driver. On workerd its connection belongs to the current request. */
  database: Database;
  send: SendUpstream;
  openDecoder: OpenDecoder;
  /** The Fetch API, for addresses of the operator's own machines, such as the sidecar's. */
  fetch: typeof globalThis.fetch;
  /**
   * The Fetch API, for addresses that people typed; `safe-fetch.ts` is its only caller. Where the
   * runtime resolves names itself, what `address-policy.ts` refuses is not connected to.
   */
  fetchGuarded: (url: URL, init: RequestInit) => Promise<Response>;
  sandbox: FunctionSandbox;
  /** Begins a SHA-256: the runtime's own, where it has one that takes pieces. */
  sha256(): IncrementalHash;
  /** Null where the runtime has no other threads: heavy work has stricter bounds there. */
  heavy: HeavyWork | null;
  /**
   * Null when there is none: `mcp` tools that need a command then fail with a message that says so.
   */
  sidecar(): Promise<SidecarEndpoint | null>;
  /**
   * Does a piece of work that several requests want at the same time: once for all of them, where
   * the runtime lets a request wait for another's promise, else for each.
   * @param key tells pieces of work apart; all that ask for one key want the same
   */
  once<T>(key: string, work: () => Promise<T>): Promise<T>;
  /**
   * Whether work goes on for as long as it takes when nobody waits for it: then responses can be
   * made in the background.
   */
  outlivesRequests: boolean;
  /** A gate for one waiting request, which others open. */
  turnstile(): Turnstile;
  /** Where connections are kept for whoever comes next. Null: each ends with its request. */
  connections: Memory | null;
  /**
   * How often something must be written to a stream so that it is noticed when its client leaves,
   * in milliseconds. Null: the runtime tells.
   */
  noticesLeavingMs: number | null;
  /**
   * Bytes that a response stream may run ahead of its client before the producer waits. Infinity:
   * it never waits.
   */
  maxUnreadBytes: number;
  /**
   * Puts a finished turn where it cannot be lost; resolves as soon as it is safe there. Never
   * throws. Once a turn is in the database, `noteTurnsWritten` is told its id, or the database is
   * asked (see `waitingRecords`): until then its cost is counted here.
   */
  keepRecord(record: TurnRecord): void | Promise<void>;
  /**
   * Null where records wait in this process, which is told of each that is written. Else the
   * database is asked which are.
   */
  waitingRecords: WaitingRecords | null;
  /** Health of what only the runtime knows (sidecar process, spool), by part name. */
  partHealth(): Promise<Record<string, PartHealth>>;
  /** Caches and counters that outlive a request. */
  memory: Memory;
}

/** A client's WebSocket whose handshake is done. */
export interface ClientSocket {
  /**
   * The next message, a text or bytes, or null when the connection has ended. One is asked for at a
   * time; where the runtime can, nobody reads on before.
   */
  receive(): Promise<string | Uint8Array | null>;
  /**
   * Sends a text. Resolves when the client has taken enough for more to be sent. Does nothing once
   * the client is gone.
   */
  send(text: string): Promise<void> | void;
  /** Closes it behind what was sent. @param code RFC 6455, 7.4.1 @param reason 123 bytes at most */
  close(code: number, reason: string): void;
  /** Fires when the connection has ended, whoever ended it. */
  gone: AbortSignal;
}

/** How a request becomes a WebSocket. */
export interface SocketHandshake {
  /** The sub-protocol that was chosen of those that the client offers; null: none. */
  protocol: string | null;
  /** Headers of the response beside those of the handshake. */
  headers: Record<string, string>;
  /** A larger message closes the connection with 1009. In bytes. */
  maxMessageBytes: number;
  /** Is called when the handshake is done; the runtime is kept alive until it has settled. */
  serve(socket: ClientSocket): Promise<void>;
}

/**
 * Takes a request's connection over.
 * @returns what the route has to answer with
 * @throws ApiError 400 where the handshake is none
 */
export type AcceptSocket = (handshake: SocketHandshake) => Response;

/** One client connection's side of a request: what Hono's `c.env` holds. */
export interface RequestScope {
  platform: Platform;
  /** UUID version 7: the `x-proxy-request-id`, and the id of the turn where one is recorded. */
  requestId: string;
  /** The path that the client asked for, where another route asks on its behalf. */
  endpoint?: string;
  /** Why the request is refused, whoever asks: its path has no normal form. */
  refusal?: Error;
  /** Fires when the client goes away before the response has ended. */
  clientGone: AbortSignal;
  /**
   * Ends the connection in the midst of the response, so that the client notices. Null: an error of
   * the response's body does that.
   */
  breakOff: (() => void) | null;
  /** Null where the request's connection cannot become a WebSocket. */
  acceptSocket: AcceptSocket | null;
  /** Fires when the server takes no more requests: an answer without an end must come to one. */
  ending: AbortSignal;
  /** The client's network address, for throttling. */
  clientAddress: string;
  /** Keeps the runtime alive until the promise has settled. */
  waitUntil(promise: Promise<unknown>): void;
}
