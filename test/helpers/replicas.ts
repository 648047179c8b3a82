/** Proxies on one database, of which each has a wire to it that can be cut. */
import { openDatabaseWire, type DatabaseWire } from "./cuttable-database.ts";
import { startPostgres } from "./postgres-server.ts";
import { startNode, startWorker, type Stop } from "./start-target.ts";

/** One proxy of several. */
export interface Replica {
  name: string;
  url: string;
  wire: DatabaseWire;
}

const STARTS = { node: startNode, workerd: startWorker };

/**
 * Starts a PostgreSQL and these proxies on it.
 * @param runtimes by the names that the test gives its proxies
 * @param env variables that all of them have
 */
export async function startReplicas<Name extends string>(
  runtimes: Record<Name, keyof typeof STARTS>,
  env: Record<string, string> = {},
): Promise<{ replicas: Record<Name, Replica>; databaseUrl: string; stop: Stop }> {
  const stops: Stop[] = [];
  const stop = async () => {
    for (const end of stops.toReversed()) await end();
  };
  try {
    const postgres = await startPostgres();
    stops.push(postgres.stop);
    const databaseUrl = await postgres.createDatabase();
    const start = async ([name, runtime]: [string, keyof typeof STARTS]): Promise<[string, Replica]> => {
      const wire = await openDatabaseWire(databaseUrl);
      stops.push(async () => wire.close());
      return [name, { name, url: await STARTS[runtime](wire.url, stops, env), wire }];
    };
    const started = await Promise.all(Object.entries<keyof typeof STARTS>(runtimes).map(start));
    return { replicas: Object.fromEntries(started) as Record<Name, Replica>, databaseUrl, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
