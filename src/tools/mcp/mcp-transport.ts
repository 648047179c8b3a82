/**
 * Streamable HTTP as the SDK does it, with what the SDK leaves out: every request ends, and a
 * cancellation is heard.
 */
import { StreamableHTTPClientTransport, type JSONRPCMessage } from "@modelcontextprotocol/client";
import { messageOf } from "../../openai/error-message.ts";
import { isObject, parseJson } from "../../openai/json.ts";
import type { Mask } from "../../secrets/mask.ts";
import { CONNECTION_LOST } from "./mcp-failure.ts";

/** Where an MCP server listens, and by which way it is reached. */
export interface McpAddress {
  url: string;
  headers: Record<string, string>;
  fetch: McpFetch;
  /** Whether it may speak MCP 2026-07-28. The sidecar does not, and need not be asked. */
  negotiates: boolean;
  /** For what the server says. */
  mask: Mask;
}

/** The part of the Fetch API that the transport uses. */
type McpFetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** Largest answer that is read from an MCP server, in bytes. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
/** How long each of the last messages may keep a closing connection open. */
const LAST_WORD_MS = 1_000;

/**
 * Remembers the last notification under way: closing at once would cut off the very
 * `notifications/cancelled` that led to it.
 */
export class McpTransport extends StreamableHTTPClientTransport {
  #lastWord: Promise<void> = Promise.resolve();

  /**
   * No stream for the server's own messages is opened: they would be read by nobody, and on workerd
   * they would hold a connection.
   */
  constructor({ url, headers, fetch }: McpAddress) {
    super(new URL(url), { fetch: withoutListening(ending(fetch)), requestInit: { headers } });
  }

  override send(
    message: JSONRPCMessage | JSONRPCMessage[],
    options?: Parameters<StreamableHTTPClientTransport["send"]>[1],
  ): Promise<void> {
    const sending = super.send(message, options);
    if (!("id" in message)) this.#lastWord = sending;
    return sending;
  }

  /**
   * Lets the last notification arrive, then ends the session. A server that does not answer is not
   * waited for.
   */
  async farewell(): Promise<void> {
    await patiently(this.#lastWord);
    await patiently(this.terminateSession());
  }
}

async function patiently(promise: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, LAST_WORD_MS);
  });
  await Promise.race([promise, patience]).finally(() => clearTimeout(timer));
}

/** 405 is how a server says that it has no such stream; said here, it costs no round trip. */
function withoutListening(fetch: McpFetch): McpFetch {
  return async (url, init) =>
    init?.method === "GET" ? new Response(null, { status: 405 }) : fetch(url, init);
}

/**
 * Makes every request end. Where the server's stream breaks or ends without an answer, the SDK
 * would wait for its time limit: an error answer, written in the server's place, ends the call at
 * once; after a real answer it is ignored. And where a call was cancelled, its stream is closed
 * once the server has been told: until 2025-11-25 a notification is the cancellation, but one that
 * reaches a stateless server finds another instance there, and one that is heard may still leave
 * the stream open.
 */
function ending(fetch: McpFetch): McpFetch {
  const open = new Map<unknown, AbortController>();
  return async (url, init) => {
    const message = typeof init?.body === "string" ? parseJson(init.body) : undefined;
    if (!isObject(message)) return fetch(url, init);
    const { id, method, params } = message;
    if (id === undefined || method === undefined) {
      const cancelled =
        method === "notifications/cancelled" && isObject(params) ? params["requestId"] : undefined;
      return fetch(url, init).finally(() => open.get(cancelled)?.abort());
    }
    const hangUp = new AbortController();
    open.set(id, hangUp);
    const ended = () => void open.delete(id);
    try {
      const signal = init?.signal ? AbortSignal.any([init.signal, hangUp.signal]) : hangUp.signal;
      return withEnd(await fetch(url, { ...init, signal }), { id, ended });
    } catch (error) {
      ended();
      throw error;
    }
  };
}

function withEnd(response: Response, { id, ended }: { id: unknown; ended: () => void }): Response {
  const { body, status, statusText, headers } = response;
  if (body === null) {
    ended();
    return response;
  }
  const isStream = headers.get("content-type")?.startsWith("text/event-stream") === true;
  const last = (message: string) => {
    const error = { code: -32000, message, data: { origin: CONNECTION_LOST } };
    return isStream
      ? new TextEncoder().encode(`\n\ndata: ${JSON.stringify({ jsonrpc: "2.0", id, error })}\n\n`)
      : null;
  };
  return new Response(endWith(body, { last, ended }), { status, statusText, headers });
}

interface Ending {
  /** What to write after a body that ended so, if anything. */
  last(reason: string): Uint8Array | null;
  ended(): void;
}

/**
 * The same bytes, then what `last` makes of how they ended; a body that is over the limit ends
 * there.
 */
function endWith(
  body: ReadableStream<Uint8Array>,
  { last, ended }: Ending,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let size = 0;
  const finish = (
    controller: ReadableStreamDefaultController<Uint8Array>,
    reason: string,
    isFailure: boolean,
  ) => {
    ended();
    const bytes = last(reason);
    if (bytes === null && isFailure) return controller.error(new Error(reason));
    if (bytes !== null) controller.enqueue(bytes);
    controller.close();
  };
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) return finish(controller, "the connection ended before the answer", false);
        size += value.byteLength;
        if (size <= MAX_ANSWER_BYTES) return controller.enqueue(value);
        finish(controller, `the answer is larger than ${MAX_ANSWER_BYTES} bytes`, true);
        await reader.cancel();
      } catch (error) {
        finish(controller, `the connection broke: ${messageOf(error)}`, true);
      }
    },
    cancel: (reason) => {
      ended();
      return reader.cancel(reason);
    },
  });
}
