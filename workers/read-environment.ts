import { readConfig, type Config } from "../src/config/read-config.ts";
import type { Variable } from "../src/config/variable.ts";
import { VARIABLES } from "../src/config/variables.ts";
import type { SpoolStub } from "./records/spool-entry.ts";

/** Bindings that are no text. */
interface NamedBindings {
  HYPERDRIVE?: Hyperdrive;
  /** Where records wait for the database. */
  RECORD_SPOOL?: DurableObjectNamespace<SpoolStub>;
  /** By which records go to the database. */
  RECORD_QUEUE?: Queue;
}

/**
 * The bindings of the Worker: variables and secrets as text, Secrets Store secrets as objects, and
 * perhaps some by name.
 */
export type WorkerEnvironment = Record<
  string,
  string | SecretsStoreSecret | NamedBindings[keyof NamedBindings]
> &
  NamedBindings;

async function text(binding: WorkerEnvironment[string]): Promise<string | undefined> {
  if (typeof binding === "string" || binding === undefined) return binding;
  return "get" in binding && !("idFromName" in binding) ? binding.get() : undefined;
}

/**
 * The checked configuration.
 * @param host the request's host name: weak secrets are for loopback only, and only the request
 * tells where we are
 * @throws ConfigError
 */
export async function readWorkerConfig(env: WorkerEnvironment, host: string): Promise<Config> {
  const environment: Record<string, string | undefined> = {};
  for (const { name, runtimes } of Object.values<Variable>(VARIABLES))
    if (runtimes?.includes("workerd") ?? true) environment[name] = await text(env[name]);
  if (env.HYPERDRIVE !== undefined) environment["DATABASE_URL"] = env.HYPERDRIVE.connectionString;
  return readConfig(environment, { host });
}
