import { isLoopback } from "../config/loopback.ts";
import type { Config } from "../config/read-config.ts";
import { ApiError } from "../openai/api-error.ts";

/**
 * The host name in a `Host` header or an origin; null where it is none. IPv6 addresses keep their
 * brackets.
 */
function hostnameOf(text: string): string | null {
  const url = text.includes("://") ? text : `http://${text}`;
  return URL.canParse(url) ? new URL(url).hostname : null;
}

/**
 * Refuses requests of web pages that have no business here. A page can make its own name point to
 * this machine (DNS rebinding); then `Host` names the page's server, and on a server that listens
 * on loopback only, that is never right.
 * https://modelcontextprotocol.io/specification/2026-07-28/basic/transports#security-warning
 * @throws ApiError 403
 */
export function checkOrigin(
  { host, mcpAllowedHosts }: Pick<Config, "host" | "mcpAllowedHosts">,
  request: Request,
): void {
  const own = hostnameOf(request.headers.get("host") ?? new URL(request.url).host);
  const isNamed = (name: string) => isLoopback(name) || mcpAllowedHosts.includes(name);
  const mustBeNamed = isLoopback(host) || mcpAllowedHosts.length > 0;
  if (own === null || (mustBeNamed && !isNamed(own))) {
    throw new ApiError(
      "forbidden_origin",
      "This proxy does not serve /mcp under the host name of this request. Its operator can add the name to MCP_ALLOWED_HOSTS.",
    );
  }
  const origin = request.headers.get("origin");
  const page = origin === null || origin === "" ? own : hostnameOf(origin);
  if (page !== null && (page === own || isNamed(page))) return;
  throw new ApiError(
    "forbidden_origin",
    "Web pages of this origin may not call /mcp here. The operator of this proxy can add its host name to MCP_ALLOWED_HOSTS.",
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
