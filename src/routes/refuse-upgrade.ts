import type { MiddlewareHandler } from "hono";
import { ApiError } from "../openai/api-error.ts";
import type { RequestScope } from "../platform.ts";

/**
 * There is no relay for WebSockets: whoever wants one hears so at once, before upstream could take
 * the request for a plain GET. Other upgrades may be ignored, and are (HTTP/2 of some clients).
 */
export const refuseUpgrade: MiddlewareHandler<{ Bindings: RequestScope }> = (context, next) => {
  const protocols = context.req.raw.headers.get("upgrade");
  if (protocols === null || !/\bwebsocket\b/i.test(protocols)) return next();
  throw new ApiError(
    "upgrade_required",
    "This proxy relays no WebSockets. Send the request over plain HTTP, as POST with stream: true.",
  );
};
