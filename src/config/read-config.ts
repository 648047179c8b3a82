import { parsePriceOverrides, type PriceOverrides } from "./record/price-overrides.ts";

/**
 * Every environment variable that the product reads, by name. `NAME_FILE` is read for those marked
 * `secret` or `file`.
 */
export const VARIABLES = {
  PORT: { secret: false },
  HOST: { secret: false },
  NODE_ENV: { secret: false },
  DATABASE_URL: { secret: true },
  DATABASE_HOST: { secret: false },
  DATABASE_PORT: { secret: false },
  DATABASE_NAME: { secret: false },
  DATABASE_USER: { secret: false },
  DATABASE_PASSWORD: { secret: true },
  DATA_DIR: { secret: false },
  JWT_SECRET: { secret: true },
  ADMIN_PASSWORD: { secret: true },
  ENCRYPTION_KEY: { secret: true },
  OPENAI_API_KEY: { secret: true },
  OPENAI_BASE_URL: { secret: false },
  MODEL: { secret: false },
  MCP_SIDECAR_URL: { secret: false },
  MCP_SIDECAR_TOKEN: { secret: true },
  MCP_ALLOWED_HOSTS: { secret: false },
  MCP_ALLOWED_PRIVATE_HOSTS: { secret: false },
  ANSWER_CACHE_SECONDS: { secret: false },
  TOOL_MAX_ROUNDS: { secret: false },
  TOOL_TURN_TIMEOUT_MS: { secret: false },
  HIDDEN_ROUNDS_HOURS: { secret: false },
  LOG_RETENTION_DAYS: { secret: false },
  MAX_BODY_BYTES: { secret: false },
  LOG_LEVEL: { secret: false },
  PRICES: { secret: false, file: true },
} as const;

type VariableName = keyof typeof VARIABLES;

/**
 * The environment as strings, after `NAME_FILE` and secret bindings were resolved by the runtime's
 * entry.
 */
export type Environment = Partial<Record<VariableName, string | undefined>>;

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

/** The checked configuration of one process (Node) or isolate (workerd). */
export interface Config {
  /** TCP port, 0–65535 (0: any free one). Node only. */
  port: number;
  /** Address to listen on. Node only. */
  host: string;
  /** `development` permits weak secrets on loopback; every other value is treated as production. */
  environment: string;
  /** A `postgres://` URL, or null: the embedded database under `dataDir`. */
  databaseUrl: string | null;
  /** Directory of the embedded database and of the log spool. Node only. */
  dataDir: string;
  jwtSecret: string;
  adminPassword: string;
  /** Secret from which the AES-256-GCM key for stored credentials is derived. */
  encryptionKey: string;
  /**
   * Upstream credential for keys that have none of their own; null sends no authorization header.
   */
  openaiApiKey: string | null;
  /** Upstream base URL without a trailing slash, e.g. `https://api.openai.com/v1`. */
  openaiBaseUrl: string;
  /** Default model of the MCP router. */
  model: string;
  /** A sidecar that runs elsewhere; null: the Node server starts one itself. */
  sidecarUrl: string | null;
  sidecarToken: string | null;
  /**
   * Host names, beside loopback, under which `/mcp` is served, and of web pages that may call it.
   * Empty: see `check-origin.ts`.
   */
  mcpAllowedHosts: string[];
  /**
   * Host names, IP addresses and CIDR ranges of MCP servers that may be private and may be spoken
   * to over plain http.
   */
  mcpAllowedPrivateHosts: string[];
  /**
   * How long `/mcp` may give an answer again, in seconds, to keys without a setting of their own;
   * 0: never.
   */
  answerCacheSeconds: number;
  /** Upstream calls with tools that one turn may make before tools are withdrawn. */
  toolMaxRounds: number;
  /**
   * How long tools may be called and run in one turn, in milliseconds; then the model must answer.
   */
  toolTurnTimeoutMs: number;
  /** How long a client can come back to rounds that it did not see, in hours. */
  hiddenRoundsHours: number;
  /** How long conversations are kept after their last turn, in days; null: for ever. */
  logRetentionDays: number | null;
  /**
   * Largest request body that is read into memory, in bytes. Bodies that only pass through have no
   * limit.
   */
  maxBodyBytes: number;
  logLevel: (typeof LOG_LEVELS)[number];
  /** The operator's own prices of models; they win over those that ship. */
  prices: PriceOverrides;
  /** Sentences for the operator, e.g. that a default password is in use. */
  warnings: string[];
}

/** Thrown by {@link readConfig}: one message that lists every fault and what to do about it. */
export class ConfigError extends Error {
  readonly faults: string[];
  constructor(faults: string[]) {
    super(
      `The configuration has ${faults.length === 1 ? "a fault" : `${faults.length} faults`}:\n${faults.map((fault) => `  - ${fault}`).join("\n")}`,
    );
    this.name = "ConfigError";
    this.faults = faults;
  }
}

