/** The few names of the Workers runtime that this entry uses. */

/** A binding to a PostgreSQL that Hyperdrive pools. */
interface Hyperdrive {
  connectionString: string;
}

/** A stream that knows how many bytes it will have. */
declare class FixedLengthStream extends TransformStream<Uint8Array, Uint8Array> {
  constructor(length: number);
}

/** What of Node's own modules workerd has by its `nodejs_compat`, as far as it is used. */
declare module "node:zlib" {
  export const constants: { ZSTD_d_windowLogMax: number };
  export function createBrotliDecompress(): unknown;
  export function createZstdDecompress(options: { params: Record<number, number> }): unknown;
}

declare module "node:stream" {
  export const Duplex: { toWeb(stream: unknown): unknown };
}

declare module "node:buffer" {
  export const Buffer: { from(bytes: Uint8Array): Uint8Array };
}

/** A TCP connection. */
interface CloudflareSocket {
  readable: ReadableStream<Uint8Array>;
  writable: WritableStream<Uint8Array>;
  opened: Promise<unknown>;
  close(): Promise<void>;
  startTls(): CloudflareSocket;
}

declare module "cloudflare:sockets" {
  export function connect(
    address: string,
    options: { secureTransport: "off" | "starttls" },
  ): CloudflareSocket;
}

/** https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/ */
interface SqlStorage {
  exec<Row>(
    query: string,
    ...bindings: (string | number | null | ArrayBuffer | Uint8Array)[]
  ): { toArray(): Row[] };
}

/** What a Durable Object keeps. */
interface DurableObjectStorage {
  sql: SqlStorage;
  /** All of it, or nothing where it throws. */
  transactionSync<T>(work: () => T): T;
  /** Resolves when all that was written is durable. */
  sync(): Promise<void>;
  /** When the object is called next, in milliseconds since 1970. Null: not, or just now. */
  getAlarm(): Promise<number | null>;
  setAlarm(time: number): Promise<void>;
}

interface DurableObjectState {
  storage: DurableObjectStorage;
  waitUntil(promise: Promise<unknown>): void;
  /** Nothing else is served before the work is done. */
  blockConcurrencyWhile<T>(work: () => Promise<T>): Promise<T>;
}

/** What is known of a call of `alarm`. */
interface AlarmInfo {
  /** Whether the call before this one did not end. */
  isRetry: boolean;
}

declare module "cloudflare:workers" {
  export abstract class DurableObject<Environment> {
    protected ctx: DurableObjectState;
    protected env: Environment;
    constructor(ctx: DurableObjectState, env: Environment);
  }
}

/** A binding to a class of Durable Objects. @template Stub the methods that can be called */
interface DurableObjectNamespace<Stub> {
  idFromName(name: string): unknown;
  get(id: unknown): Stub;
}

/** A binding to a Queue: https://developers.cloudflare.com/queues/configuration/javascript-apis/ */
interface Queue {
  send(text: string, options: { contentType: "text"; delaySeconds?: number }): Promise<unknown>;
}

/** Messages of a Queue, to be written. */
interface MessageBatch {
  messages: readonly QueueMessage[];
}

interface QueueMessage {
  body: unknown;
  /** From 1. */
  attempts: number;
  ack(): void;
  retry(options: { delaySeconds: number }): void;
}

/** A secret of the Secrets Store. */
interface SecretsStoreSecret {
  get(): Promise<string>;
}

/** One request's side of the runtime. */
interface ExecutionContext {
  waitUntil(promise: Promise<unknown>): void;
}

/**
 * What `nodejs_compat` gives that is used:
 * https://developers.cloudflare.com/workers/runtime-apis/nodejs/crypto/
 */
declare module "node:crypto" {
  interface Hash {
    update(data: string | Uint8Array): Hash;
    copy(): Hash;
    digest(encoding: "hex"): string;
  }
  export function createHash(algorithm: "sha256"): Hash;
}

/** One end of a WebSocket: https://developers.cloudflare.com/workers/runtime-apis/websockets/ */
interface WorkerWebSocket {
  accept(): void;
  send(text: string): void;
  close(code: number, reason: string): void;
  addEventListener(
    type: "message",
    listener: (event: { data: string | ArrayBuffer }) => void,
  ): void;
  addEventListener(type: "close", listener: (event: { code: number }) => void): void;
  addEventListener(type: "error", listener: () => void): void;
}

/** Two ends that are connected. */
declare class WebSocketPair {
  0: WorkerWebSocket;
  1: WorkerWebSocket;
}

/** What a response may have there beside what the Fetch API knows. */
interface WorkerResponseInit extends ResponseInit {
  webSocket: WorkerWebSocket;
}
