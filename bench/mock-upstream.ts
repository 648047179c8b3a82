/**
 * An upstream that costs as little as possible, as a process of its own: `node
 * bench/mock-upstream.ts` prints its URL. It has just enough of OpenAI for a measurement: chat
 * completions whole and streamed, and embeddings.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { stopWithParent } from "./start-program.ts";

/** Content chunks of a stream where the request's `max_tokens` does not say another number. */
const DEFAULT_CHUNKS = 20;

interface ChatRequest {
  stream?: boolean;
  max_tokens?: number;
}

const USAGE = {
  prompt_tokens: 350,
  completion_tokens: 180,
  total_tokens: 530,
  prompt_tokens_details: { cached_tokens: 0 },
};

/** Some 1 KB, as an answer of a few sentences is. */
const COMPLETION = Buffer.from(
  JSON.stringify({
    id: "chatcmpl-BenchBenchBenchBenchBenchBench",
    object: "chat.completion",
    created: 1_700_000_000,
    model: "gpt-4.1-mini-2025-04-14",
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: "The quick brown fox jumps over the lazy dog. ".repeat(13),
          refusal: null,
          annotations: [],
        },
        logprobs: null,
        finish_reason: "stop",
      },
    ],
    usage: USAGE,
    service_tier: "default",
    system_fingerprint: "fp_bench",
  }),
);

const EMBEDDING = Buffer.from(
  JSON.stringify({
    object: "list",
    data: [
      {
        object: "embedding",
        index: 0,
        embedding: Array.from({ length: 48 }, (_, index) => Math.sin(index) / 10),
      },
    ],
    model: "text-embedding-3-small",
    usage: { prompt_tokens: 350, total_tokens: 350 },
  }),
);

const HEAD = {
  id: "chatcmpl-Bench",
  object: "chat.completion.chunk",
  created: 1_700_000_000,
  model: "gpt-4.1-mini-2025-04-14",
};

/**
 * Microseconds on a clock that all processes of a machine share, so that the reader can tell how
 * long a chunk was on its way.
 */
function sharedClock(): string {
  return String(process.hrtime.bigint() / 1000n);
}

const CHUNK_START = `data: ${JSON.stringify({ ...HEAD, choices: [{ index: 0, delta: { content: " seven" }, logprobs: null, finish_reason: null }] }).slice(0, -1)},"sent_us":`;
const STREAM_END = [
  { ...HEAD, choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: "stop" }] },
  { ...HEAD, choices: [], usage: USAGE },
]
  .map((event) => `data: ${JSON.stringify(event)}\n\n`)
  .join("");

/**
 * Streams that are open, and how many chunks each still has to send. One timer serves all: one
 * chunk per stream and millisecond.
 */
const open = new Map<ServerResponse, number>();
let ticker: NodeJS.Timeout | null = null;

function sendChunk(response: ServerResponse, left: number): void {
  response.write(`${CHUNK_START}${sharedClock()}}\n\n`);
  if (left > 1) {
    open.set(response, left - 1);
    return;
  }
  open.delete(response);
  response.end(`${STREAM_END}data: [DONE]\n\n`);
}

function tick(): void {
  for (const [response, left] of open) sendChunk(response, left);
  if (open.size > 0 || ticker === null) return;
  clearInterval(ticker);
  ticker = null;
}

/** The first chunk goes out at once: the time to it is the proxy's own. */
function answerStreamed(response: ServerResponse, chunks: number): void {
  response.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "x-request-id": "req_bench",
  });
  response.once("close", () => open.delete(response));
  ticker ??= setInterval(tick, 1);
  sendChunk(response, chunks);
}

function answerWhole(response: ServerResponse, body: Buffer): void {
  response
    .writeHead(200, {
      "content-type": "application/json",
      "content-length": body.byteLength,
      "x-request-id": "req_bench",
      "openai-version": "2020-10-01",
    })
    .end(body);
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => {
    if (request.method === "POST" && request.url === "/v1/embeddings")
      return answerWhole(response, EMBEDDING);
    if (request.method !== "POST" || request.url !== "/v1/chat/completions")
      return void response.writeHead(404).end();
    const chat = JSON.parse(Buffer.concat(parts).toString()) as ChatRequest;
    if (chat.stream === true) answerStreamed(response, chat.max_tokens ?? DEFAULT_CHUNKS);
    else answerWhole(response, COMPLETION);
  });
}

const server = createServer({ keepAliveTimeout: 0 }, answer).listen(0, "127.0.0.1", () => {
  console.log(`Listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
stopWithParent();
