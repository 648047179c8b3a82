/** Makes the messages of one response: those that a stream would have as events. */
import { ApiError } from "../openai/api-error.ts";
import { isObject, parseWithinBounds, readKeptJson, textOf, textOrNull } from "../openai/json.ts";
import { memberText, setMembers } from "../openai/json-object-text.ts";
import { createEventReader } from "../openai/read-events.ts";
import { collectBytes } from "../stream/collect-bytes.ts";
import { errorEvent, errorIn, ownErrorEvent } from "./server-event.ts";

/** What a response's client is told, and how. */
interface AnswerParts {
  streamId: string | null;
  /** As the client named it, where another was asked for; null: it stays as it is. */
  previousId: string | null;
  maxBytes: number;
  /** Fires when the client has gone away. */
  gone: AbortSignal;
  send(message: string): Promise<void> | void;
}

/** A response that ended, and can be gone on from. */
export interface EndedResponse {
  id: string;
  /** JSON text of its items. */
  output: string;
}

/** Events that end a response, and whether it can be gone on from. */
const ENDS = new Map([
  ["response.completed", true],
  ["response.incomplete", true],
  ["response.failed", false],
  ["error", false],
]);

/** What HTTP would have answered with, by the type of an error in a stream. */
const STATUSES: Record<string, number> = {
  invalid_request_error: 400,
  requests: 429,
  tokens: 429,
  insufficient_quota: 429,
};

/** What of an answer's headers its client is told beside an error. */
const TOLD = /^(?:retry-after.*|x-ratelimit-.*|x-should-retry|x-request-id|x-proxy-.*-id)$/;

const told = (headers: Headers): Record<string, string> =>
  Object.fromEntries([...headers].filter(([name]) => TOLD.test(name)));

const UNENDED = "The answer broke off before its end. Try again.";

/** WebSocket mode has a status of its own for this, which its clients know. */
const statusOf = (status: number, code: unknown): number =>
  code === "previous_response_not_found" ? 400 : status;

/** An event of the stream as this connection has it; what is none is null. */
function messageOf(data: string, parts: AnswerParts): { type: string; message: string } | null {
  const { streamId, previousId } = parts;
  if (!data.trimStart().startsWith("{")) return null;
  const type = textOf(parseWithinBounds(memberText(data, "type") ?? "null"));
  if (type === "error") return { type, message: errorOf(data, streamId) };
  const response = previousId === null ? undefined : memberText(data, "response");
  const changes: Record<string, string> = {};
  if (streamId !== null) changes["stream_id"] = JSON.stringify(streamId);
  if (response?.startsWith("{") === true) {
    const previous = { previous_response_id: JSON.stringify(previousId) };
    changes["response"] = setMembers(response, previous);
  }
  const isSame = Object.keys(changes).length === 0;
  return { type, message: isSame ? data : setMembers(data, changes) };
}

/** An error in a stream: its members are the event's own, or in an object. */
function errorOf(data: string, streamId: string | null): string {
  const event = parseWithinBounds(data);
  const error = errorIn(event) ?? (isObject(event) ? event : {});
  const { code = null, message = "", param = null } = error;
  const isTyped = typeof error["type"] === "string" && error["type"] !== "error";
  const type = isTyped ? textOf(error["type"]) : "server_error";
  const status = (Object.hasOwn(STATUSES, type) ? STATUSES[type] : undefined) ?? 500;
  const number = isObject(event) ? event["sequence_number"] : undefined;
  const sequence = typeof number === "number" ? { sequence: number } : {};
  const told = { type, code, message, param };
  return errorEvent({ status, error: told, streamId, ...sequence });
}

/** The response that an event ends with. */
function endedIn(message: string): EndedResponse | null {
  const response = memberText(message, "response") ?? "{}";
  const id = textOrNull(parseWithinBounds(memberText(response, "id") ?? "null"));
  return id === null ? null : { id, output: memberText(response, "output") ?? "[]" };
}

async function relayStream(
  body: ReadableStream<Uint8Array>,
  parts: AnswerParts,
): Promise<EndedResponse | null> {
  let pending: string[] = [];
  const events = createEventReader((data) => {
    pending.push(data);
  });
  const end: { response: EndedResponse | null; isThere: boolean } = {
    response: null,
    isThere: false,
  };
  const drain = async (): Promise<void> => {
    const ready = pending;
    pending = [];
    for (const data of ready) {
      const event = end.isThere ? null : messageOf(data, parts);
      if (event === null) continue;
      const goesOn = ENDS.get(event.type);
      end.isThere = goesOn !== undefined;
      if (goesOn === true) end.response = endedIn(event.message);
      await parts.send(event.message);
    }
  };
  // What is behind the body does not end it where its client has gone.
  const reader = body.getReader();
  const leave = () => void reader.cancel().catch(() => undefined);
  parts.gone.addEventListener("abort", leave, { once: true });
  if (parts.gone.aborted) leave();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    events.push(value);
    await drain();
  }
  parts.gone.removeEventListener("abort", leave);
  events.end();
  await drain();
  if (!end.isThere) throw new ApiError("upstream_invalid", UNENDED);
  return end.response;
}

/** An answer that is no stream: an error, or a response though a stream was asked for. */
async function relayWhole(answer: Response, parts: AnswerParts): Promise<EndedResponse | null> {
  const { maxBytes, streamId } = parts;
  const tooLarge = () =>
    new ApiError("upstream_too_large", `The answer has more than ${maxBytes} bytes.`);
  const bytes = answer.body ? await collectBytes(answer.body, { maxBytes, tooLarge }) : null;
  const text = new TextDecoder().decode(bytes ?? new Uint8Array());
  const body = await readKeptJson(text);
  if (answer.ok && isObject(body) && body["object"] === "response") {
    const kind = textOf(body["status"]);
    const type = ENDS.has(`response.${kind}`) ? `response.${kind}` : "response.completed";
    const data = setMembers(`{"type":"${type}","sequence_number":0}`, { response: text });
    const message = messageOf(data, parts)?.message ?? data;
    await parts.send(message);
    return ENDS.get(type) === true ? endedIn(message) : null;
  }
  const none = { type: "server_error", code: "upstream_invalid_response", param: null };
  const words = "The upstream API answered with what is neither a response nor an error.";
  const error = errorIn(body) ?? { ...none, message: words };
  const status = statusOf(answer.ok ? 502 : answer.status, error["code"]);
  await parts.send(errorEvent({ status, error, streamId, headers: told(answer.headers) }));
  return null;
}

/** Whether an answer is one of events. */
const isStream = ({ headers, ok }: Response): boolean =>
  ok && (headers.get("content-type") ?? "").toLowerCase().startsWith("text/event-stream");

/**
 * Relays an answer, whatever it is, to its end: the last message is its end or its error.
 * @returns the response where it can be gone on from
 */
export async function relayAnswer(
  answer: Response,
  parts: AnswerParts,
): Promise<EndedResponse | null> {
  try {
    if (isStream(answer) && answer.body !== null) return await relayStream(answer.body, parts);
    return await relayWhole(answer, parts);
  } catch (error) {
    const known = error instanceof ApiError ? error : null;
    const own = known ?? new ApiError("upstream_invalid", UNENDED, { cause: error });
    await parts.send(ownErrorEvent(own, parts.streamId));
    return null;
  }
}
