/** Proxies on one database, of which each has a wire to it that can be cut. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabaseWire, type DatabaseWire } from "./cuttable-database.ts";
import { startPostgres } from "./postgres-server.ts";
import { startNodeProxy, startWorker, type Stop } from "./start-target.ts";

/** One proxy of several. */
export interface Replica {
  url: string;
  wire: DatabaseWire;
}

/** Where a proxy runs, and the variables that it has beside the usual ones. */
interface ReplicaPlan {
  runtime: "node" | "workerd";
  env?: Record<string, string>;
}

/** Proxies that run, by the names that the test gave them. */
export interface Replicas<Name extends string> {
  at: Record<Name, Replica>;
  databaseUrl: string;
  stop: Stop;
}

type Start = (databaseUrl: string, stops: Stop[], env?: Record<string, string>) => Promise<string>;

const STARTS: Record<ReplicaPlan["runtime"], Start> = {
  node: async (databaseUrl, stops, env) => {
    const dataDir = mkdtempSync(join(tmpdir(), "proxy-replica-"));
    stops.push(async () => rmSync(dataDir, { recursive: true, force: true }));
    const { captured, stop } = await startNodeProxy({
      DATA_DIR: dataDir,
      DATABASE_URL: databaseUrl,
      ...env,
    });
    // postgres.js 3.4.9 takes its whole time limit to end (5 s) where a connection ever broke under
    // a query.
    stops.push(() => stop("SIGKILL"));
    return captured;
  },
  workerd: startWorker,
};

/** Starts a PostgreSQL, and these proxies on it. */
export async function startReplicas<Name extends string>(
  plans: Record<Name, ReplicaPlan>,
): Promise<Replicas<Name>> {
  const stops: Stop[] = [];
  const stop = async () => {
    for (const end of stops.toReversed()) await end();
  };
  try {
    const postgres = await startPostgres();
    stops.push(postgres.stop);
    const databaseUrl = await postgres.createDatabase();
    const start = async ([name, { runtime, env }]: [string, ReplicaPlan]): Promise<
      [string, Replica]
    > => {
      const wire = await openDatabaseWire(databaseUrl);
      stops.push(async () => wire.close());
      return [name, { url: await STARTS[runtime](wire.url, stops, env), wire }];
    };
    const started = await Promise.all(Object.entries<ReplicaPlan>(plans).map(start));
    return { at: Object.fromEntries(started) as Record<Name, Replica>, databaseUrl, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
