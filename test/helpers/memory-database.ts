/**
 * PGlite in memory behind the product's own socket server: what SQL sees of the embedded database,
 * without a disk, a thread and a lock.
 */
import { PGlite } from "@electric-sql/pglite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chooseSocketPath } from "../../src/node/database/choose-socket-path.ts";
import { connectDatabase } from "../../src/node/database/connect-database.ts";
import { migrateDatabase } from "../../src/node/database/migrate-database.ts";
import { ProtocolServer } from "../../src/node/database/serve-protocol.ts";
import type { Logger } from "../../src/platform.ts";
import type { Database } from "../../src/store/database.ts";

/** As many as the product opens. */
const CONNECTIONS = 10;
/** As in `src/node/database/embedded-worker.ts`: four times less memory than by default. */
const START_PARAMETERS = [...PGlite.defaultStartParams, "-c", "shared_buffers=32MB"];

/** Opens an empty, migrated database that ends with this process. Takes 2 to 3 s. */
export async function openMemoryDatabase(logger: Logger): Promise<Database> {
  const directory = mkdtempSync(join(tmpdir(), "proxy-memory-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  const server = new ProtocolServer(await PGlite.create({ startParams: START_PARAMETERS }));
  const { path } = await chooseSocketPath(directory);
  await server.listen(path);
  const connection = { kind: "embedded", path } as const;
  await migrateDatabase(connection, logger);
  return connectDatabase(connection, { max: CONNECTIONS }).database;
}
