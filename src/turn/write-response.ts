import { ApiError } from "../openai/api-error.ts";
import type { RequestScope, UpstreamResponse } from "../platform.ts";

/** Statuses that may not have a body. */
const WITHOUT_BODY = new Set([101, 204, 205, 304]);

/** The Node adapter gives every body a content type, an empty one too. */
function hasNoBody({ status, body }: UpstreamResponse): boolean {
  return WITHOUT_BODY.has(status) || (body instanceof Uint8Array && body.byteLength === 0);
}

/**
 * The response for a client. Headers stay a plain object and bodies bytes, because the Node adapter
 * is several times faster with those than with `Headers` and streams (measured 2026-11: 0.95
 * against 3.0 of a bare proxy's CPU time).
 * @param more headers that the proxy adds
 */
export function writeResponse(
  scope: RequestScope,
  response: UpstreamResponse,
  more: Record<string, string> = {},
): Response {
  if (response.status < 200 || response.status > 599) {
    throw new ApiError(
      "upstream_invalid",
      `The upstream API answered with status ${response.status}, which is none.`,
    );
  }
  const headers = {
    ...response.headers,
    ...more,
    "x-proxy-request-id": scope.requestId,
    "x-content-type-options": "nosniff",
  };
  return new Response(hasNoBody(response) ? null : response.body, {
    status: response.status,
    headers,
  });
}
