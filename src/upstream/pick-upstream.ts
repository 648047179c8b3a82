import type { Config } from "../config.ts";
import { ApiError } from "../openai/api-error.ts";

/** Where a key's requests go, and as whom. */
export interface Upstream {
  /** Without a trailing slash; stands for the proxy's `/v1`. */
  baseUrl: string;
  /** Null: the upstream wants none, as local model servers do. */
  apiKey: string | null;
}

/**
 * The key's own upstream, and for what it leaves open the configured one.
 * @throws ApiError 503 where OpenAI itself would be asked without a credential
 */
export function pickUpstream(
  config: Config,
  key: { openaiBaseUrl: string | null; upstreamApiKey: string | null },
): Upstream {
  const upstream = {
    baseUrl: (key.openaiBaseUrl ?? config.openaiBaseUrl).replace(/\/+$/, ""),
    apiKey: key.upstreamApiKey ?? config.openaiApiKey,
  };
  if (upstream.apiKey === null && new URL(upstream.baseUrl).hostname === "api.openai.com") {
    throw new ApiError(
      "not_configured",
      "The proxy has no OpenAI API key: its operator has to set OPENAI_API_KEY, or an upstream key for this proxy key.",
    );
  }
  return upstream;
}

const PREFIX = "/v1";

/**
 * The upstream URL for a proxy URL, whose path is normal: what follows `/v1`, query included, as it
 * is spelled.
 * @throws Error where the path is none under `/v1`: the credential must not go to another place
 */
export function upstreamUrl(upstream: Upstream, requestUrl: string): string {
  const target = requestUrl.slice(requestUrl.indexOf("/", requestUrl.indexOf("://") + 3));
  const rest = target.slice(PREFIX.length);
  if (!target.startsWith(PREFIX) || !/^(?:$|[/?])/.test(rest))
    throw new Error(`${target} is not under ${PREFIX}`);
  return upstream.baseUrl + rest;
}
