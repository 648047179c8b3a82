/**
 * A response without an answer (`generate: false`): its client only wants to go on from it. No
 * model is asked, so nothing is counted or recorded.
 */
import { newResponseId } from "../dialects/responses/own-items.ts";
import { readResponsesRequest } from "../dialects/responses/responses-request.ts";
import type { CreateEvent } from "./client-event.ts";

const NO_USAGE = {
  input_tokens: 0,
  input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
  output_tokens: 0,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 0,
};

/** A warm-up's id, and what its client is sent. */
interface WarmUp {
  id: string;
  messages: string[];
}

/** Makes the response of a warm-up. */
export function warmUp(event: CreateEvent): WarmUp {
  const { text, body, streamId, previousId, isStored } = event;
  const id = newResponseId();
  const request = readResponsesRequest(text, body);
  const response = {
    id,
    object: "response",
    created_at: Math.floor(Date.now() / 1000),
    background: false,
    error: null,
    incomplete_details: null,
    ...request?.repeated,
    max_tool_calls: body["max_tool_calls"] ?? null,
    model: request?.model ?? "",
    output: [],
    previous_response_id: previousId,
    reasoning: body["reasoning"] ?? { effort: null, summary: null },
    store: isStored,
    text: body["text"] ?? { format: { type: "text" } },
    truncation: body["truncation"] ?? "disabled",
  };
  const begun = { ...response, status: "in_progress", usage: null };
  const ended = { ...response, status: "completed", usage: NO_USAGE };
  const events = [
    { type: "response.created", response: begun },
    { type: "response.in_progress", response: begun },
    { type: "response.completed", response: ended },
  ];
  const lane = streamId === null ? {} : { stream_id: streamId };
  const messages = events.map((told, index) =>
    JSON.stringify({ ...told, sequence_number: index, ...lane }),
  );
  return { id, messages };
}
