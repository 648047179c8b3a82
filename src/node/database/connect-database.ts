import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import * as schema from "../../../drizzle/schema.ts";
import type { Database } from "../../store/database.ts";

/**
 * How to reach the one database of this process. Plain data, so that another thread can be handed
 * it; may hold a password.
 */
export type ConnectionOptions =
  | {
      kind: "postgres";
      url: string;
      /** False behind a pooler that refuses them (PgBouncer). */ startupParameters: boolean;
    }
  | { kind: "embedded"; /** Unix socket, or named pipe on Windows. */ path: string };

/** One client's share of the database. */
export interface ClientLimits {
  /** Connections that the client may open. */
  max: number;
  /**
   * How long a statement waits for a lock, in milliseconds; until its own limit where it is not
   * given.
   */
  lockTimeoutMs?: number;
}

/** A drizzle handle with connections of its own. */
export interface ConnectedDatabase {
  database: Database;
  /** Waits up to 5 s for running queries, then closes the connections. */
  close(): Promise<void>;
}

const CLOSE_SECONDS = 5;

/** What a forgotten query or transaction may cost other users of a server. Milliseconds. */
const STARTUP_PARAMETERS = {
  statement_timeout: 30_000,
  idle_in_transaction_session_timeout: 60_000,
};

/**
 * Opens a raw postgres.js client. No connection is made before the first query. Give it to drizzle
 * or use it with raw SQL, never both: drizzle replaces its serializers of dates and JSON.
 */
export function connectPostgres(
  options: ConnectionOptions,
  { max, lockTimeoutMs }: ClientLimits,
): postgres.Sql {
  const shared = {
    max,
    idle_timeout: 60,
    // Notices ("relation already exists, skipping") are not for this process's console.
    onnotice: () => undefined,
    // Workers cannot afford the extra round trip, and both runtimes shall behave alike: drizzle
    // reads arrays by itself.
    fetch_types: false,
  };
  if (options.kind === "embedded") {
    // Its one session serves one query at a time: a new connection may have to wait for a long one.
    return postgres({
      ...shared,
      path: options.path,
      user: "postgres",
      database: "postgres",
      password: "",
      ssl: false,
      connect_timeout: 30,
    });
  }
  const connection = {
    application_name: "openai-proxy-server",
    ...(options.startupParameters ? STARTUP_PARAMETERS : {}),
    ...(options.startupParameters && lockTimeoutMs !== undefined
      ? { lock_timeout: lockTimeoutMs }
      : {}),
  };
  return postgres(options.url, { ...shared, connect_timeout: 5, connection });
}

/** Opens a drizzle handle on the database, in any thread of this process. */
export function connectDatabase(
  options: ConnectionOptions,
  limits: ClientLimits,
): ConnectedDatabase {
  const client = connectPostgres(options, limits);
  return {
    database: drizzle({ client, schema }),
    close: () => client.end({ timeout: CLOSE_SECONDS }),
  };
}
