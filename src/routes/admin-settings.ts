import { Hono } from "hono";
import type { Config } from "../config/read-config.ts";
import type { RequestScope } from "../platform.ts";
import { databaseVersion } from "../store/database-version.ts";
import { VERSION } from "./version.ts";

/** An address without what may be a secret in it. */
function withoutCredentials(address: string | null): string | null {
  if (address === null || !URL.canParse(address)) return address;
  const url = new URL(address);
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/$/, "")}`;
}

/**
 * What the operator set, or left as it is by default, by the names of the variables. Secrets are
 * not among them.
 */
function shownConfig(config: Config): Record<string, string | number | null> {
  return {
    NODE_ENV: config.environment,
    HOST: config.host,
    PORT: config.port,
    DATA_DIR: config.dataDir,
    OPENAI_BASE_URL: withoutCredentials(config.openaiBaseUrl),
    MODEL: config.model,
    MCP_SIDECAR_URL: withoutCredentials(config.sidecarUrl),
    MCP_ALLOWED_HOSTS: config.mcpAllowedHosts.join(",") || null,
    MCP_ALLOWED_PRIVATE_HOSTS: config.mcpAllowedPrivateHosts.join(",") || null,
    ANSWER_CACHE_SECONDS: config.answerCacheSeconds,
    TOOL_MAX_ROUNDS: config.toolMaxRounds,
    TOOL_TURN_TIMEOUT_MS: config.toolTurnTimeoutMs,
    HIDDEN_ROUNDS_HOURS: config.hiddenRoundsHours,
    LOG_RETENTION_DAYS: config.logRetentionDays,
    MAX_BODY_BYTES: config.maxBodyBytes,
    LOG_LEVEL: config.logLevel,
  };
}

/** What has no meaning on workerd. */
const NODE_ONLY = new Set(["HOST", "PORT", "DATA_DIR"]);

/** `GET /settings`: versions and the configuration as it is in force, without secrets. */
export function adminSettings(): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>();

  app.get("/settings", async (context) => {
    const { config, runtime, database } = context.env.platform;
    const shown = Object.entries(shownConfig(config)).filter(
      ([name]) => runtime.name === "node" || !NODE_ONLY.has(name),
    );
    return context.json({
      version: VERSION,
      node: runtime.version,
      runtime: runtime.name,
      database: { version: await databaseVersion(database), embedded: config.databaseUrl === null },
      retentionDays: config.logRetentionDays,
      config: Object.fromEntries(shown),
      warnings: config.warnings,
    });
  });

  return app;
}
