/**
 * Every error that the proxy itself makes. Codes and types are OpenAI's where OpenAI has one,
 * because SDKs branch on the status and applications on `code`.
 * https://platform.openai.com/docs/guides/error-codes
 */
const ERRORS = {
  bad_request: { status: 400, type: "invalid_request_error", code: "bad_request" },
  invalid_value: { status: 400, type: "invalid_request_error", code: "invalid_value" },
  invalid_stream_id: { status: 400, type: "invalid_request_error", code: "invalid_stream_id" },
  websocket_stream_limit: {
    status: 400,
    type: "invalid_request_error",
    code: "websocket_stream_limit_reached",
  },
  websocket_connection_limit: {
    status: 400,
    type: "invalid_request_error",
    code: "websocket_connection_limit_reached",
  },
  missing_api_key: { status: 401, type: "invalid_request_error", code: "missing_api_key" },
  invalid_api_key: { status: 401, type: "invalid_request_error", code: "invalid_api_key" },
  expired_api_key: { status: 401, type: "invalid_request_error", code: "expired_api_key" },
  admin_session_required: {
    status: 401,
    type: "invalid_request_error",
    code: "admin_session_required",
  },
  wrong_password: { status: 401, type: "invalid_request_error", code: "wrong_password" },
  model_not_allowed: { status: 403, type: "invalid_request_error", code: "model_not_allowed" },
  model_not_priced: { status: 403, type: "invalid_request_error", code: "model_not_priced" },
  forbidden_origin: { status: 403, type: "invalid_request_error", code: "forbidden_origin" },
  host_not_allowed: { status: 403, type: "invalid_request_error", code: "host_not_allowed" },
  not_found: { status: 404, type: "invalid_request_error", code: "not_found" },
  previous_response_not_found: {
    status: 404,
    type: "invalid_request_error",
    code: "previous_response_not_found",
  },
  method_not_allowed: { status: 405, type: "invalid_request_error", code: "method_not_allowed" },
  request_timeout: { status: 408, type: "invalid_request_error", code: "request_timeout" },
  conflict: { status: 409, type: "invalid_request_error", code: "conflict" },
  body_too_large: { status: 413, type: "invalid_request_error", code: "body_too_large" },
  unsupported_encoding: {
    status: 415,
    type: "invalid_request_error",
    code: "unsupported_encoding",
  },
  upgrade_required: { status: 426, type: "invalid_request_error", code: "upgrade_required" },
  headers_too_large: { status: 431, type: "invalid_request_error", code: "headers_too_large" },
  too_many_requests: { status: 429, type: "requests", code: "rate_limit_exceeded" },
  too_many_tokens: { status: 429, type: "tokens", code: "rate_limit_exceeded" },
  budget_in_use: { status: 429, type: "requests", code: "rate_limit_exceeded" },
  insufficient_quota: { status: 429, type: "insufficient_quota", code: "insufficient_quota" },
  internal: { status: 500, type: "server_error", code: "internal_error" },
  upstream_unreachable: { status: 502, type: "server_error", code: "upstream_unreachable" },
  mcp_server_failed: { status: 502, type: "server_error", code: "mcp_server_failed" },
  upstream_invalid: { status: 502, type: "server_error", code: "upstream_invalid_response" },
  upstream_too_large: { status: 502, type: "server_error", code: "upstream_too_large" },
  database_unavailable: { status: 503, type: "server_error", code: "database_unavailable" },
  not_configured: { status: 503, type: "server_error", code: "not_configured" },
  shutting_down: { status: 503, type: "server_error", code: "shutting_down" },
  upstream_timeout: { status: 504, type: "server_error", code: "upstream_timeout" },
} as const;

/**
 * Seconds after which to try again, for statuses that promise that it may help, where whoever
 * throws the error knows no better.
 */
const RETRY_AFTER: Partial<Record<number, number>> = { 429: 5, 503: 5 };

/** A row of the error table. */
export type ErrorName = keyof typeof ERRORS;

/** The body of every error, on every path. */
export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string | null };
}

interface ErrorDetails {
  /** The request field or header at fault. */
  param?: string;
  /** Seconds after which to try again: sent as `retry-after`. */
  retryAfter?: number;
  /** Further headers of the response. */
  headers?: Record<string, string>;
  cause?: unknown;
}

/**
 * An error that a caller can do something about; its message says what. Status, type and code are
 * the table's.
 */
export class ApiError extends Error {
  readonly status: (typeof ERRORS)[ErrorName]["status"];
  readonly body: ErrorBody;
  readonly headers: Record<string, string>;
  constructor(name: ErrorName, message: string, details: ErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.name = "ApiError";
    const row = ERRORS[name];
    this.status = row.status;
    this.body = {
      error: { message, type: row.type, param: details.param ?? null, code: row.code },
    };
    const seconds = details.retryAfter ?? RETRY_AFTER[row.status];
    const retryAfter =
      seconds === undefined ? {} : { "retry-after": String(Math.max(1, Math.ceil(seconds))) };
    this.headers = { ...retryAfter, ...details.headers };
  }
}
