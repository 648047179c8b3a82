/** A Worker of a test's own, to be killed and started again. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { onTestFinished } from "vitest";
import { openDatabaseWire, type DatabaseWire } from "./cuttable-database.ts";
import { startPostgres } from "./postgres-server.ts";
import { startWorkerProcess, type StartedProcess, type Stop } from "./start-target.ts";

/** Connections that the Worker may have: its limit of 16, and one for each Durable Object. */
const MAX_CONNECTIONS = 20;

/** What of wrangler.toml is there. */
export type Bindings = "RECORD_SPOOL" | "RECORD_QUEUE" | "none";

const withoutSpool = (config: string): string =>
  config
    .replace(/^\[\[durable_objects\.bindings\]\]\n(?:.+\n)+/m, "")
    .replace(/^\[\[migrations\]\]\n(?:.+\n)+/m, "");

/** The block is there as a comment. */
const withQueue = (config: string): string =>
  config
    .replace(/^# (?=\[\[queues|binding = "RECORD_QUEUE"|queue = |max_(?:batch|retr|conc))/gm, "")
    .replace("max_batch_timeout = 1", "max_batch_timeout = 0");

const CONFIGURATIONS: Record<Bindings, (config: string) => string> = {
  RECORD_SPOOL: (config) => config,
  RECORD_QUEUE: withQueue,
  none: withoutSpool,
};

/** Processes that this one started, and theirs. Linux alone tells. */
function descendantsOf(pid: number): number[] {
  const children = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        const parent = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
        return Number(parent) === pid ? [Number(name)] : [];
      } catch {
        // It ended meanwhile.
        return [];
      }
    });
  return children.flatMap((child) => [child, ...descendantsOf(child)]);
}

/** Ends `wrangler dev` and all its workerds, as a power cut does to programs. */
export async function killWorker({ child, stop }: StartedProcess): Promise<void> {
  const pid = child.pid ?? 0;
  const others = descendantsOf(pid);
  const killed = stop("SIGKILL");
  for (const other of others) process.kill(other, "SIGKILL");
  await killed;
}

/** Workers on one database, which lets them have few connections, and may be away. */
export interface WorkerPlace {
  wire: DatabaseWire;
  sql: postgres.Sql;
  start(bindings: Bindings): Promise<StartedProcess>;
}

/** Makes a database, and a directory for what Workers' bindings keep. */
export async function workerPlace(): Promise<WorkerPlace> {
  const stops: Stop[] = [];
  onTestFinished(async () => {
    for (const stop of stops.toReversed()) await stop();
  }, 60_000);
  const server = await startPostgres();
  stops.push(server.stop);
  const databaseUrl = await server.createDatabase();
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => undefined });
  stops.push(() => sql.end({ timeout: 1 }));
  const role = `few_${crypto.randomUUID().replaceAll("-", "")}`;
  await sql.unsafe(`create role ${role} login connection limit ${MAX_CONNECTIONS}`);
  await sql.unsafe(`alter database ${new URL(databaseUrl).pathname.slice(1)} owner to ${role}`);
  await sql.unsafe(`grant all on schema public to ${role}`);
  const wire = await openDatabaseWire(databaseUrl);
  stops.push(async () => wire.close());
  const asRole = new URL(wire.url);
  asRole.username = role;
  const persistTo = mkdtempSync(join(tmpdir(), "worker-state-"));
  stops.push(async () => rmSync(persistTo, { recursive: true, force: true }));
  return {
    wire,
    sql,
    start: (bindings) =>
      startWorkerProcess(asRole.href, stops, { persistTo, configure: CONFIGURATIONS[bindings] }),
  };
}
