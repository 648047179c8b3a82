/** The key that a client shows with the handshake of a WebSocket. */
import { ApiError } from "../openai/api-error.ts";

/** RFC 9110, 5.6.2. */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

/**
 * How a browser shows its key: its WebSockets can have no headers. Spelled as OpenAI's own
 * clients do: https://platform.openai.com/docs/guides/realtime-websocket
 */
const KEY_PROTOCOL = "openai-insecure-api-key.";
/** Further sub-protocols that say something, and are none. */
const SAYING_PROTOCOL = /^openai-(?:insecure-api-key|organization|project)\./;

/** @throws ApiError 400 where what is offered is no list of different names */
function offeredProtocols(headers: Headers): string[] {
  const offered = headers.get("sec-websocket-protocol");
  if (offered === null) return [];
  const names = offered.split(",").map((name) => name.trim());
  if (names.every((name) => TOKEN.test(name)) && new Set(names).size === names.length) return names;
  throw new ApiError("bad_request", "sec-websocket-protocol is no list of different names.", {
    param: "sec-websocket-protocol",
  });
}

/** Whether a key is among the sub-protocols that are offered. */
export const showsKeyAsProtocol = (headers: Headers): boolean =>
  (headers.get("sec-websocket-protocol") ?? "").includes(KEY_PROTOCOL);

/** What a client showed with its handshake. */
export interface ShownCredential {
  /** The client's headers, with its key where it belongs. */
  headers: Headers;
  /** The sub-protocol that is spoken; null where none is offered that is one. */
  protocol: string | null;
}

/**
 * Reads the key of a handshake, which browsers show as a sub-protocol. A header counts before it.
 * @throws ApiError 400
 */
export function readCredential(request: Request): ShownCredential {
  const headers = new Headers(request.headers);
  const names = offeredProtocols(headers);
  const shown = names.find((name) => name.startsWith(KEY_PROTOCOL))?.slice(KEY_PROTOCOL.length);
  if (shown !== undefined && !headers.has("authorization"))
    headers.set("authorization", `Bearer ${shown}`);
  // The key must not be said back.
  const protocol = names.find((name) => !SAYING_PROTOCOL.test(name)) ?? null;
  return { headers, protocol };
}
