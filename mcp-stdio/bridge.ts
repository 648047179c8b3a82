import { Agreement, modernVersion } from "./agreement.ts";
import { isJson, objectAt, parseJson, type Json } from "./json.ts";
import { INTERNAL_ERROR, messagesOf, refusalOf } from "./read-answer.ts";
import { say } from "./say.ts";

const PARSE_ERROR = -32700;
/** How long the proxy may take to list tools that a client calls without having listed them. */
const LIST_LIMIT_MS = 10_000;

/** One client's connection: what it agreed on, and what runs. */
export class Bridge {
  readonly #url: string;
  readonly #key: string;
  readonly #agreement = new Agreement();
  /** What can be cancelled, by the JSON of its id. */
  readonly #running = new Map<string, AbortController>();

  /**
   * @param url the address of `/mcp`
   * @param key a key of the proxy
   */
  constructor(url: string, key: string) {
    this.#url = url;
    this.#key = key;
  }

  /** Hands one line on. Never throws. */
  async take(line: string): Promise<void> {
    if (line.trim() === "") return;
    const message = parseJson(line);
    if (!isJson(message)) {
      const error = { code: PARSE_ERROR, message: "This line is no JSON-RPC message." };
      return this.#tell({ id: null, error });
    }
    const { id, method, params } = message;
    // The router asks nothing, so that there is nothing to be answered.
    if (typeof method !== "string") return;
    if (method === "notifications/cancelled") this.#cancel(params);
    const cancel = new AbortController();
    const name = JSON.stringify(id);
    if (id !== undefined) this.#running.set(name, cancel);
    try {
      if (this.#agreement.lacksTools(method, params)) await this.#listTools(params);
      await this.#exchange(message, this.#agreement.headersOf(method, params), cancel.signal);
    } catch (error) {
      if (!cancel.signal.aborted) this.#fail(id, error);
    } finally {
      if (this.#running.get(name) === cancel) this.#running.delete(name);
    }
  }

  /** The client has gone: what runs for it is of no use any more. */
  end(): void {
    for (const running of this.#running.values()) running.abort();
  }

  #cancel(params: unknown): void {
    const id = isJson(params) ? params["requestId"] : undefined;
    this.#running.get(JSON.stringify(id))?.abort();
  }

  async #exchange(
    message: Json,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<void> {
    const { id, method } = message;
    const response = await this.#post(message, headers, signal);
    if (method === "initialize") this.#agreement.session = response.headers.get("mcp-session-id");
    if (!response.ok) {
      const error = refusalOf(response.status, await response.text());
      say(String(error["message"]));
      if (id !== undefined) this.#tell({ id, error });
      return;
    }
    let isAnswered = id === undefined;
    for await (const text of messagesOf(response)) {
      const received = parseJson(text);
      if (!isJson(received)) throw new Error("its answer is no JSON-RPC");
      if ("result" in received || "error" in received) isAnswered = true;
      this.#agreement.learn(method, received["result"]);
      // A line break in JSON is between its parts, where a space does as well.
      process.stdout.write(`${text.replace(/[\r\n]+/g, " ")}\n`);
    }
    if (!isAnswered) throw new Error("it broke off its answer");
  }

  #post(message: Json, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    return fetch(this.#url, {
      method: "POST",
      headers: {
        authorization: `Bearer ${this.#key}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        "user-agent": "openai-proxy-server-mcp",
        ...headers,
      },
      body: JSON.stringify(message),
      signal,
    });
  }

  /** Clients of stdio know nothing of headers, and may call without having listed. */
  async #listTools(params: unknown): Promise<void> {
    const method = "tools/list";
    const headers = { "mcp-protocol-version": modernVersion(params) ?? "", "mcp-method": method };
    const own = { _meta: objectAt(params, "_meta") };
    const message = { jsonrpc: "2.0", id: 0, method, params: own };
    const response = await this.#post(message, headers, AbortSignal.timeout(LIST_LIMIT_MS));
    for await (const text of messagesOf(response))
      this.#agreement.learn(method, objectAt(parseJson(text), "result"));
  }

  #tell(message: Json): void {
    process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  }

  #fail(id: unknown, error: unknown): void {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `The proxy at ${this.#url} cannot be used: ${reason}.`;
    say(message);
    if (id !== undefined) this.#tell({ id, error: { code: INTERNAL_ERROR, message } });
  }
}