/** Values that ship as defaults, so that everyone knows them. */
const WEAK_SECRETS = [
  {
    name: "JWT_SECRET",
    weak: "secret",
    advice: "set it to a long random string, for example the output of: openssl rand -base64 32",
  },
  { name: "ADMIN_PASSWORD", weak: "admin123", advice: "set it to a password of your own" },
] as const;

const LOOPBACK_HOSTS = new Set(["127.0.0.1", "::1", "[::1]", "localhost"]);

/** Whether a host name or address reaches this machine only. */
export function isLoopback(host: string): boolean {
  return LOOPBACK_HOSTS.has(host) || host.startsWith("127.");
}

/**
 * Empty strings count as unset, as compose files write them for variables that are not in `.env`.
 */
function value(env: Environment, name: VariableName): string | undefined {
  const text = env[name]?.trim();
  return text === "" ? undefined : text;
}

type Faults = string[];

function integer<Fallback extends number | null>(
  env: Environment,
  name: VariableName,
  rule: { fallback: Fallback; min: number; max: number; faults: Faults },
): number | Fallback {
  const text = value(env, name);
  if (text === undefined) return rule.fallback;
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= rule.min && number <= rule.max) return number;
  rule.faults.push(
    `${name} is "${text}": it must be a whole number from ${rule.min} to ${rule.max}.`,
  );
  return rule.fallback;
}

function url(
  env: Environment,
  name: VariableName,
  rule: { protocols: string[]; faults: Faults },
): string | null {
  const text = value(env, name);
  if (text === undefined) return null;
  const parsed = URL.canParse(text) ? new URL(text) : null;
  if (parsed && rule.protocols.includes(parsed.protocol)) return text.replace(/\/+$/, "");
  rule.faults.push(
    `${name} is not a URL that starts with ${rule.protocols.map((protocol) => `${protocol}//`).join(" or ")}.`,
  );
  return null;
}

/** Host names without ports, separated by commas. */
function hostNames(env: Environment, name: VariableName, faults: Faults): string[] {
  const names = (value(env, name) ?? "").split(",").map((text) => text.trim().toLowerCase());
  const given = names.filter((text) => text !== "");
  for (const text of given) {
    if (!URL.canParse(`http://${text}`) || new URL(`http://${text}`).hostname !== text)
      faults.push(
        `${name} has "${text}", which is no host name: write names without scheme and port, separated by commas.`,
      );
  }
  return given;
}

/**
 * A name, an IPv4 or an IPv6 address as URLs spell it, perhaps with the length of a network prefix;
 * null for anything else.
 */
function privateHost(text: string): string | null {
  const [, bracketed, bare = "", , length] =
    /^(?:\[([\da-f:.]+)\]|([\da-z_.:-]+))(\/(\d{1,3}))?$/.exec(text) ?? [];
  const start = bracketed ?? bare;
  const isIpv6 = start.includes(":");
  const url = `http://${isIpv6 ? `[${start}]` : start}`;
  if (start === "" || !URL.canParse(url)) return null;
  const { hostname } = new URL(url);
  if (!isIpv6 && hostname !== start) return null;
  const bits = isIpv6 ? 128 : /^\d+\.\d+\.\d+\.\d+$/.test(hostname) ? 32 : 0;
  const host = isIpv6 ? hostname.slice(1, -1) : hostname.replace(/\.$/, "");
  if (length === undefined) return host;
  return bits === 0 || Number(length) > bits ? null : `${host}/${length}`;
}

/** See {@link Config.mcpAllowedPrivateHosts}. */
function privateHosts(env: Environment, faults: Faults): string[] {
  const texts = (value(env, "MCP_ALLOWED_PRIVATE_HOSTS") ?? "")
    .split(",")
    .map((text) => text.trim().toLowerCase());
  return texts
    .filter((text) => text !== "")
    .flatMap((text) => {
      const host = privateHost(text);
      if (host === null)
        faults.push(
          `MCP_ALLOWED_PRIVATE_HOSTS has "${text}", which is no host: write names, IP addresses or ranges (10.0.0.0/8), without scheme and port, separated by commas.`,
        );
      return host ?? [];
    });
}

function oneOf<T extends string>(
  env: Environment,
  name: VariableName,
  rule: { values: readonly T[]; fallback: T; faults: Faults },
): T {
  const text = value(env, name);
  if (text === undefined) return rule.fallback;
  const found = rule.values.find((candidate) => candidate === text);
  if (found === undefined)
    rule.faults.push(`${name} is "${text}": it must be one of ${rule.values.join(", ")}.`);
  return found ?? rule.fallback;
}

function prices(env: Environment, faults: Faults): PriceOverrides {
  const text = value(env, "PRICES");
  if (text === undefined) return { models: {} };
  const parsed = parsePriceOverrides(text);
  faults.push(
    ...parsed.faults.map(
      (fault) => `PRICES (or the file that PRICES_FILE names) is not right: ${fault}.`,
    ),
  );
  return parsed.prices;
}

