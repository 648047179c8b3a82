import { type MigrationMeta, readMigrationFiles } from "drizzle-orm/migrator";
import { fileURLToPath } from "node:url";
import type postgres from "postgres";
import type { Logger } from "../../platform.ts";
import { type ConnectionOptions, connectPostgres } from "./connect-database.ts";
import { DatabaseStartError, describeError } from "./database-start-error.ts";

const FOLDER = fileURLToPath(new URL("../../../drizzle/migrations", import.meta.url));
/** Any number that no other application on the same server uses as an advisory lock. */
const LOCK = "7240113905518264";

/** What a migration run did. */
export interface MigrationResult {
  /** Migrations applied now; 0 when the database was up to date. */
  applied: number;
  /** Migrations that this build has. */
  total: number;
}

/**
 * Brings the database to this build's schema: all pending migrations in one transaction, one
 * process at a time.
 *
 * Files and bookkeeping table are drizzle's, the loop is ours: drizzle's migrator reads what was
 * applied outside its transaction, so a lock would need a second connection, and the embedded
 * database has only one session to give. A role that may not create anything can run this as long
 * as nothing is pending.
 * @throws DatabaseStartError with nothing changed
 */
export async function migrateDatabase(
  options: ConnectionOptions,
  logger: Logger,
): Promise<MigrationResult> {
  const migrations = readMigrationFiles({ migrationsFolder: FOLDER });
  const client = connectPostgres(options, { max: 1 });
  try {
    const applied = await client.begin((transaction) =>
      applyPending(transaction, migrations, logger),
    );
    if (applied > 0) logger.info("Migrated the database.", { applied });
    return { applied, total: migrations.length };
  } catch (error) {
    throw new DatabaseStartError(
      `The database could not be migrated, and is as it was (${describeError(error)}): ` +
        "check that its user may create schemas and tables, or run `npm run migrate` as one who may.",
      { cause: error },
    );
  } finally {
    await client.end({ timeout: 5 });
  }
}

async function applyPending(
  transaction: postgres.TransactionSql,
  migrations: MigrationMeta[],
  logger: Logger,
): Promise<number> {
  // Another replica's migration, or a large index of our own, may take its time.
  await transaction`select set_config('statement_timeout', '0', true)`;
  await transaction`select pg_advisory_xact_lock(${LOCK}::bigint)`;
  const last = await readLastApplied(transaction);
  const pending = migrations.filter(({ folderMillis }) => folderMillis > last);
  if (last > (migrations.at(-1)?.folderMillis ?? 0)) {
    logger.warn(
      "The database was migrated by a newer version of this program; going on, as migrations only add.",
    );
  }
  for (const migration of pending) {
    for (const statement of migration.sql) await transaction.unsafe(statement);
    await transaction`insert into drizzle.__drizzle_migrations (hash, created_at) values (${migration.hash}, ${migration.folderMillis})`;
  }
  return pending.length;
}

/**
 * When the newest applied migration was generated, in milliseconds since 1970; 0 for an empty
 * database.
 */
async function readLastApplied(transaction: postgres.TransactionSql): Promise<number> {
  const [found] = await transaction<
    { exists: boolean }[]
  >`select to_regclass('drizzle.__drizzle_migrations') is not null as exists`;
  if (!found?.exists) {
    await transaction`create schema if not exists drizzle`;
    await transaction`create table drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)`;
  }
  const [row] = await transaction<
    { last: string | null }[]
  >`select max(created_at)::text as last from drizzle.__drizzle_migrations`;
  return Number(row?.last ?? 0);
}
