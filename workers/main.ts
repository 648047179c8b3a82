/** The Worker: workerd's side of `fetch(request, env, ctx)`. */
import { v7 as uuidv7 } from "uuid";
import { createApp } from "../src/app.ts";
import { clientAddressOf } from "../src/config/client-address.ts";
import { ConfigError } from "../src/config/read-config.ts";
import { ApiError } from "../src/openai/api-error.ts";
import { keepInShapeNowAndThen } from "./keep-record-in-shape.ts";
import { withToldLength } from "./told-length.ts";
import { createWorkerPlatform } from "./platform.ts";
import { socketDoor } from "./socket-door.ts";
import type { WorkerEnvironment } from "./read-environment.ts";
import { writeQueued } from "./records/queue-way.ts";
import { wakeSpools } from "./records/spool-way.ts";
import { configOf } from "./worker-config.ts";

export { RecordSpool } from "./records/record-spool.ts";

const app = createApp();
/** Nothing is reached from outside by these ways, so weak secrets are no matter there. */
const NO_HOST = "localhost";

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
    const platform = createWorkerPlatform(config, env, context);
    context.waitUntil(keepInShapeNowAndThen(platform));
    const response = await app.fetch(request, {
      platform,
      requestId: uuidv7(),
      clientGone: clientGone(request),
      breakOff: null,
      acceptSocket: socketDoor(request, context),
      // Isolates are ended by the runtime, and tell nobody.
      ending: new AbortController().signal,
      clientAddress: clientAddressOf(
        config.trustedProxies,
        request.headers.get("cf-connecting-ip") ?? "unknown",
        (name) => request.headers.get(name),
      ),
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
    if (env.RECORD_SPOOL !== undefined) await wakeSpools(env.RECORD_SPOOL);
    const config = await configOf(env, NO_HOST).catch(renderConfigError);
    if (!(config instanceof Response))
      await keepInShapeNowAndThen(createWorkerPlatform(config, env, context));
  },

  /** Records that came by way of the Queue. */
  async queue(
    batch: MessageBatch,
    env: WorkerEnvironment,
    context: ExecutionContext,
  ): Promise<void> {
    const config = await configOf(env, NO_HOST);
    await writeQueued(batch, createWorkerPlatform(config, env, context), env.RECORD_QUEUE);
  },
};
