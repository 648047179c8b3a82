/** The one place where what was thrown in a turn becomes its end, in a stream or before it. */
import { ApiError } from "../openai/api-error.ts";
import type { JsonObject } from "../openai/json.ts";
import { UpstreamRefusal, UpstreamStreamError } from "../openai/upstream-error.ts";
import type { Logger } from "../platform.ts";
import { describeError } from "../store/describe-error.ts";

/** What our own faults are called to clients. */
const BUG =
  "The proxy failed to handle this request. Its log says why, under the x-proxy-request-id of " +
  "this response.";

function logBug(error: unknown, logger: Logger, turn: { id: string }): void {
  const fields = { turn: turn.id, error: describeError(error) };
  logger.error("A stream failed for a reason that nobody foresaw", fields);
}

/**
 * What can be made of a turn that was broken off; null where that fails too, which is logged: the
 * turn must end all the same.
 */
export function salvage<T>(make: () => T, logger: Logger, turn: { id: string }): T | null {
  try {
    return make();
  } catch (error) {
    logBug(error, logger, turn);
    return null;
  }
}

/**
 * The error object that ends a stream: upstream's own where there is one, else ours. What nobody
 * foresaw is a bug: it is logged with its cause, and never blamed on upstream.
 */
export function streamError(error: unknown, logger: Logger, turn: { id: string }): JsonObject {
  if (error instanceof UpstreamStreamError) return error.error;
  if (error instanceof ApiError) return error.body.error;
  if (error instanceof UpstreamRefusal)
    return error.error ?? new ApiError("upstream_invalid", error.message).body.error;
  logBug(error, logger, turn);
  return new ApiError("internal", BUG).body.error;
}
