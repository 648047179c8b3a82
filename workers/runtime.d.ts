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

/** A secret of the Secrets Store. */
interface SecretsStoreSecret {
  get(): Promise<string>;
}

/** One request's side of the runtime. */
interface ExecutionContext {
  waitUntil(promise: Promise<unknown>): void;
}

/** What `nodejs_compat` gives that is used: https://developers.cloudflare.com/workers/runtime-apis/nodejs/crypto/ */
declare module "node:crypto" {
  interface Hash {
    update(data: string | Uint8Array): Hash;
    copy(): Hash;
    digest(encoding: "hex"): string;
  }
  export function createHash(algorithm: "sha256"): Hash;
}
