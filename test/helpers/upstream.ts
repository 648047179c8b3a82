/** An upstream that a test scripts: over real HTTP, byte by byte where that matters. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** What the upstream was sent. */
interface ReceivedRequest {
  method: string;
  /** Path and query, as they stood in the request line. */
  url: string;
  headers: IncomingMessage["headers"];
  rawHeaders: string[];
  body: Buffer;
  json(): Record<string, unknown>;
  /** Resolves when the proxy broke the exchange off. */
  aborted: Promise<void>;
}

export type Answer = (request: ReceivedRequest, response: ServerResponse) => void | Promise<void>;

export interface ScriptedUpstream {
  /** The `openaiBaseUrl` for a key. */
  url: string;
  requests: ReceivedRequest[];
}

async function received(
  request: IncomingMessage,
  response: ServerResponse,
): Promise<ReceivedRequest> {
  const aborted = new Promise<void>((resolve) =>
    response.once("close", () => (response.writableFinished ? undefined : resolve())),
  );
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const { method = "", url = "", headers, rawHeaders } = request;
  return {
    method,
    url,
    headers,
    rawHeaders,
    body,
    json: () => JSON.parse(body.toString()) as Record<string, unknown>,
    aborted,
  };
}

/** Starts an upstream for this test. Answers are given in turn, the last one for ever. */
export async function startUpstream(...answers: Answer[]): Promise<ScriptedUpstream> {
  const requests: ReceivedRequest[] = [];
  const server = createServer((incoming, response) => {
    const reply = async (request: ReceivedRequest): Promise<void> => {
      requests.push(request);
      const answer = answers[Math.min(requests.length, answers.length) - 1];
      if (answer === undefined) response.writeHead(500).end("the upstream has no script");
      else await answer(request, response);
    };
    // A request that the proxy broke off in its midst is none.
    void received(incoming, response).then(reply, () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, requests };
}

/** A JSON answer. */
export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Answer {
  return (_request, response) =>
    void response
      .writeHead(status, { "content-type": "application/json", ...headers })
      .end(JSON.stringify(body));
}

/** A whole chat completion with this message. */
export function completion(
  message: Record<string, unknown>,
  more: Record<string, unknown> = {},
): Answer {
  return json({
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1_700_000_000,
    model: "gpt-test",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: null, refusal: null, ...message },
        logprobs: null,
        finish_reason: message["tool_calls"] ? "tool_calls" : "stop",
      },
    ],
    usage: {
      prompt_tokens: 10,
      completion_tokens: 5,
      total_tokens: 15,
      prompt_tokens_details: { cached_tokens: 2 },
    },
    ...more,
  });
}

/** One call of a tool, as a message has it. */
export function toolCall(id: string, name: string, args: unknown): Record<string, unknown> {
  return {
    id,
    type: "function",
    function: { name, arguments: typeof args === "string" ? args : JSON.stringify(args) },
  };
}

/** A stream of events, one write each. `[DONE]` follows. */
export function events(...payloads: unknown[]): Answer {
  return async (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const payload of payloads) {
      response.write(`data: ${JSON.stringify(payload)}\n\n`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    response.end("data: [DONE]\n\n");
  };
}

/** A chunk of a streamed chat completion. */
export function chunk(
  delta: Record<string, unknown>,
  finishReason: string | null = null,
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    created: 1_700_000_000,
    model: "gpt-test",
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
    ...more,
  };
}

/** The chunk that carries the usage of a stream. */
export function usageChunk(): Record<string, unknown> {
  return {
    ...chunk({}),
    choices: [],
    usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
  };
}

/** A message as upstream was sent it. */
export interface SentMessage {
  role: string;
  content: string;
  [field: string]: unknown;
}

/** The messages of the upstream's nth request, from 0. */
export function sentMessages(upstream: ScriptedUpstream, index: number): SentMessage[] {
  const request = upstream.requests[index];
  if (request === undefined)
    throw new Error(`The upstream was asked ${upstream.requests.length} times only`);
  return request.json()["messages"] as SentMessage[];
}
