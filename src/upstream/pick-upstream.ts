import type { Config } from "../config/read-config.ts";
import { ApiError } from "../openai/api-error.ts";

/** One upstream is one row: where requests go, and the credential that is tied to that place. */
export interface Upstream {
  /** Without a trailing slash; stands for the proxy's `/v1`. */
  baseUrl: string;
  /** Null: the upstream is sent none, as local model servers want none. */
  apiKey: string | null;
  /** Whether that credential is the proxy key's own: then the account is its owner's too. */
  isOwnCredential: boolean;
}

/** What of a proxy key says where its requests go. */
interface UpstreamOfKey {
  openaiBaseUrl: string | null;
  upstreamApiKey: string | null;
}

/** Where the requests of a key go, without a trailing slash. */
export const baseUrlOf = (
  config: Config,
  { openaiBaseUrl }: Pick<UpstreamOfKey, "openaiBaseUrl">,
): string => (openaiBaseUrl ?? config.openaiBaseUrl).replace(/\/+$/, "");

/**
 * The row for a key. The configured credential is for the configured place: a key that names a base
 * URL of its own without a credential of its own sends none.
 */
function rowOf(config: Config, key: UpstreamOfKey): Upstream {
  const { openaiBaseUrl, upstreamApiKey } = key;
  const configured = openaiBaseUrl === null ? config.openaiApiKey : null;
  return {
    baseUrl: baseUrlOf(config, key),
    apiKey: upstreamApiKey ?? configured,
    isOwnCredential: upstreamApiKey !== null,
  };
}

/**
 * The upstream of a key: its own, or the configured one.
 * @throws ApiError 503 where OpenAI itself would be asked without a credential
 */
export function pickUpstream(config: Config, key: UpstreamOfKey): Upstream {
  const upstream = rowOf(config, key);
  if (upstream.apiKey !== null || new URL(upstream.baseUrl).hostname !== "api.openai.com")
    return upstream;
  throw new ApiError(
    "not_configured",
    key.openaiBaseUrl === null
      ? "The proxy has no OpenAI API key: its operator has to set OPENAI_API_KEY, or an upstream key for this proxy key."
      : "This proxy key has a base URL of its own, but no upstream key to go with it: its operator has to set one.",
  );
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
