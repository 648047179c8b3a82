/**
 * The thread of the embedded database. Alone in its thread because a query blocks the thread that
 * runs it.
 */
import { PGlite } from "@electric-sql/pglite";
import { rmSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { describeError } from "./database-start-error.ts";
import type { EmbeddedOrder, EmbeddedReport, EmbeddedTask } from "./embedded-protocol.ts";
import { DatabaseMaintainer } from "./maintain-database.ts";
import { PrivateFilesystem } from "./private-filesystem.ts";
import { ProtocolServer } from "./serve-protocol.ts";

/**
 * Shared buffers are 128 MB by default, all of it this process's memory. What a quarter of that
 * costs in speed was not measured.
 */
const START_PARAMETERS = [
  ...PGlite.defaultStartParams,
  "-c",
  "shared_buffers=32MB",
  "-c",
  "max_wal_size=64MB",
];
const MAINTENANCE_MS = 1_000;
/** One table is vacuumed each time, and clients get their turn in between. */
const VACUUM_EVERY_MS = 15_000;

function report(message: EmbeddedReport): void {
  parentPort?.postMessage(message);
}

async function serve({ directory, socketPath }: EmbeddedTask): Promise<void> {
  let panic = "its WebAssembly aborted";
  const onStderr = (line: string) => {
    if (line.includes("PANIC:")) panic = line;
    return true;
  };
  const fs = new PrivateFilesystem(directory);
  const pglite = await PGlite.create({ fs, startParams: START_PARAMETERS, onStderr });
  // PGlite swallows the abort of its own WebAssembly (a PANIC of PostgreSQL) and spins for ever:
  // end the thread at once.
  pglite.Module.onAbort = () => {
    report({ kind: "aborted", error: panic });
    process.exit(1);
  };
  const server = new ProtocolServer(pglite);
  rmSync(socketPath, { force: true });
  await server.listen(socketPath);
  const maintainer = new DatabaseMaintainer({
    pglite,
    exclusively: (work) => server.exclusively(work),
    vacuumEveryMs: VACUUM_EVERY_MS,
    onLongWork: (running) => report({ kind: "busy", running }),
    onFailure: (error) =>
      report({
        kind: "warning",
        message: "Maintenance of the embedded database failed.",
        error: describeError(error),
      }),
  });
  const timer = maintainRegularly(server, maintainer);
  parentPort?.on("message", (order: EmbeddedOrder) => {
    if (order.kind === "ping") report({ kind: "pong" });
    else void stop();
  });
  const stop = async () => {
    clearInterval(timer);
    await server.close();
    await server.exclusively(async () => {
      await pglite.exec("checkpoint");
      await pglite.close();
    });
    process.exit(0);
  };
  report({ kind: "ready" });
}

/**
 * Ticks once a second while clients write, and a last few times after they stopped; an idle
 * database costs nothing.
 */
function maintainRegularly(server: ProtocolServer, maintainer: DatabaseMaintainer): NodeJS.Timeout {
  const TICKS_AFTER_TRAFFIC = 180;
  let seen = 0;
  let ticksLeft = TICKS_AFTER_TRAFFIC;
  let running = false;
  return setInterval(() => {
    if (server.bytesReceived !== seen) ticksLeft = TICKS_AFTER_TRAFFIC;
    seen = server.bytesReceived;
    if (running || ticksLeft === 0) return;
    ticksLeft -= 1;
    running = true;
    void maintainer.tick().finally(() => {
      running = false;
    });
  }, MAINTENANCE_MS);
}

const task = workerData as EmbeddedTask;
if (task.job === "initialise") {
  const fs = new PrivateFilesystem(task.directory);
  const pglite = await PGlite.create({ fs, startParams: START_PARAMETERS });
  await pglite.close();
  process.exit(0);
} else {
  await serve(task);
}
