import { isNamedHost } from "../config/allowed-hosts.ts";
import type { Config } from "../config/read-config.ts";
import { ApiError } from "../openai/api-error.ts";

/** The host name of an origin; null where it has none, as the origin `null`. */
const hostnameOf = (origin: string) => (URL.canParse(origin) ? new URL(origin).hostname : null);

/**
 * Refuses requests of web pages that have no business here. What the page's name is, its browser
 * says; that the request itself came under a name of this server has been checked before.
 * https://modelcontextprotocol.io/specification/2026-07-28/basic/transports#security-warning
 * @throws ApiError 403
 */
export function checkOrigin(
  { allowedHosts, mcpAllowedHosts }: Pick<Config, "allowedHosts" | "mcpAllowedHosts">,
  request: Request,
): void {
  const origin = request.headers.get("origin");
  if (origin === null || origin === "") return;
  const page = hostnameOf(origin);
  const isOwn = page === new URL(request.url).hostname;
  if (page !== null && (isOwn || isNamedHost([...allowedHosts, ...mcpAllowedHosts], page))) return;
  throw new ApiError(
    "forbidden_origin",
    "Web pages of this origin may not call /mcp here. The operator of this proxy can add its host name to ALLOWED_HOSTS.",
  );
}

/**
 * What a browser wants to see before it lets a page call, and read the answer. The origin is one
 * that has been checked.
 */
export function corsHeaders(request: Request): Record<string, string> {
  const origin = request.headers.get("origin");
  if (origin === null || origin === "") return {};
  return {
    "access-control-allow-origin": origin,
    "access-control-allow-methods": "POST, DELETE",
    "access-control-allow-headers":
      request.headers.get("access-control-request-headers") ?? "authorization, content-type",
    "access-control-expose-headers": "mcp-session-id, www-authenticate, x-proxy-request-id",
    "access-control-max-age": "86400",
    vary: "origin",
  };
}
