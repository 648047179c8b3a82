/** What clients are sent beside the events of a response. */
import { ApiError, type ErrorBody } from "../openai/api-error.ts";
import { isObject, type JsonObject } from "../openai/json.ts";
import type { SteerEvent } from "./client-event.ts";

/** An error that a client is told. */
interface ToldError {
  /** What HTTP would have answered with. */
  status: number;
  error: JsonObject;
  streamId: string | null;
  /** In a stream that has begun. */
  sequence?: number;
  /** Of the answer, where it has some that say when to try again, or whose it was. */
  headers?: Record<string, string>;
}

/**
 * An error as WebSocket mode has it, and as streams do: clients look for either.
 */
export function errorEvent(told: ToldError): string {
  const { status, error, streamId, sequence = 0, headers } = told;
  const { code = null, message = "", param = null } = error;
  const beside = headers === undefined ? {} : { headers };
  const lane = streamId === null ? {} : { stream_id: streamId };
  const members = { code, message, param, sequence_number: sequence, error };
  return JSON.stringify({ type: "error", status, ...lane, ...members, ...beside });
}

/** An error of ours. */
export const ownErrorEvent = (
  { status, body, headers }: ApiError,
  streamId: string | null,
): string => errorEvent({ status, error: { ...body.error }, streamId, headers });

/** The error in a body, whoever wrote it; null where there is none. */
export function errorIn(body: unknown): JsonObject | null {
  if (!isObject(body)) return null;
  const { error } = body as Partial<ErrorBody>;
  if (isObject(error)) return error;
  return typeof error === "string" ? { message: error, type: null, code: null, param: null } : null;
}

/** The answer to words for a response that runs: OpenAI's own, for a model that takes none. */
export function steerFailedEvent({ previousId, input }: SteerEvent): string {
  return JSON.stringify({
    type: "response.steer.failed",
    sequence_number: 0,
    steer: { previous_response_id: previousId, input },
    error: {
      type: "invalid_request_error",
      code: "steering_not_supported",
      message: "This proxy does not steer responses that run. Send it with the next one.",
    },
  });
}
