#!/usr/bin/env node
/**
 * The MCP OpenAI Router for clients that start their servers: hands each line of stdin to `/mcp` of
 * a proxy that runs, and each answer to stdout. Nothing but JSON-RPC is written there; whatever
 * else is to be said goes to stderr.
 *
 *     OPENAI_PROXY_URL=http://127.0.0.1:3000 OPENAI_PROXY_KEY=sk-proxy-… node scripts/mcp-stdio.ts
 */
import { createParser } from "eventsource-parser";

type Json = Record<string, unknown>;

/**
 * A place in a call's arguments, and the header that repeats what stands there (`x-mcp-header` of
 * 2026-07-28).
 */
interface RepeatedArgument {
  path: string[];
  header: string;
}

const MODERN_VERSION = "io.modelcontextprotocol/protocolVersion";
const [PARSE_ERROR, INTERNAL_ERROR] = [-32700, -32603];

const isJson = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const objectAt = (value: unknown, name: string): Json =>
  isJson(value) && isJson(value[name]) ? value[name] : {};
const say = (text: string): void => void process.stderr.write(`openai-proxy-server mcp: ${text}\n`);

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Header values are ASCII; anything else is spelled in base64, as the specification has it. */
function headerText(value: string): string {
  const isPlain =
    /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !value.startsWith("=?base64?");
  return isPlain ? value : `=?base64?${Buffer.from(value).toString("base64")}?=`;
}

function repeatedArguments(schema: unknown, path: string[] = []): RepeatedArgument[] {
  return Object.entries(objectAt(schema, "properties")).flatMap(([name, child]) => {
    const header = isJson(child) ? child["x-mcp-header"] : undefined;
    const here = [...path, name];
    return [
      ...(typeof header === "string" ? [{ path: here, header }] : []),
      ...repeatedArguments(child, here),
    ];
  });
}

/** What the proxy says of a refusal, whichever shape its body has. */
function refusalOf(status: number, text: string): Json {
  const body = parse(text);
  const error = objectAt(body, "error");
  if (typeof error["message"] !== "string")
    return { code: INTERNAL_ERROR, message: `The proxy answered with status ${status}.` };
  return { ...error, code: typeof error["code"] === "number" ? error["code"] : INTERNAL_ERROR };
}

/** One client's connection: what it agreed on, and what runs. */
class Bridge {
  readonly #url: string;
  readonly #key: string;
  readonly #running = new Map<string, AbortController>();
  readonly #repeated = new Map<string, RepeatedArgument[]>();
  #session: string | null = null;
  #agreedVersion: string | null = null;
  #knowsTools = false;

  constructor(url: string, key: string) {
    this.#url = url;
    this.#key = key;
  }

