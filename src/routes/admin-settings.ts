import { Hono } from "hono";
import { showConfig } from "../config/show-config.ts";
import type { RequestScope } from "../platform.ts";
import { describeLocalServers } from "../tools/mcp/local-servers.ts";
import { databaseVersion } from "../store/database-version.ts";
import { describeRoute } from "./describe-route.ts";
import { VERSION } from "./version.ts";

/** `GET /settings`: versions and the configuration as it is in force, without secrets. */
export function adminSettings(): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>();

  app.get(
    "/settings",
    describeRoute({
      tag: "Operation",
      summary: "Versions, and the configuration without secrets",
      answer: "Settings",
    }),
    async (context) => {
      const { platform } = context.env;
      const { config, runtime, database } = platform;
      return context.json({
        version: VERSION,
        node: runtime.version,
        runtime: runtime.name,
        database: {
          version: await databaseVersion(database),
          embedded: config.databaseUrl === null,
        },
        retentionDays: config.logRetentionDays,
        localServers: await describeLocalServers(platform),
        config: showConfig(config, runtime.name),
        warnings: config.warnings,
      });
    },
  );

  return app;
}
