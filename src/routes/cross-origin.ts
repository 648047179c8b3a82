import type { Context, MiddlewareHandler, Next } from "hono";
import type { RequestScope } from "../platform.ts";

/**
 * Browsers may call `/v1` from anywhere, as they may call OpenAI: the credential is a header that
 * no other page can send, never a cookie. `/api/admin` and the rest have no such headers.
 */
export const allowAnyOrigin: MiddlewareHandler<{ Bindings: RequestScope }> = async (
  context,
  next,
) => {
  await next();
  if (context.req.raw.headers.get("origin") === null) return;
  context.res.headers.set("access-control-allow-origin", "*");
  context.res.headers.set("access-control-expose-headers", "*");
};

/**
 * A preflight carries no key, so it is answered here. An OPTIONS request of another kind goes to
 * upstream.
 */
export async function answerPreflight(
  context: Context<{ Bindings: RequestScope }>,
  next: Next,
): Promise<Response | void> {
  const method = context.req.header("access-control-request-method");
  if (method === undefined) return next();
  return context.body(null, 204, {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "*, GET, POST, PUT, PATCH, DELETE",
    "access-control-allow-headers": `*, authorization${context.req.header("access-control-request-headers") ? `, ${context.req.header("access-control-request-headers")}` : ""}`,
    "access-control-max-age": "86400",
  });
}