  /** Hands one line on. Never throws. */
  async take(line: string): Promise<void> {
    if (line.trim() === "") return;
    const message = parse(line);
    if (!isJson(message))
      return this.#tell({
        id: null,
        error: { code: PARSE_ERROR, message: "This line is no JSON-RPC message." },
      });
    const { id, method, params } = message;
    // The router asks nothing, so that there is nothing to be answered.
    if (typeof method !== "string") return;
    if (method === "notifications/cancelled")
      this.#running.get(JSON.stringify(objectAt(message, "params")["requestId"]))?.abort();
    const cancel = new AbortController();
    const name = JSON.stringify(id);
    if (id !== undefined) this.#running.set(name, cancel);
    try {
      await this.#exchange(message, await this.#headersOf(method, params), cancel.signal);
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

  async #exchange(
    message: Json,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<void> {
    const { id, method } = message;
    const response = await this.#post(message, headers, signal);
    if (method === "initialize") this.#session = response.headers.get("mcp-session-id");
    if (!response.ok) {
      const error = refusalOf(response.status, await response.text());
      say(String(error["message"]));
      if (id !== undefined) this.#tell({ id, error });
      return;
    }
    let isAnswered = id === undefined;
    for await (const payload of payloadsOf(response)) {
      const received = parse(payload);
      if (!isJson(received)) throw new Error("its answer is no JSON-RPC");
      if ("result" in received || "error" in received) isAnswered = true;
      this.#learn(method, received["result"]);
      // A line break in JSON is between its parts, where a space does as well.
      process.stdout.write(`${payload.replace(/[\r\n]+/g, " ")}\n`);
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

  /** What the transport wants to have in headers, by the era of the message. */
  async #headersOf(method: string, params: unknown): Promise<Record<string, string>> {
    const meta = objectAt(params, "_meta");
    const version = meta[MODERN_VERSION];
    if (typeof version !== "string") {
      return {
        ...(this.#session === null ? {} : { "mcp-session-id": this.#session }),
        ...(this.#agreedVersion === null || method === "initialize"
          ? {}
          : { "mcp-protocol-version": this.#agreedVersion }),
      };
    }
    const name = isJson(params) ? params["name"] : undefined;
    const headers = { "mcp-protocol-version": version, "mcp-method": method };
    if (method !== "tools/call" || typeof name !== "string") return headers;
    if (!this.#knowsTools) await this.#askTools(meta, version);
    return {
      ...headers,
      "mcp-name": headerText(name),
      ...this.#argumentHeaders(name, objectAt(params, "arguments")),
    };
  }

  #argumentHeaders(tool: string, args: Json): Record<string, string> {
    const found = (this.#repeated.get(tool) ?? []).map(({ path, header }) => {
      const value = path.reduce<unknown>(
        (inner, name) => (isJson(inner) ? inner[name] : undefined),
        args,
      );
      return [header, value] as const;
    });
    return Object.fromEntries(
      found
        .filter(([, value]) => ["string", "number", "boolean"].includes(typeof value))
        .map(([header, value]) => [`mcp-param-${header}`, headerText(String(value))]),
    );
  }

  /** Clients of stdio know nothing of headers, and may call without having listed. */
  async #askTools(meta: Json, version: string): Promise<void> {
    const headers = { "mcp-protocol-version": version, "mcp-method": "tools/list" };
    const message = { jsonrpc: "2.0", id: 0, method: "tools/list", params: { _meta: meta } };
    const response = await this.#post(message, headers, AbortSignal.timeout(10_000));
    for await (const payload of payloadsOf(response))
      this.#learn("tools/list", objectAt(parse(payload), "result"));
  }

  #learn(method: unknown, result: unknown): void {
    if (!isJson(result)) return;
    if (method === "initialize" && typeof result["protocolVersion"] === "string")
      this.#agreedVersion = result["protocolVersion"];
    if (method !== "tools/list" || !Array.isArray(result["tools"])) return;
    this.#knowsTools = true;
    for (const tool of result["tools"].filter(isJson))
      this.#repeated.set(String(tool["name"]), repeatedArguments(tool["inputSchema"]));
  }

  #tell(message: Json): void {
    process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  }

  #fail(id: unknown, error: unknown): void {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const message = `The proxy at ${this.#url} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}.`;
    say(message);
    if (id !== undefined) this.#tell({ id, error: { code: INTERNAL_ERROR, message } });
  }
}

/** The messages of an answer, streamed or whole. */
async function* payloadsOf(response: Response): AsyncGenerator<string> {
  const type = response.headers.get("content-type") ?? "";
  if (!type.startsWith("text/event-stream")) {
    const text = await response.text();
    if (text !== "") yield text;
    return;
  }
  const found: string[] = [];
  const parser = createParser({ onEvent: ({ data }) => found.push(data) });
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    parser.feed(decoder.decode(bytes, { stream: true }));
    yield* found.splice(0).filter((data) => data !== "");
  }
}

/**
 * Lines end at a line feed alone: `readline` would also cut at characters that may stand in JSON
 * texts.
 */
async function* linesOf(input: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of input) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  yield rest;
}

/** The address of `/mcp`, whether `OPENAI_PROXY_URL` names the proxy, its `/v1` or its `/mcp`. */
function mcpUrl(text: string): string | null {
  if (!URL.canParse(text) || !/^https?:/.test(text)) return null;
  return `${text.replace(/\/+$/, "").replace(/\/(?:v1|mcp)$/, "")}/mcp`;
}

async function main(): Promise<number> {
  const [command = "mcp", ...others] = process.argv.slice(2);
  const { OPENAI_PROXY_URL = "http://127.0.0.1:3000", OPENAI_PROXY_KEY = "" } = process.env;
  const url = mcpUrl(OPENAI_PROXY_URL);
  const fault =
    command !== "mcp" || others.length > 0
      ? "the one command is mcp, without arguments"
      : url === null
        ? `OPENAI_PROXY_URL is "${OPENAI_PROXY_URL}", which is no http:// or https:// URL`
        : OPENAI_PROXY_KEY === ""
          ? "set OPENAI_PROXY_KEY to a key of the proxy (it starts with sk-proxy-)"
          : null;
  if (fault !== null || url === null) {
    say(fault ?? "");
    return 2;
  }
  const bridge = new Bridge(url, OPENAI_PROXY_KEY);
  process.stdout.on("error", () => process.exit(0));
  for await (const line of linesOf(process.stdin)) void bridge.take(line);
  bridge.end();
  return 0;
}

process.exit(await main());
