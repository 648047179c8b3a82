import type { Context } from "hono";
import { authenticate } from "../auth/authenticate.ts";
import { readCredential } from "../auth/socket-credential.ts";
import { openLimits } from "../limits/open-limits.ts";
import { ApiError } from "../openai/api-error.ts";
import type { RequestScope } from "../platform.ts";
import type { ServeInside } from "../responses-socket/ask-inside.ts";
import { checkVersion, isSocketRequest } from "../responses-socket/handshake.ts";
import { serveSocket } from "../responses-socket/serve-socket.ts";
import { passthrough } from "./passthrough.ts";

/**
 * A message comes as one piece, which is read at once: one of 60 MB would hold up others for 0.2 s.
 * What is larger goes by POST. In bytes.
 */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/**
 * `GET /v1/responses`: WebSocket mode, where that is asked for. Who may not use it hears so as
 * over HTTP, before the connection is one.
 * @param serveInside the proxy's own routes, which each response goes through
 */
export function responsesSocket(
  serveInside: ServeInside,
): (context: Context<{ Bindings: RequestScope }>) => Promise<Response> {
  return async (context) => {
    const { env: scope } = context;
    const { raw: request } = context.req;
    const { acceptSocket } = scope;
    if (acceptSocket === null || !isSocketRequest(request)) return passthrough(context);
    checkVersion(request);
    const { headers, protocol } = readCredential(request);
    const key = await authenticate(scope, headers);
    await openLimits(scope, key).check();
    if (scope.ending.aborted)
      throw new ApiError("shutting_down", "This server is ending. Try again shortly.");
    const parts = { scope, serveInside, url: request.url, headers };
    return acceptSocket({
      protocol,
      headers: { "x-proxy-request-id": scope.requestId },
      maxMessageBytes: Math.min(MAX_MESSAGE_BYTES, scope.platform.config.maxBodyBytes),
      serve: (socket) => serveSocket(socket, parts),
    });
  };
}
