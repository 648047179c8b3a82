import { isAllowedHost } from "../config/allowed-hosts.ts";
import type { Config } from "../config/read-config.ts";
import { ApiError } from "../openai/api-error.ts";
import { showsKeyAsProtocol } from "./socket-credential.ts";

/** A name or an address, with or without a port. Nothing of a URL beside: no user, no path. */
const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;

/** Where proxies on the way say what name the client had used. */
const FORWARDED_HOST = /(?:^|[;,\s])host="?([^";,\s]*)/gi;

type Hosts = Pick<Config, "ownHosts">;

/** @throws ApiError 400 where the URL has no host, as the adapter lets `http://a.1/` through */
function hostnameIn(url: string): string {
  if (URL.canParse(url)) return new URL(url).hostname;
  throw new ApiError("bad_request", "What this request names as its host is none.", {
    param: "host",
  });
}

/** @throws ApiError 400 where it is no host */
const hostnameOf = (host: string) => hostnameIn(HOST.test(host) ? `http://${host}` : "");

/**
 * Every name under which a request claims to have been sent here: of its target, its `Host`, and of
 * proxies on the way. One that is not this server's is enough to refuse it, so that nobody has to
 * know which of them to believe.
 */
function claimedHosts({ url, headers }: Request): string[] {
  const forwarded = headers.get("forwarded") ?? "";
  const named = [
    headers.get("host") ?? "",
    ...(headers.get("x-forwarded-host") ?? "").split(","),
    ...[...forwarded.matchAll(FORWARDED_HOST)].map(([, host = ""]) => host),
  ];
  const given = named.map((host) => host.trim()).filter((host) => host !== "");
  return [hostnameIn(url), ...given.map(hostnameOf)];
}

/**
 * Lets a request through that was sent under a name of this server.
 * @throws ApiError 403 `host_not_allowed`, 400 where its host is none
 */
export function requireAllowedHost({ ownHosts }: Hosts, request: Request): void {
  const foreign = claimedHosts(request).find((name) => !isAllowedHost(ownHosts, name));
  if (foreign === undefined) return;
  throw new ApiError(
    "host_not_allowed",
    `This server is not to be reached under the host name ${foreign}. If the name is right, its ` +
      "operator can add it to ALLOWED_HOSTS.",
    { param: "host" },
  );
}

/**
 * Clients of `/v1` are programs: what they show is a key, which no page has by itself. Who watches
 * tools run shows a cookie as well.
 */
function isProgram({ method, headers }: Request): boolean {
  if (headers.get("x-proxy-tool-events") === "1") return false;
  const isPreflight = method === "OPTIONS" && headers.has("access-control-request-method");
  return isPreflight || headers.has("authorization") || showsKeyAsProtocol(headers);
}

/**
 * The check of every route at once, before one is chosen. `/health` tells strangers nothing, and
 * `/mcp` refuses in words of its own.
 * @param path normalised
 * @throws ApiError see {@link requireAllowedHost}
 */
export function checkHost(config: Hosts, request: Request, path: string): void {
  if (path.startsWith("/v1/") && isProgram(request)) return;
  if (path === "/health" || path === "/mcp") return;
  requireAllowedHost(config, request);
}
