/** The environment, read by its table and checked as a whole. */
import { judgeSecrets } from "./judge-secrets.ts";
import { isLoopback } from "./loopback.ts";
import { readVariables, type ValuesOf } from "./variable.ts";
import { VARIABLES, type VariableName } from "./variables.ts";

/**
 * The environment as strings, after `NAME_FILE` and secret bindings were resolved by the runtime's
 * entry.
 */
export type Environment = Partial<Record<VariableName, string | undefined>>;

type Settings = ValuesOf<typeof VARIABLES>;
type DatabasePart =
  | "databaseHost"
  | "databasePort"
  | "databaseName"
  | "databaseUser"
  | "databasePassword";

/**
 * The checked configuration of one process (Node) or isolate (workerd): a member for each variable,
 * as its row in `variables.ts` describes it.
 */
export interface Config extends Omit<Settings, DatabasePart | "encryptionKey"> {
  /** Secret from which the AES-256-GCM key for stored credentials is derived. */
  encryptionKey: string;
  /** Names that are this server's; one that begins with a dot stands for every name under it. */
  ownHosts: string[];
  /** Sentences for the operator, e.g. that a default password is in use. */
  warnings: string[];
}

/** Thrown by {@link readConfig}: one message that lists every fault and what to do about it. */
export class ConfigError extends Error {
  readonly faults: string[];
  constructor(faults: string[]) {
    const count = faults.length === 1 ? "a fault" : `${faults.length} faults`;
    const lines = faults.map((fault) => `  - ${fault}`);
    super(`The configuration has ${count}:\n${lines.join("\n")}`);
    this.name = "ConfigError";
    this.faults = faults;
  }
}

/** What must not be guessed. */
const SECRETS = ["jwtSecret", "adminPassword", "encryptionKey", "sidecarToken"] as const;

/** The URL that the `DATABASE_*` parts make, or null where they name no host. */
function urlOfParts(settings: Pick<Settings, DatabasePart>): string | null {
  const { databaseHost: host, databasePort: port } = settings;
  if (host === null) return null;
  const user = encodeURIComponent(settings.databaseUser);
  const password = encodeURIComponent(settings.databasePassword);
  const name = encodeURIComponent(settings.databaseName);
  const isBareIpv6 = host.includes(":") && !host.startsWith("[");
  return `postgres://${user}:${password}@${isBareIpv6 ? `[${host}]` : host}:${port}/${name}`;
}

/** Weak secrets are a warning in development on loopback, and a fault anywhere else. */
function checkSecrets(settings: Settings, config: Config, faults: string[]): void {
  const isAccepted = config.environment === "development" && isLoopback(config.host);
  const rule = "accepted in development on a loopback address only";
  const secrets = SECRETS.map((member) => {
    const { name, default: wellKnown } = VARIABLES[member];
    return { name, value: settings[member], wellKnown };
  });
  for (const { fault, advice } of judgeSecrets(secrets)) {
    if (isAccepted) config.warnings.push(`${fault}. This is ${rule}; ${advice}.`);
    else faults.push(`${fault}, which is ${rule}: ${advice}.`);
  }
}

/**
 * Where Workers are reached under names that only Cloudflare can lead anywhere, so that no page can
 * take one for itself. Other domains of a Worker are the operator's to name.
 */
const WORKERS_DEV = ".workers.dev";

/** The names under which this server may be reached, beside loopback. */
function ownHostsOf(
  { allowedHosts, mcpAllowedHosts, host }: Settings,
  runtime: { host?: string },
): string[] {
  const implied = runtime.host === undefined ? [host.toLowerCase()] : [WORKERS_DEV];
  return [...allowedHosts, ...mcpAllowedHosts, ...implied];
}

/**
 * Checks the environment.
 * @param env strings by name; empty strings count as unset
 * @param runtime `host`: where the server is reachable, when the runtime knows better than `HOST`
 * (workerd: the request's host name)
 * @throws ConfigError with every fault at once
 */
export function readConfig(env: Environment, runtime: { host?: string } = {}): Config {
  const faults: string[] = [];
  const settings = readVariables(VARIABLES, env, faults);
  const { databaseHost, databasePort, databaseName, databaseUser, databasePassword, ...others } =
    settings;
  const parts = { databaseHost, databasePort, databaseName, databaseUser, databasePassword };
  const config: Config = {
    ...others,
    host: runtime.host ?? settings.host,
    databaseUrl: settings.databaseUrl ?? urlOfParts(parts),
    encryptionKey: settings.encryptionKey ?? settings.jwtSecret,
    ownHosts: ownHostsOf(settings, runtime),
    warnings: [],
  };
  if (config.sidecarUrl !== null && config.sidecarToken === null) {
    faults.push(
      "MCP_SIDECAR_URL is set and MCP_SIDECAR_TOKEN is not: " +
        "the sidecar accepts no request without its token.",
    );
  }
  checkSecrets(settings, config, faults);
  if (faults.length > 0) throw new ConfigError(faults);
  return config;
}
