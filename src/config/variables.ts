/**
 * Every environment variable that the proxy reads, one row each: `readConfig`, `NAME_FILE`, the
 * Worker's bindings, `.env.example`, `.dev.vars.example` and README's table come from here
 * (`npm run variables` writes the documents). What the sidecar reads is in its own table,
 * `mcp-sidecar/variables.ts`.
 */
import { parsePriceOverrides, type PriceOverrides } from "../record/price-overrides.ts";
import { addressRanges, hostNames, privateHosts } from "./host-names.ts";
import {
  logLevel,
  onOrOff,
  text,
  upstreamDialect,
  url,
  variable,
  wholeNumber,
  type Kind,
  type NameIn,
  type Runtime,
} from "./variable.ts";

const http = url(["http:", "https:"]);
const NODE: readonly Runtime[] = ["node"];

const prices: Kind<PriceOverrides> = {
  accepts: "",
  read(given, fail) {
    const parsed = parsePriceOverrides(given);
    for (const fault of parsed.faults)
      fail(`(or the file that PRICES_FILE names) is not right: ${fault}`);
    return parsed.prices;
  },
};

/** The rows, in the order of the documents, by the member of the configuration. */
export const VARIABLES = {
  openaiApiKey: variable({
    name: "OPENAI_API_KEY",
    kind: text,
    default: null,
    about:
      "upstream's key, for proxy keys that have none of their own; it goes to this OPENAI_BASE_URL " +
      "only: a key with a base URL of its own sends its own upstream key, or none",
    unset: "no key is sent",
    isSecret: true,
  }),
  openaiBaseUrl: variable({
    name: "OPENAI_BASE_URL",
    kind: http,
    default: "https://api.openai.com/v1",
    about: "upstream's address, for proxy keys that have none of their own",
  }),
  upstreamDialect: variable({
    name: "UPSTREAM_DIALECT",
    kind: upstreamDialect,
    default: "auto",
    about:
      "in which dialect upstream is asked, where a key says nothing else: `chat` completions, " +
      "`responses`, or (`auto`) the client's own, as long as upstream takes it",
  }),
  jwtSecret: variable({
    name: "JWT_SECRET",
    kind: text,
    default: "secret",
    about: "signs admin sessions",
    isSecret: true,
  }),
  adminPassword: variable({
    name: "ADMIN_PASSWORD",
    kind: text,
    default: "admin123",
    about: "signs the operator in",
    isSecret: true,
  }),
  encryptionKey: variable({
    name: "ENCRYPTION_KEY",
    kind: text,
    default: null,
    about: "encrypts stored upstream keys, tool secrets, and records on their way to the database",
    unset: "derived from `JWT_SECRET`",
    isSecret: true,
  }),
  port: variable({
    name: "PORT",
    kind: wholeNumber(0, 65_535),
    default: "3000",
    about: "TCP port; 0: any free one",
    runtimes: NODE,
  }),
  host: variable({
    name: "HOST",
    kind: text,
    default: "127.0.0.1",
    about: "address to listen on; in the container all interfaces, whatever `.env` says",
    runtimes: NODE,
  }),
  environment: variable({
    name: "NODE_ENV",
    kind: text,
    default: "development",
    about:
      "`development` accepts weak secrets on loopback, any other value refuses them: short, well " +
      "known, or the same twice; " +
      "`production` in the container",
  }),
  databaseUrl: variable({
    name: "DATABASE_URL",
    kind: url(["postgres:", "postgresql:"]),
    default: null,
    about: "PostgreSQL 15 or newer; `docker compose` brings its own",
    unset: "made of the parts below; without `DATABASE_HOST` embedded, under `DATA_DIR`",
    example: "postgres://postgres:password@localhost:5432/openai_proxy",
    isSecret: true,
  }),
  databaseHost: variable({
    name: "DATABASE_HOST",
    kind: text,
    default: null,
    about: "host of the database, where there is no `DATABASE_URL`",
    example: "localhost",
  }),
  databasePort: variable({
    name: "DATABASE_PORT",
    kind: wholeNumber(1, 65_535),
    default: "5432",
    about: "port of the database",
  }),
  databaseName: variable({
    name: "DATABASE_NAME",
    kind: text,
    default: "openai_proxy",
    about: "name of the database",
  }),
  databaseUser: variable({
    name: "DATABASE_USER",
    kind: text,
    default: "postgres",
    about: "user of the database",
  }),
  databasePassword: variable({
    name: "DATABASE_PASSWORD",
    kind: text,
    default: "password",
    about: "password of the database",
    isSecret: true,
  }),
  dataDir: variable({
    name: "DATA_DIR",
    kind: text,
    default: "./data",
    about: "directory of the embedded database, and of records on their way to a database",
    runtimes: NODE,
  }),
  sidecarUrl: variable({
    name: "MCP_SIDECAR_URL",
    kind: http,
    default: null,
    about: "a sidecar that runs elsewhere, for MCP servers that are started by npx and uvx",
    unset: "the Node server starts one itself",
    example: "http://127.0.0.1:3001",
  }),
  sidecarToken: variable({
    name: "MCP_SIDECAR_TOKEN",
    kind: text,
    default: null,
    about: "what that sidecar asks for, the same text on both sides",
    isSecret: true,
  }),
  model: variable({
    name: "MODEL",
    kind: text,
    default: "gpt-4.1-mini",
    about: "model of a `chat` over MCP that names none",
  }),
  allowedHosts: variable({
    name: "ALLOWED_HOSTS",
    kind: hostNames,
    default: "",
    about:
      "host names under which a browser may reach this server, beside loopback names, IP addresses " +
      "and `HOST`; `.example.com` stands for every name under it; pages of these names may call `/mcp`",
    unset: "no others; on Cloudflare those under `.workers.dev`",
    example: "proxy.example.com",
  }),
  trustedProxies: variable({
    name: "TRUSTED_PROXIES",
    kind: addressRanges,
    default: "",
    about:
      "proxies in front whose `X-Forwarded-For` (or `Forwarded`, where they send no other) says who " +
      "the client is, for the delays of sign-in and the audit log",
    unset: "the address that is connected",
    example: "10.0.0.0/8",
  }),
  mcpAllowedHosts: variable({
    name: "MCP_ALLOWED_HOSTS",
    kind: hostNames,
    default: "",
    about: "the older name of `ALLOWED_HOSTS`: what it names is allowed, too",
    unset: "no others",
  }),
  mcpAllowedPrivateHosts: variable({
    name: "MCP_ALLOWED_PRIVATE_HOSTS",
    kind: privateHosts,
    default: "",
    about:
      "hosts of MCP servers at a URL that may be private and plain http, beside public ones by https",
    unset: "loopback, in development",
    example: "my-mcp,10.1.0.0/16",
  }),
  answerCacheSeconds: variable({
    name: "ANSWER_CACHE_SECONDS",
    kind: wholeNumber(0, 31_536_000),
    default: "3600",
    about:
      "how long `/mcp` may give an answer again (temperature 0, or `cache: true`), where a key " +
      "says nothing else; 0: never",
  }),
  toolMaxRounds: variable({
    name: "TOOL_MAX_ROUNDS",
    kind: wholeNumber(1, 100),
    default: "10",
    about: "rounds of tool calls in one turn, where a key sets no other number",
  }),
  toolTurnTimeoutMs: variable({
    name: "TOOL_TURN_TIMEOUT_MS",
    kind: wholeNumber(100, 86_400_000),
    default: "600000",
    about:
      "how long one turn may go on calling tools, in milliseconds; then the model answers with " +
      "what it has",
  }),
  requestTimeoutMs: variable({
    name: "REQUEST_TIMEOUT_MS",
    kind: wholeNumber(100, 86_400_000),
    default: "120000",
    about:
      "how long a request may take to arrive, in milliseconds: its head, and a body that brings less " +
      "than 16 KB a second beyond that; an upload that goes on is not cut",
    runtimes: NODE,
  }),
  drainTimeoutMs: variable({
    name: "DRAIN_TIMEOUT_MS",
    kind: wholeNumber(0, 86_400_000),
    default: "10000",
    about:
      "how long running requests may take to end after SIGTERM, in milliseconds; whatever stops the " +
      "process must wait longer",
    runtimes: NODE,
  }),
  upstreamFirstByteTimeoutMs: variable({
    name: "UPSTREAM_FIRST_BYTE_TIMEOUT_MS",
    kind: wholeNumber(100, 86_400_000),
    default: "900000",
    about:
      "how long upstream may take to begin its answer, in milliseconds; models that reason may need minutes",
  }),
  upstreamIdleTimeoutMs: variable({
    name: "UPSTREAM_IDLE_TIMEOUT_MS",
    kind: wholeNumber(100, 86_400_000),
    default: "900000",
    about: "how long upstream may be silent in the midst of an answer, in milliseconds",
  }),
  hiddenRoundsHours: variable({
    name: "HIDDEN_ROUNDS_HOURS",
    kind: wholeNumber(1, 87_600),
    default: "168",
    about: "how long a client can come back to a response, and to tool rounds that it did not see",
  }),
  logRetentionDays: variable({
    name: "LOG_RETENTION_DAYS",
    kind: wholeNumber(1, 36_500),
    default: null,
    about: "how long conversations are kept after their last turn",
    unset: "for ever",
    example: "90",
  }),
  auditReads: variable({
    name: "AUDIT_READS",
    kind: onOrOff,
    default: "on",
    about: "whether the audit log has who read which conversation, too",
  }),
  prices: variable({
    name: "PRICES",
    kind: prices,
    default: '{"models": {}}',
    about:
      "prices of your own as JSON, in US dollars for a million tokens: " +
      '`{"models": {"my-model": {"inputPerMillion": 0.4, "cachedInputPerMillion": 0.1, ' +
      '"outputPerMillion": 1.6}}}`; what it does not name costs what the release says',
    example: '{"models": {"my-model": {"inputPerMillion": 0.4, "outputPerMillion": 1.6}}}',
    hasFile: true,
  }),
  maxBodyBytes: variable({
    name: "MAX_BODY_BYTES",
    kind: wholeNumber(1024, 1024 ** 3),
    default: "67108864",
    about: "largest request body that is read into memory; what only passes through has no limit",
  }),
  logLevel: variable({
    name: "LOG_LEVEL",
    kind: logLevel,
    default: "info",
    about: "how much is logged",
  }),
} as const;

/** The name of a variable of the proxy. */
export type VariableName = NameIn<typeof VARIABLES>;
