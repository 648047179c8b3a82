import { Hono } from "hono";
import { showConfig } from "../config/show-config.ts";
import type { RequestScope } from "../platform.ts";
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
      const { config, runtime, database } = context.env.platform;
      return context.json({
        version: VERSION,
        node: runtime.version,
        runtime: runtime.name,
        database: {
          version: await databaseVersion(database),
          embedded: config.databaseUrl === null,
        },
        retentionDays: config.logRetentionDays,
        config: showConfig(config, runtime.name),
        warnings: config.warnings,
      });
    },
  );

  return app;
}
