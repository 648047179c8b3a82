/** Answers to what never becomes a request for the app: its target or its bytes are none. */
import { STATUS_CODES, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { v7 as uuidv7 } from "uuid";
import { ApiError } from "../openai/api-error.ts";
import type { Logger } from "../platform.ts";
import { renderError } from "../routes/render-error.ts";

/** What node:http says of bytes that it could not read, where it is not a plain 400. */
const UNREADABLE: Record<string, () => ApiError> = {
  HPE_HEADER_OVERFLOW: () =>
    new ApiError("headers_too_large", "The headers of this request are larger than 16 KB."),
  HPE_CHUNK_EXTENSIONS_OVERFLOW: () =>
    new ApiError("body_too_large", "The chunk extensions of this request's body are too large."),
  ERR_HTTP_REQUEST_TIMEOUT: () =>
    new ApiError("request_timeout", "The headers of this request did not come in time."),
};

const malformed = () =>
  new ApiError(
    "bad_request",
    "This is no HTTP request: a path may hold ASCII only, so percent-encode what is not.",
  );

/** An error as a response, with an id of its own, since there is no request that has one. */
export function answerRefused(error: unknown, logger: Logger): Response {
  const answer = renderError(error, logger);
  answer.headers.set("x-proxy-request-id", uuidv7());
  return answer;
}

/** Sends an error to a client whose request the app does not see. */
export async function refuseRequest(
  error: unknown,
  { outgoing, logger }: { outgoing: ServerResponse; logger: Logger },
): Promise<void> {
  const answer = answerRefused(error, logger);
  const body = await answer.text();
  const length = { "content-length": Buffer.byteLength(body) };
  outgoing.writeHead(answer.status, { ...Object.fromEntries(answer.headers), ...length });
  outgoing.end(body);
}

/** What node:http does by itself with bytes that are no request, but in our shape. */
export async function refuseBytes(
  error: NodeJS.ErrnoException,
  { socket, logger }: { socket: Socket; logger: Logger },
): Promise<void> {
  const answer = answerRefused((UNREADABLE[error.code ?? ""] ?? malformed)(), logger);
  const body = await answer.text();
  const headers = {
    ...Object.fromEntries(answer.headers),
    "content-length": Buffer.byteLength(body),
    connection: "close",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const statusLine = `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status]}\r\n`;
  socket.write(`${statusLine}${lines.join("")}\r\n${body}`);
  socket.destroySoon();
}
