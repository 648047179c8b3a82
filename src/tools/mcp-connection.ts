/** One connection to one MCP server over Streamable HTTP, the same for the sidecar's servers and for remote ones. */
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";
import { CfWorkerJsonSchemaValidator } from "@modelcontextprotocol/sdk/validation/cfworker-provider.js";
import { isObject, parseJson } from "../openai/json.ts";
import type { Platform } from "../platform.ts";
import { messageOf } from "../openai/error-message.ts";

/** Where an MCP server listens. */
export interface McpAddress {
  url: string;
  headers: Record<string, string>;
}

/** A connected client, and how to leave without a trace. */
export interface McpConnection {
  client: Client;
  /** Ends the session at the server too. Never throws. */
  close(): Promise<void>;
}

/** Origin in the `data` of errors that this file answers in the server's place. */
export const CONNECTION_LOST = "mcp-connection";

/** Largest answer that is read from an MCP server, in bytes. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
/** How long a last notification may keep a closing connection open. */
const LAST_WORD_MS = 1_000;

/**
 * Connects and makes the MCP handshake. No stream for the server's own messages is opened: they would be read by nobody,
 * and on workerd they would hold a connection.
 */
export async function connectMcp(
  platform: Pick<Platform, "fetch" | "logger">,
  address: McpAddress,
  limits: { signal: AbortSignal; timeoutMs: number },
): Promise<McpConnection> {
  const transport = new LastWordTransport(new URL(address.url), {
    fetch: withoutListening(answering(platform.fetch)),
    requestInit: { headers: address.headers },
  });
  // The default validator compiles code from strings, which workerd refuses.
  const client = new Client({ name: "openai-proxy-server", version: "1" }, { jsonSchemaValidator: new CfWorkerJsonSchemaValidator() });
  client.onerror = (error) => {
    // The SDK names every answer that nobody waits for any more, which is the rule for those of `answering`.
    if (!error.message.includes(CONNECTION_LOST)) platform.logger.debug("An MCP connection reports an error", { error: error.message });
  };
  await client.connect(transport, { signal: limits.signal, timeout: limits.timeoutMs });
  const close = async (): Promise<void> => {
    try {
      await transport.lastWord();
      await transport.terminateSession();
    } catch (error) {
      platform.logger.debug("An MCP session could not be ended", { error: String(error) });
    }
    await client.close();
  };
  return { client, close };
}

/** Remembers the last notification under way: closing at once would cut off the very `notifications/cancelled` that led to it. */
class LastWordTransport extends StreamableHTTPClientTransport {
  #lastWord: Promise<void> = Promise.resolve();

  override send(message: JSONRPCMessage | JSONRPCMessage[], options?: Parameters<StreamableHTTPClientTransport["send"]>[1]): Promise<void> {
    const sending = super.send(message, options);
    if (!("id" in message)) this.#lastWord = sending;
    return sending;
  }

  async lastWord(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LAST_WORD_MS);
    });
    await Promise.race([this.#lastWord, patience]).finally(() => clearTimeout(timer));
  }
}

type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** 405 is how a server says that it has no such stream; said here, it costs no round trip. */
function withoutListening(fetch: Fetch): Fetch {
  return async (url, init) => (init?.method === "GET" ? new Response(null, { status: 405 }) : fetch(url, init));
}

/**
 * Makes every stream of a request end with an answer. The SDK waits for its time limit when a server's stream breaks or ends
 * without one; an error answer written in the server's place ends the call at once. After a real answer it is ignored.
 */
function answering(fetch: typeof globalThis.fetch): Fetch {
  return async (url, init) => {
    const response = await fetch(url, init);
    const request = typeof init?.body === "string" ? parseJson(init.body) : undefined;
    if (!isObject(request) || request["id"] === undefined || response.body === null) return response;
    const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") === true;
    const last = (message: string) => {
      const error = { code: -32000, message, data: { origin: CONNECTION_LOST } };
      return isStream ? new TextEncoder().encode(`\n\ndata: ${JSON.stringify({ jsonrpc: "2.0", id: request["id"], error })}\n\n`) : null;
    };
    return new Response(endWith(response.body, last), {
      status: response.status,
      statusText: response.statusText,
      headers: response.headers,
    });
  };
}

/** The same bytes, then what `last` makes of how they ended; a body that is over the limit ends there. */
function endWith(body: ReadableStream<Uint8Array>, last: (reason: string) => Uint8Array | null): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let size = 0;
  const finish = (controller: ReadableStreamDefaultController<Uint8Array>, reason: string, isFailure: boolean) => {
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
    cancel: (reason) => reader.cancel(reason),
  });
}
