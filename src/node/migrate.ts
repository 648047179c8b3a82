/**
 * `npm run migrate`: brings the configured database to this build's schema. Exit code 1 and one
 * sentence when it cannot.
 */
import { ConfigError, readConfig } from "../config/read-config.ts";
import type { Logger } from "../platform.ts";
import { DatabaseStartError } from "./database/database-start-error.ts";
import { openDatabase } from "./database/open-database.ts";
import { keepFilesPrivate } from "./private-files.ts";
import { readEnvironment } from "./read-environment.ts";

/**
 * Lines for a person at a terminal: what happens goes to standard error, the result to standard
 * output.
 */
function say(message: string, fields?: Record<string, unknown>): void {
  process.stderr.write(`${message}${fields ? ` ${JSON.stringify(fields)}` : ""}\n`);
}

const logger: Logger = { error: say, warn: say, info: say, debug: () => undefined };

keepFilesPrivate();
try {
  const config = readConfig(readEnvironment(process.env));
  const { connection, migrations, close } = await openDatabase(config, logger);
  await close();
  const where =
    connection.kind === "embedded"
      ? `the embedded database in ${config.dataDir}`
      : "the PostgreSQL server";
  const what = migrations.applied === 0 ? "nothing to do" : `${migrations.applied} applied`;
  process.stdout.write(`Migrations of ${where}: ${what}, ${migrations.total} in all.\n`);
} catch (error) {
  if (!(error instanceof DatabaseStartError || error instanceof ConfigError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
