import { isLoopback } from "../src/config/loopback.ts";
import { ConfigError, type Config } from "../src/config/read-config.ts";
import { readWorkerConfig, type WorkerEnvironment } from "./read-environment.ts";

/** A configuration that names a database: there is no other on workerd. */
export type CompleteConfig = Config & { databaseUrl: string };

type Reach = "loopback" | "public";

/** By how the Worker is reached: the host name decides whether weak secrets are accepted. */
const configs = new WeakMap<WorkerEnvironment, Map<Reach, CompleteConfig>>();

/**
 * The checked configuration, read once for each way to reach the Worker.
 * @param host the request's host name
 * @throws ConfigError
 */
export async function configOf(env: WorkerEnvironment, host: string): Promise<CompleteConfig> {
  const known = configs.get(env) ?? new Map<Reach, CompleteConfig>();
  configs.set(env, known);
  const reach = isLoopback(host) ? "loopback" : "public";
  const found = known.get(reach);
  if (found !== undefined) return found;
  const config = await readWorkerConfig(env, host);
  const { databaseUrl } = config;
  if (databaseUrl === null)
    throw new ConfigError([
      "There is no database: bind a Hyperdrive as HYPERDRIVE, or set DATABASE_URL.",
    ]);
  for (const warning of config.warnings) console.warn(warning);
  const complete = { ...config, databaseUrl };
  known.set(reach, complete);
  return complete;
}
