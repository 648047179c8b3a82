/** A response of a connection is a request to the proxy's own route, as one of HTTP would be. */
import { v7 as uuidv7 } from "uuid";
import { bytesOfText } from "../openai/write-in-slices.ts";
import type { RequestScope } from "../platform.ts";
import { decompressed, encodingsOf } from "../stream/decompress.ts";

/** Serves a request by this proxy's own routes. */
export type ServeInside = (request: Request, scope: RequestScope) => Response | Promise<Response>;

/** Whose request it is. */
export interface Asker {
  scope: RequestScope;
  serveInside: ServeInside;
  /** Of the route. */
  url: string;
  /** Those of the handshake, with the client's key. */
  headers: Headers;
  /** Fires when the client has gone away. */
  gone: AbortSignal;
}

/** What was about the handshake, or about one request alone, and what shows the operator more. */
const OF_THE_HANDSHAKE = new RegExp(
  [
    "^(?:connection|upgrade|sec-websocket-.*|content-.*|accept|accept-encoding",
    "idempotency-key|cookie|x-proxy-tool-events)$",
  ].join("|"),
);

/** What switches the mode on: upstream is asked without it. */
const MODE = /^responses_websockets\b/;

function headersFor({ headers }: Asker, length: number): Headers {
  const kept = new Headers([...headers].filter(([name]) => !OF_THE_HANDSHAKE.test(name)));
  const betas = (headers.get("openai-beta") ?? "").split(",").map((beta) => beta.trim());
  const others = betas.filter((beta) => beta !== "" && !MODE.test(beta));
  if (others.length === 0) kept.delete("openai-beta");
  else kept.set("openai-beta", others.join(", "));
  kept.set("accept", "text/event-stream");
  kept.set("content-type", "application/json");
  kept.set("content-length", String(length));
  return kept;
}

/** Asks for a response, which is a turn of its own. @param text the request's body */
export async function askInside(asker: Asker, text: string): Promise<Response> {
  const { scope, serveInside, url, gone } = asker;
  const body = await bytesOfText(text);
  const headers = headersFor(asker, body.byteLength);
  const request = new Request(url, { method: "POST", headers, body });
  const own = { requestId: uuidv7(), clientGone: gone, breakOff: null, acceptSocket: null };
  const answer = await serveInside(request, { ...scope, ...own });
  const encodings = encodingsOf(answer.headers.get("content-encoding"));
  if (answer.body === null || encodings.length === 0) return answer;
  const plain = decompressed(answer.body, encodings, scope.platform.openDecoder);
  const { status, headers: told } = answer;
  const left = new Headers(told);
  left.delete("content-encoding");
  return new Response(plain, { status, headers: left });
}
