import type { MiddlewareHandler } from "hono";
import { ApiError } from "../openai/api-error.ts";
import type { RequestScope } from "../platform.ts";
import { isSocketRequest, upgradeRequired } from "../responses-socket/handshake.ts";

/** The one path that has a WebSocket mode. */
const SERVED = "/v1/responses";

/**
 * A WebSocket that is not served is refused at once, before upstream could take the request for a
 * plain GET. Other upgrades may be ignored, and are (HTTP/2 of some clients).
 */
export const refuseUpgrade: MiddlewareHandler<{ Bindings: RequestScope }> = (context, next) => {
  const { raw: request, path } = context.req;
  const protocols = request.headers.get("upgrade");
  if (protocols === null || !/\bwebsocket\b/i.test(protocols)) return next();
  // What is wrong with its path is told where its key is known.
  if (context.env.refusal !== undefined) return next();
  if (path !== SERVED)
    throw new ApiError(
      "upgrade_required",
      `WebSockets are served at ${SERVED} alone. Send the request over plain HTTP.`,
    );
  if (isSocketRequest(request) && context.env.acceptSocket !== null) return next();
  throw upgradeRequired(
    "This is no handshake of a WebSocket: send a GET with connection: Upgrade and " +
      "upgrade: websocket, or the request over plain HTTP, as POST.",
  );
};
