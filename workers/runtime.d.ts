/** The few names of the Workers runtime that this entry uses. */

/** A binding to a PostgreSQL that Hyperdrive pools. */
interface Hyperdrive {
  connectionString: string;
}

/** A secret of the Secrets Store. */
interface SecretsStoreSecret {
  get(): Promise<string>;
}

/** One request's side of the runtime. */
interface ExecutionContext {
  waitUntil(promise: Promise<unknown>): void;
}