/** `DATABASE_URL`, or the URL that the `DATABASE_*` parts make, or null when neither is set. */
function databaseUrl(env: Environment, faults: Faults): string | null {
  const whole = url(env, "DATABASE_URL", { protocols: ["postgres:", "postgresql:"], faults });
  if (whole !== null || value(env, "DATABASE_URL") !== undefined) return whole;
  const host = value(env, "DATABASE_HOST");
  if (host === undefined) return null;
  const port = integer(env, "DATABASE_PORT", { fallback: 5432, min: 1, max: 65_535, faults });
  const user = encodeURIComponent(value(env, "DATABASE_USER") ?? "postgres");
  const password = encodeURIComponent(value(env, "DATABASE_PASSWORD") ?? "password");
  const name = encodeURIComponent(value(env, "DATABASE_NAME") ?? "openai_proxy");
  return `postgres://${user}:${password}@${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${port}/${name}`;
}

/** Well-known secrets are a warning in development on loopback, and a fault anywhere else. */
function checkSecrets(config: Config, report: { loopback: boolean; faults: Faults }): void {
  const values = { JWT_SECRET: config.jwtSecret, ADMIN_PASSWORD: config.adminPassword };
  for (const { name, weak, advice } of WEAK_SECRETS) {
    if (values[name] !== weak) continue;
    if (config.environment === "development" && report.loopback) {
      config.warnings.push(
        `${name} has its well-known default "${weak}". This is accepted in development on a loopback address only; ${advice}.`,
      );
    } else {
      report.faults.push(
        `${name} has its well-known default "${weak}", which is accepted in development on a loopback address only: ${advice}.`,
      );
    }
  }
}

/**
 * Checks the environment.
 * @param env strings by name; empty strings count as unset
 * @param runtime `host`: where the server is reachable, when the runtime knows better than `HOST`
 * (workerd: the request's host name)
 * @throws ConfigError with every fault at once
 */
export function readConfig(env: Environment, runtime: { host?: string } = {}): Config {
  const faults: Faults = [];
  const http = { protocols: ["http:", "https:"], faults };
  const jwtSecret = value(env, "JWT_SECRET") ?? "secret";
  const config: Config = {
    port: integer(env, "PORT", { fallback: 3000, min: 0, max: 65_535, faults }),
    host: runtime.host ?? value(env, "HOST") ?? "127.0.0.1",
    environment: value(env, "NODE_ENV") ?? "development",
    databaseUrl: databaseUrl(env, faults),
    dataDir: value(env, "DATA_DIR") ?? "./data",
    jwtSecret,
    adminPassword: value(env, "ADMIN_PASSWORD") ?? "admin123",
    encryptionKey: value(env, "ENCRYPTION_KEY") ?? jwtSecret,
    openaiApiKey: value(env, "OPENAI_API_KEY") ?? null,
    openaiBaseUrl: url(env, "OPENAI_BASE_URL", http) ?? "https://api.openai.com/v1",
    model: value(env, "MODEL") ?? "gpt-4.1-mini",
    sidecarUrl: url(env, "MCP_SIDECAR_URL", http),
    sidecarToken: value(env, "MCP_SIDECAR_TOKEN") ?? null,
    mcpAllowedHosts: hostNames(env, "MCP_ALLOWED_HOSTS", faults),
    mcpAllowedPrivateHosts: privateHosts(env, faults),
    answerCacheSeconds: integer(env, "ANSWER_CACHE_SECONDS", {
      fallback: 3600,
      min: 0,
      max: 31_536_000,
      faults,
    }),
    toolMaxRounds: integer(env, "TOOL_MAX_ROUNDS", { fallback: 10, min: 1, max: 100, faults }),
    toolTurnTimeoutMs: integer(env, "TOOL_TURN_TIMEOUT_MS", {
      fallback: 600_000,
      min: 100,
      max: 86_400_000,
      faults,
    }),
    hiddenRoundsHours: integer(env, "HIDDEN_ROUNDS_HOURS", {
      fallback: 168,
      min: 1,
      max: 87_600,
      faults,
    }),
    logRetentionDays: integer(env, "LOG_RETENTION_DAYS", {
      fallback: null,
      min: 1,
      max: 36_500,
      faults,
    }),
    maxBodyBytes: integer(env, "MAX_BODY_BYTES", {
      fallback: 64 * 1024 * 1024,
      min: 1024,
      max: 1024 ** 3,
      faults,
    }),
    logLevel: oneOf(env, "LOG_LEVEL", { values: LOG_LEVELS, fallback: "info", faults }),
    prices: prices(env, faults),
    warnings: [],
  };
  if (config.sidecarUrl !== null && config.sidecarToken === null) {
    faults.push(
      "MCP_SIDECAR_URL is set and MCP_SIDECAR_TOKEN is not: the sidecar accepts no request without its token.",
    );
  }
  checkSecrets(config, { loopback: isLoopback(config.host), faults });
  if (faults.length > 0) throw new ConfigError(faults);
  return config;
}
