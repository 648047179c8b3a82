/** What clients send: https://developers.openai.com/api/docs/guides/websocket-mode */
import { ApiError } from "../openai/api-error.ts";
import { isObject, readJsonBody, textOf, textOrNull, type JsonObject } from "../openai/json.ts";
import { setMembers } from "../openai/json-object-text.ts";

/** A response is asked for. */
export interface CreateEvent {
  type: "create";
  /** The lane: what has the same name is answered in order. Null: the one without a name. */
  streamId: string | null;
  /** The body of `POST /v1/responses` that it is. */
  text: string;
  body: JsonObject;
  previousId: string | null;
  isStored: boolean;
  /** Whether a model is asked; else it is a warm-up. */
  generates: boolean;
}

/** Words for a response that runs. */
export interface SteerEvent {
  type: "steer";
  previousId: string;
  input: unknown;
}

/** An event of the client. */
export type ClientEvent = CreateEvent | SteerEvent;

const STREAM_ID = /^[\w.-]{1,256}$/;

/** @throws ApiError 400 */
function streamIdOf({ stream_id: id }: JsonObject): string | null {
  if (id === undefined || id === null) return null;
  if (typeof id === "string" && STREAM_ID.test(id)) return id;
  throw new ApiError(
    "invalid_stream_id",
    "stream_id must be a text of 1 to 256 letters, digits, underscores, hyphens and periods.",
    { param: "stream_id" },
  );
}

/** What of an event is about the connection, and no member of a request. */
const OF_THE_CONNECTION = {
  type: undefined,
  stream_id: undefined,
  generate: undefined,
  background: undefined,
  stream: "true",
};

const readers: Record<string, (text: string, event: JsonObject) => ClientEvent> = {
  "response.create": (text, body) => ({
    type: "create",
    streamId: streamIdOf(body),
    text: setMembers(text, OF_THE_CONNECTION),
    body,
    previousId: textOrNull(body["previous_response_id"]),
    isStored: body["store"] !== false,
    generates: body["generate"] !== false,
  }),
  "response.steer": (_text, { previous_response_id: previousId, input }) => ({
    type: "steer",
    previousId: textOf(previousId),
    input: input ?? "",
  }),
};

/**
 * Reads a message as an event.
 * @throws ApiError 400 where it is none that is served
 */
export async function readClientEvent(text: string): Promise<ClientEvent> {
  const event = await readJsonBody(text);
  if (!isObject(event))
    throw new ApiError("bad_request", "This message is no event: send a JSON object as text.");
  const type = textOf(event["type"]);
  const read = Object.hasOwn(readers, type) ? readers[type] : undefined;
  if (read !== undefined) return read(text, event);
  throw new ApiError(
    "invalid_value",
    "Events of this type are not served here. Send response.create.",
    { param: "type" },
  );
}
