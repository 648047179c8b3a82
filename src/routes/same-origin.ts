import type { Context } from "hono";
import { ApiError } from "../openai/api-error.ts";
import type { RequestScope } from "../platform.ts";

const READING_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);
/** What browsers say of a request that a page of another origin made. */
const FOREIGN_SITES = new Set(["cross-site", "same-site"]);

const forbidden = (param: string) =>
  new ApiError(
    "forbidden_origin",
    "A page of another origin must not use the operator's cookie here.",
    { param },
  );

/**
 * A cookie travels with requests that other sites make, a bearer token does not. SameSite keeps
 * those of other sites away, this those of other hosts and ports of one site. A proxy in front may
 * have changed the host; a page cannot set that header. Who follows a link may read.
 * @throws ApiError 403
 */
export function requireSameOrigin({ req }: Context<{ Bindings: RequestScope }>): void {
  const isReading = READING_METHODS.has(req.method);
  const isLink = isReading && req.header("sec-fetch-mode") === "navigate";
  if (FOREIGN_SITES.has(req.header("sec-fetch-site") ?? "") && !isLink)
    throw forbidden("sec-fetch-site");
  const origin = req.header("origin");
  if (origin === undefined || isReading) return;
  const hosts = [new URL(req.url).host, req.header("host"), req.header("x-forwarded-host")];
  if (!URL.canParse(origin) || !hosts.includes(new URL(origin).host)) throw forbidden("origin");
}
