import { ApiError } from "../openai/api-error.ts";

/** Upstream would repeat all that it was sent, its credential too (RFC 9110, 9.3.8). */
export const refuseTrace = (): never => {
  throw new ApiError("method_not_allowed", "TRACE is not passed on. Use GET or POST.");
};
