import { Hono } from "hono";
import { checkHost } from "./auth/check-host.ts";
import type { RequestScope } from "./platform.ts";
import { adminAudit } from "./routes/admin-audit.ts";
import { adminConversations } from "./routes/admin-conversations.ts";
import { adminKeys } from "./routes/admin-keys.ts";
import { adminOpenapi } from "./routes/admin-openapi.ts";
import { adminServers } from "./routes/admin-servers.ts";
import { adminSession, forOperatorsEyes, requireAdmin } from "./routes/admin-session.ts";
import { adminSettings } from "./routes/admin-settings.ts";
import { adminStats } from "./routes/admin-stats.ts";
import { adminToolChanges } from "./routes/admin-tool-changes.ts";
import { adminToolTrials } from "./routes/admin-tool-trials.ts";
import { adminTools } from "./routes/admin-tools.ts";
import { chatCompletions } from "./routes/chat-completions.ts";
import { allowAnyOrigin, answerPreflight } from "./routes/cross-origin.ts";
import { health } from "./routes/health.ts";
import { mcp } from "./routes/mcp.ts";
import { endpointOf, withHarmlessPath, withNormalPath } from "./routes/normalise-path.ts";
import { nothingHere } from "./routes/nothing-here.ts";
import { passthrough } from "./routes/passthrough.ts";
import { responses } from "./routes/responses.ts";
import { compactResponse, countInputTokens } from "./routes/responses-input.ts";
import { responsesSocket } from "./routes/responses-socket.ts";
import {
  cancelResponse,
  listInputItems,
  removeResponse,
  showResponse,
} from "./routes/stored-responses.ts";
import { refuseTrace } from "./routes/refuse-trace.ts";
import { refuseUpgrade } from "./routes/refuse-upgrade.ts";
import { renderError } from "./routes/render-error.ts";

/**
 * What both runtimes serve: `fetch(request, scope)`. Every route, authentication and error
 * rendering is on this page.
 */
export function createApp(): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>({ getPath: ({ url }) => endpointOf(url) });

  app.use(async (context, next) => {
    await next();
    const { headers } = context.res;
    // Answers of the proxy routes have both already: setting them here would cost their fast path.
    if (headers.has("x-proxy-request-id")) return;
    headers.set("x-proxy-request-id", context.env.requestId);
    headers.set("x-content-type-options", "nosniff");
  });
  app.on("TRACE", "*", refuseTrace);
  app.get("/health", health);

  app.options("/v1/*", answerPreflight);
  app.use("/v1/*", allowAnyOrigin, refuseUpgrade);
  app.post("/v1/chat/completions", chatCompletions);
  app.post("/v1/responses", responses);
  app.post("/v1/responses/compact", compactResponse);
  app.post("/v1/responses/input_tokens", countInputTokens);
  app.get(
    "/v1/responses",
    responsesSocket((request, scope) => app.fetch(request, scope)),
  );
  app.get("/v1/responses/:id", showResponse);
  app.delete("/v1/responses/:id", removeResponse);
  app.post("/v1/responses/:id/cancel", cancelResponse);
  app.get("/v1/responses/:id/input_items", listInputItems);
  app.all("/v1/*", passthrough);

  app.all(
    "/mcp",
    mcp((request, scope) => app.fetch(request, scope)),
  );

  app.use("/api/admin/*", forOperatorsEyes, requireAdmin);
  app.route("/api/admin", adminSession());
  app.route("/api/admin", adminSettings());
  app.route(
    "/api/admin",
    adminOpenapi(() => app.routes),
  );
  app.route("/api/admin/api-keys", adminKeys());
  app.route("/api/admin/tools", adminServers());
  app.route("/api/admin/tools", adminToolTrials());
  app.route("/api/admin/tools", adminToolChanges());
  app.route("/api/admin/tools", adminTools());
  app.route("/api/admin/audit", adminAudit());
  app.route("/api/admin/conversations", adminConversations());
  app.route("/api/admin/stats", adminStats());

  app.notFound((context) => renderNamed(context, nothingHere(context.req.raw)));
  app.onError((error, context) => renderNamed(context, error));

  const route = app.fetch;
  app.fetch = (request, env, execution) => {
    try {
      const normal = normalOrRefused(request, env as RequestScope);
      checkHost((env as RequestScope).platform.config, normal, endpointOf(normal.url));
      return route(normal, env, execution);
    } catch (error) {
      return renderNamed({ env: env as RequestScope }, error);
    }
  };
  return app;
}

/**
 * A request with the one form of its path. One of `/v1` that has none is refused when its key is
 * known: then it is on record.
 * @throws ApiError 400 for any other
 */
function normalOrRefused(request: Request, scope: RequestScope): Request {
  try {
    return withNormalPath(request);
  } catch (error) {
    const harmless = withHarmlessPath(request);
    if (harmless === null || !(error instanceof Error)) throw error;
    scope.refusal = error;
    return harmless;
  }
}

/** An error as a response that names its request. */
function renderNamed({ env }: { env: RequestScope }, error: unknown): Response {
  const response = renderError(error, env.platform.logger, env.requestId);
  response.headers.set("x-proxy-request-id", env.requestId);
  return response;
}
