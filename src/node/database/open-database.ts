import type { Config } from "../../config/read-config.ts";
import type { Logger, PartHealth } from "../../platform.ts";
import type { Database } from "../../store/database.ts";
import { type ConnectionOptions, connectDatabase, connectPostgres } from "./connect-database.ts";
import { describeError } from "./database-start-error.ts";
import { EmbeddedDatabase } from "./embedded-database.ts";
import { migrateDatabase, type MigrationResult } from "./migrate-database.ts";
import { waitForDatabase } from "./wait-for-database.ts";

/** The database of this process, migrated and ready. */
export interface OpenDatabase {
  database: Database;
  /** For `connectDatabase` in another thread of this process. Holds the password: never log it. */
  connection: ConnectionOptions;
  migrations: MigrationResult;
  /** Asks the database a question, for at most 3 s. Never rejects. */
  health(): Promise<PartHealth>;
  /**
   * Waits up to 5 s for running queries, then closes everything. Other threads' connections must be
   * closed before.
   */
  close(): Promise<void>;
}

/** People and their clients wait for these statements. The record's writer has all the time. */
const LOCK_LIMIT_MS = 5000;
const MAX_CONNECTIONS = 10;
const HEALTH_MS = 3_000;

/**
 * Opens the PostgreSQL server that `databaseUrl` names, or else the embedded database under
 * `dataDir`, and migrates it.
 * @param waitSeconds how long a server may take to answer for the first time
 * @throws DatabaseStartError with a sentence for the operator
 */
export async function openDatabase(
  config: Pick<Config, "databaseUrl" | "dataDir">,
  logger: Logger,
  waitSeconds = 30,
): Promise<OpenDatabase> {
  if (config.databaseUrl !== null) {
    const connection = await waitForDatabase(config.databaseUrl, logger, waitSeconds);
    return connectAll({ connection, embedded: null }, logger);
  }
  const embedded = await EmbeddedDatabase.start(config.dataDir, logger);
  try {
    return await connectAll(
      { connection: { kind: "embedded", path: embedded.path }, embedded },
      logger,
    );
  } catch (error) {
    await embedded.close();
    throw error;
  }
}

interface Parts {
  connection: ConnectionOptions;
  embedded: EmbeddedDatabase | null;
}

async function connectAll({ connection, embedded }: Parts, logger: Logger): Promise<OpenDatabase> {
  const migrations = await migrateDatabase(connection, logger);
  const { database, close } = connectDatabase(connection, {
    max: MAX_CONNECTIONS,
    lockTimeoutMs: LOCK_LIMIT_MS,
  });
  // A connection of its own: a busy pool is not a dead database.
  const probe = connectPostgres(connection, { max: 1 });
  let asking: Promise<PartHealth> | null = null;
  return {
    database,
    connection,
    migrations,
    health() {
      // One question at a time, however many ask: health endpoints are public.
      asking ??= askHealth(async () => void (await probe`select 1`), connection.kind)
        .then((answer) => ({
          ...answer,
          ...(embedded && embedded.health().status !== "ok" ? embedded.health() : {}),
        }))
        .finally(() => {
          asking = null;
        });
      return asking;
    },
    async close() {
      await Promise.all([close(), probe.end({ timeout: 1 })]);
      await embedded?.close();
    },
  };
}

async function askHealth(
  question: () => Promise<void>,
  kind: ConnectionOptions["kind"],
): Promise<PartHealth> {
  const started = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`no answer within ${HEALTH_MS / 1000} s`)),
      HEALTH_MS,
    );
  });
  try {
    await Promise.race([question(), late]);
    return { status: "ok", kind, ms: Math.round(performance.now() - started) };
  } catch (error) {
    const advice =
      kind === "postgres"
        ? "Check that the PostgreSQL server runs and can be reached."
        : "See the log.";
    return {
      status: "down",
      kind,
      message: `The database does not answer: ${describeError(error)}. ${advice}`,
    };
  } finally {
    clearTimeout(timer);
  }
}
