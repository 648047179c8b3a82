import { ApiError } from "../openai/api-error.ts";

/** JSON-RPC codes of refusals, by HTTP status; any other is a server error of no special kind. */
const CODES = new Map([
  [400, -32_600],
  [404, -32_001],
  [500, -32_603],
]);

/** What clients must be told with a 401 (RFC 6750, 3). */
const CHALLENGES = new Map([
  ["missing_api_key", 'Bearer realm="openai-proxy-server"'],
  ["invalid_api_key", 'Bearer realm="openai-proxy-server", error="invalid_token"'],
  [
    "expired_api_key",
    'Bearer realm="openai-proxy-server", error="invalid_token", error_description="expired"',
  ],
]);

/**
 * A refusal before any message is looked at. The body is JSON-RPC's, as every answer here is, with
 * OpenAI's error as its data: the message stands where both kinds of client look for it, in
 * `error.message`.
 * @param code JSON-RPC's, where the status does not say it
 */
export function mcpError({ status, body, headers, message }: ApiError, code?: number): Response {
  const { type, code: name, param } = body.error;
  const challenge = name === null ? undefined : CHALLENGES.get(name);
  const error = {
    code: code ?? CODES.get(status) ?? -32000,
    message,
    data: { type, code: name, param },
  };
  const more = challenge === undefined ? headers : { ...headers, "www-authenticate": challenge };
  return Response.json({ jsonrpc: "2.0", id: null, error }, { status, headers: more });
}
