import { ApiError } from "../openai/api-error.ts";
import {
  UpstreamFailure,
  type Platform,
  type UpstreamRequest,
  type UpstreamResponse,
} from "../platform.ts";
import { maskOf } from "../secrets/known-secrets.ts";
import { crossingHeaders } from "./headers.ts";
import { maskedAnswer } from "./mask-answer.ts";
import { upstreamUrl, type Upstream } from "./pick-upstream.ts";

interface UpstreamCall {
  upstream: Upstream;
  /** The client's request: method, URL and headers are taken from it. */
  request: Request;
  /** Path below the base URL, where it is another than the client's. */
  path?: string;
  body: UpstreamRequest["body"];
  signal: AbortSignal;
  /** Headers that replace the client's; an empty value removes one. */
  headers?: Record<string, string>;
}

const FAILURES = {
  unreachable: [
    "upstream_unreachable",
    "The upstream API could not be reached. Try again; if it stays so, the operator should check OPENAI_BASE_URL.",
  ],
  timeout: [
    "upstream_timeout",
    "The upstream API did not answer in time. Try again, or ask for less in one request.",
  ],
  aborted: ["upstream_unreachable", "The request to the upstream API was cancelled."],
} as const;

/** Turns a failed send into the error that a client sees. */
function upstreamError(error: unknown): unknown {
  if (!(error instanceof UpstreamFailure)) return error;
  // A request whose body did not come: that is not upstream's fault.
  if (error.cause instanceof ApiError) return error.cause;
  const [name, message] = FAILURES[error.reason];
  return new ApiError(name, message, { cause: error });
}

/**
 * One call to upstream with the client's headers, without what must not cross, as the upstream's
 * own credential.
 * @throws ApiError 502 or 504 where no response came
 */
export async function callUpstream(
  platform: Pick<Platform, "send" | "config" | "memory" | "openDecoder">,
  call: UpstreamCall,
): Promise<UpstreamResponse> {
  const asWhom = call.upstream.isOwnCredential ? "request with an own credential" : "request";
  const headers = { ...crossingHeaders(call.request.headers, asWhom), ...call.headers };
  for (const [name, value] of Object.entries(headers)) if (value === "") delete headers[name];
  if (call.upstream.apiKey !== null) headers["authorization"] = `Bearer ${call.upstream.apiKey}`;
  if (call.body instanceof Uint8Array) headers["content-length"] = String(call.body.byteLength);
  else if (call.body === null) delete headers["content-length"];
  const { upstream, request, path, body, signal } = call;
  try {
    const response = await platform.send({
      method: request.method,
      url: path === undefined ? upstreamUrl(upstream, request.url) : upstream.baseUrl + path,
      headers,
      body,
      signal,
    });
    const crossing = crossingHeaders(Object.entries(response.headers), "response");
    const mask = maskOf(platform, upstream.apiKey);
    return maskedAnswer({ ...response, headers: crossing }, mask, platform.openDecoder);
  } catch (error) {
    throw upstreamError(error);
  }
}
