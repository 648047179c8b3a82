/** The Worker: workerd's side of `fetch(request, env, ctx)`. */
import { v7 as uuidv7 } from "uuid";
import { createApp } from "../src/app.ts";
import { isLoopback } from "../src/config/loopback.ts";
import { ConfigError, type Config } from "../src/config/read-config.ts";
import { ApiError } from "../src/openai/api-error.ts";
import { keepInShapeNowAndThen } from "./keep-record-in-shape.ts";
import { withToldLength } from "./told-length.ts";
import { createWorkerPlatform } from "./platform.ts";
import { readWorkerConfig, type WorkerEnvironment } from "./read-environment.ts";

const app = createApp();
/** By how the Worker is reached: the host name decides whether weak secrets are accepted. */
const configs = new WeakMap<WorkerEnvironment, Map<"loopback" | "public", Config>>();

type CompleteConfig = Config & { databaseUrl: string };

async function configOf(env: WorkerEnvironment, host: string): Promise<CompleteConfig> {
  const known = configs.get(env) ?? new Map<"loopback" | "public", Config>();
  configs.set(env, known);
  const reach = isLoopback(host) ? "loopback" : "public";
  const config = known.get(reach) ?? (await readWorkerConfig(env, host));
  if (config.databaseUrl === null)
    throw new ConfigError([
      "There is no database: bind a Hyperdrive as HYPERDRIVE, or set DATABASE_URL.",
    ]);
  if (!known.has(reach)) for (const warning of config.warnings) console.warn(warning);
  known.set(reach, config);
  return config as CompleteConfig;
}

function renderConfigError(error: unknown): Response {
  if (!(error instanceof ConfigError)) throw error;
  console.error(error.message);
  const { status, body, headers } = new ApiError(
    "not_configured",
    "The proxy is not configured. Its operator finds the reason in the Worker's log.",
  );
  return Response.json(body, {
    status,
    headers: { ...headers, "x-proxy-request-id": uuidv7() },
  });
}

/**
 * A signal of our own: the request's, handed to `fetch` itself, does not cancel it (seen 2026-11).
 */
function clientGone(request: Request): AbortSignal {
  const gone = new AbortController();
  request.signal.addEventListener("abort", () => gone.abort(new Error("The client has gone away")));
  return gone.signal;
}

export default {
  async fetch(
    request: Request,
    env: WorkerEnvironment,
    context: ExecutionContext,
  ): Promise<Response> {
    const host = new URL(request.url).hostname;
    const config = await configOf(env, host).catch(renderConfigError);
    if (config instanceof Response) return config;
    const platform = createWorkerPlatform(config, context);
    context.waitUntil(keepInShapeNowAndThen(platform));
    const response = await app.fetch(request, {
      platform,
      requestId: uuidv7(),
      clientGone: clientGone(request),
      breakOff: null,
      // Isolates are ended by the runtime, and tell nobody.
      ending: new AbortController().signal,
      clientAddress: request.headers.get("cf-connecting-ip") ?? "unknown",
      waitUntil: (promise) => context.waitUntil(promise),
    });
    return withToldLength(response, request.method);
  },

  /** A cron trigger: old conversations go though nobody asks for anything. */
  async scheduled(
    _event: unknown,
    env: WorkerEnvironment,
    context: ExecutionContext,
  ): Promise<void> {
    const config = await configOf(env, "scheduled").catch(renderConfigError);
    if (!(config instanceof Response))
      await keepInShapeNowAndThen(createWorkerPlatform(config, context));
  },
};
