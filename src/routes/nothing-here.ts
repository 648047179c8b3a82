import { ApiError } from "../openai/api-error.ts";
import { endpointOf } from "./normalise-path.ts";

/** The base URL for clients, under the name by which this one found the proxy. */
function baseUrlOf({ url, headers }: Request): string {
  const { protocol, host } = new URL(url);
  // A proxy in front may speak https where we do not.
  const isHttps = headers.get("x-forwarded-proto")?.split(",")[0]?.trim() === "https";
  return `${isHttps ? "https:" : protocol}//${host}/v1`;
}

/** The 404 of a path that has no route. Most are asked by clients whose base URL lacks `/v1`. */
export function nothingHere(request: Request): ApiError {
  const path = endpointOf(request.url);
  const nothing = `There is nothing at ${request.method} ${path}.`;
  if (path.startsWith("/api/admin/")) return new ApiError("not_found", nothing);
  const hint = `OpenAI's API is served under ${baseUrlOf(request)}: set that as the base URL.`;
  return new ApiError("not_found", `${nothing} ${hint}`);
}
