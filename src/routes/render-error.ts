import { HTTPException } from "hono/http-exception";
import { ApiError } from "../openai/api-error.ts";
import type { Logger } from "../platform.ts";
import { isDatabaseBusy, isDatabaseUnavailable } from "../store/database-error.ts";
import { describeError } from "../store/describe-error.ts";

/** Seconds after which a database that restarted is usually back. */
const DATABASE_RETRY_SECONDS = 2;

const BUSY =
  "The proxy's database did not answer in time: another transaction holds a lock, or it has too much to do. Try again shortly.";

function toApiError(error: unknown, logger: Logger, requestId: string | undefined): ApiError {
  if (error instanceof ApiError) return error;
  // What Hono's validators throw, e.g. for JSON that does not parse.
  if (error instanceof HTTPException && error.status < 500)
    return new ApiError("bad_request", `${error.message || "The request could not be read"}.`, {
      cause: error,
    });
  if (isDatabaseUnavailable(error)) {
    logger.warn("The database did not answer a request", { error: describeError(error) });
    return new ApiError(
      "database_unavailable",
      isDatabaseBusy(error) ? BUSY : "The proxy's database is not available. Try again shortly.",
      {
        retryAfter: DATABASE_RETRY_SECONDS,
        cause: error,
      },
    );
  }
  logger.error("A request failed for a reason that nobody foresaw", {
    ...(requestId === undefined ? {} : { request: requestId }),
    error: describeError(error),
  });
  return new ApiError(
    "internal",
    "The proxy failed to handle this request. Its log says why, under the x-proxy-request-id of this response.",
    { cause: error },
  );
}

/**
 * The one place where an error becomes a response. What is not an ApiError is a bug: it is logged
 * and shown as a bland 500.
 * @param requestId the `x-proxy-request-id` of the response, by which the log is searched
 */
export function renderError(error: unknown, logger: Logger, requestId?: string): Response {
  const { status, body, headers: own } = toApiError(error, logger, requestId);
  const headers = { ...own, "x-content-type-options": "nosniff" };
  // A body that was refused unread is still on its way: the connection cannot carry another request
  // behind it.
  return Response.json(body, {
    status,
    headers: status === 413 ? { ...headers, connection: "close" } : headers,
  });
}
