import type { Context } from "hono";
import { knownKeyCount } from "../auth/authenticate.ts";
import type { PartHealth, Platform, RequestScope } from "../platform.ts";
import { isOperator } from "./admin-session.ts";
import { pingDatabase } from "../store/ping-database.ts";
import { describeError } from "../store/describe-error.ts";

const PROBE_LIMIT_MS = 2000;

async function databaseHealth(platform: Platform): Promise<PartHealth> {
  const startedAt = performance.now();
  const { promise: late, cancel } = timeLimit(PROBE_LIMIT_MS);
  try {
    await Promise.race([pingDatabase(platform.database), late]);
    return { status: "ok", latencyMs: Math.round(performance.now() - startedAt) };
  } catch (error) {
    platform.logger.warn("The database does not answer", { error: describeError(error) });
    const known = knownKeyCount(platform.memory);
    const message =
      "The database does not answer. " +
      (known > 0 ? "Keys that were used lately go on working." : "No key can be checked.");
    return { status: known > 0 ? "degraded" : "down", message };
  } finally {
    cancel();
  }
}

function timeLimit(ms: number): { promise: Promise<never>; cancel: () => void } {
  let timer: ReturnType<typeof setTimeout>;
  const promise = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  return { promise, cancel: () => clearTimeout(timer) };
}

function upstreamHealth({ config }: Platform): PartHealth {
  const baseUrl = new URL(config.openaiBaseUrl);
  if (config.openaiApiKey !== null || baseUrl.hostname !== "api.openai.com")
    return { status: "ok", host: baseUrl.host };
  return {
    status: "unconfigured",
    host: baseUrl.host,
    message: "OPENAI_API_KEY is not set: only keys with an upstream key of their own work.",
  };
}

/**
 * `GET /health`: 200 unless the proxy can serve nobody. A part that is merely not configured is no
 * failure. What the parts are is the operator's to see, by the session that the admin API takes.
 */
export async function health(context: Context<{ Bindings: RequestScope }>): Promise<Response> {
  const { platform } = context.env;
  const [database, others] = await Promise.all([databaseHealth(platform), platform.partHealth()]);
  const parts: Record<string, PartHealth> = {
    database,
    upstream: upstreamHealth(platform),
    ...others,
  };
  const states = Object.values(parts).map((part) => part.status);
  const status =
    database.status === "down"
      ? "down"
      : states.some((state) => state === "down" || state === "degraded")
        ? "degraded"
        : "ok";
  const shown = (await isOperator(context)) ? { status, parts } : { status };
  return context.json(shown, status === "down" ? 503 : 200, {
    "cache-control": "no-store",
  });
}
