/** What is on record of requests to all of `/v1`, for keys without tools: figures always. */
import { createHash, randomBytes } from "node:crypto";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { json, startUpstream, type Answer } from "../helpers/upstream.ts";

const JSON_TYPE = { "content-type": "application/json" };
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** Sends one request of a key of its own, and gives what the client and the record have of it. */
async function onRecord(
  path: string,
  answer: Answer,
  init: { body?: string | Uint8Array<ArrayBuffer>; headers?: Record<string, string> },
) {
  const upstream = await startUpstream(answer);
  const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
  const response = await fetch(`${proxy.url}${path}`, {
    method: "POST",
    headers: { ...JSON_TYPE, authorization: `Bearer ${key}`, ...init.headers },
    body: init.body ?? "{}",
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const id = response.headers.get("x-proxy-conversation-id") ?? "";
  const record: Record<string, unknown> = { ...(await proxy.conversation(id)) };
  const [asked] = upstream.requests;
  return { bytes, record, sent: asked?.body, length: asked?.headers["content-length"] };
}

const contentsOf = (record: Record<string, unknown>) =>
  (record["messages"] as { role: string; content: unknown }[]).map(({ role, content }) => [
    role,
    content,
  ]);

const USAGE = {
  input_tokens: 10,
  output_tokens: 5,
  total_tokens: 15,
  input_tokens_details: { cached_tokens: 4 },
};
const FIGURES = { promptTokens: 10, completionTokens: 5, totalTokens: 15, tokensEstimated: false };

const RESPONSE = {
  id: "resp_1",
  object: "response",
  status: "completed",
  model: "gpt-4.1-mini",
  output: [{ type: "message", role: "assistant", content: [{ type: "output_text", text: "Hi." }] }],
  usage: USAGE,
};

const RESPONSE_STREAM = [
  `event: response.created\ndata: ${JSON.stringify({ type: "response.created", response: { ...RESPONSE, output: [], usage: null } })}\n\n`,
  `event: response.completed\ndata: ${JSON.stringify({ type: "response.completed", response: RESPONSE })}\n\n`,
].join("");

/** Encodings, and whether each runtime's fetch hands them on as they are. */
const ENCODERS: Record<string, (bytes: Uint8Array) => Uint8Array> = {
  gzip: gzipSync,
  "x-gzip": gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
};

const send =
  (bytes: Uint8Array, headers: Record<string, string>): Answer =>
  (_request, response) =>
    void response.writeHead(200, headers).end(bytes);

describe("A request to any endpoint", () => {
  it.each(["whole", "streamed"])("of Responses is on record: %s", async (way) => {
    const isStream = way === "streamed";
    const type = isStream ? "text/event-stream" : "application/json";
    const text = isStream ? RESPONSE_STREAM : JSON.stringify(RESPONSE);
    const input = `Hello. ${"word ".repeat(30_000)}`;
    const body = JSON.stringify({ model: "gpt-4.1-mini", input, stream: isStream });
    const { bytes, record } = await onRecord(
      "/v1/responses",
      send(Buffer.from(text), { "content-type": type }),
      { body },
    );
    expect(Buffer.from(bytes).toString()).toBe(text);
    expect(record).toMatchObject({ ...FIGURES, endpoint: "/v1/responses", cachedTokens: 4 });
    expect(contentsOf(record)).toEqual([
      ["user", input],
      ["assistant", RESPONSE.output[0]?.content],
    ]);
    expect(record["cost"]).toBeGreaterThan(0);
  });

  it.each(Object.keys(ENCODERS))("has its figures where it is compressed: %s", async (encoding) => {
    const encode = ENCODERS[encoding] ?? gzipSync;
    const body = JSON.stringify({ model: "gpt-4.1-mini", input: "Hello." });
    const headers = { "content-type": "text/event-stream", "content-encoding": encoding };
    const compressed = encode(Buffer.from(RESPONSE_STREAM));
    const { record } = await onRecord("/v1/responses", send(compressed, headers), {
      body,
      headers: { "accept-encoding": encoding },
    });
    expect(record).toMatchObject(FIGURES);
    expect(record["cost"]).toBeGreaterThan(0);
  });

  it.each([
    ["the OpenAI way", 'data: {"error":{"message":"Busy","code":"overloaded"}}\n\n'],
    ["in an event of that name", 'event: error\ndata: {"message":"Busy","code":"overloaded"}\n\n'],
  ])("failed where upstream says so inside a stream of status 200: %s", async (_way, event) => {
    const sent = Buffer.from(`data: {"choices":[{"delta":{"content":"half"}}]}\n\n${event}`);
    const answer = send(sent, { "content-type": "text/event-stream" });
    const { bytes, record } = await onRecord("/v1/chat/completions", answer, {});
    expect(Buffer.from(bytes).equals(sent)).toBe(true);
    expect(record["status"]).toBe("failed");
    expect(record["turns"]).toMatchObject([
      { status: "failed", httpStatus: 200, error: "Busy", errorCode: "overloaded" },
    ]);
  });

  it("tells in a stream that upstream broke off, and failed", async () => {
    const half = 'data: {"choices":[{"delta":{"content":"half"}}]}\n\n';
    const { bytes, record } = await onRecord(
      "/v1/chat/completions",
      async (_request, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" }).write(half);
        await new Promise((resolve) => setTimeout(resolve, 50));
        response.destroy();
      },
      {},
    );
    const told = Buffer.from(bytes).toString();
    expect(told.startsWith(half)).toBe(true);
    expect(told.slice(half.length)).toContain('"code":"upstream_unreachable"');
    expect(record["status"]).toBe("failed");
  });

  it("of embeddings has its input, and of the vectors a hash and their size", async () => {
    const data = [{ index: 0, embedding: Array.from({ length: 3000 }, (_, place) => place / 7) }];
    const answer = { data, model: "e", usage: { prompt_tokens: 3, total_tokens: 3 } };
    const body = JSON.stringify({ model: "text-embedding-3-small", input: ["one", "two"] });
    const { bytes, record } = await onRecord("/v1/embeddings", json(answer), { body });
    expect(record).toMatchObject({ promptTokens: 3, totalTokens: 3, tokensEstimated: false });
    expect(contentsOf(record)).toHaveLength(1);
    expect(JSON.stringify(record)).toContain(sha256(bytes));
    expect(JSON.stringify(record).length).toBeLessThan(6000);
  });

  it("of embeddings is counted where upstream reports nothing, long as it may be", async () => {
    const body = JSON.stringify({ model: "text-embedding-3-small", input: "word ".repeat(20_000) });
    const answer = json({ data: [], usage: { prompt_tokens: 0, total_tokens: 0 } });
    const { record } = await onRecord("/v1/embeddings", answer, { body });
    expect(record).toMatchObject({ tokensEstimated: true });
    expect(record["promptTokens"]).toBeGreaterThan(19_000);
  });

  it("that uploads has the hash and the size of what crossed", async () => {
    const upload = Uint8Array.from(randomBytes(300_000));
    const type = { "content-type": "multipart/form-data; boundary=x" };
    const { record, sent, length } = await onRecord("/v1/files", json({ id: "file-1" }), {
      body: upload,
      headers: type,
    });
    expect(sent?.equals(upload)).toBe(true);
    expect(length, "upstream is told its length").toBe("300000");
    expect(JSON.stringify(record)).toContain(sha256(upload));
    expect(contentsOf(record)).toEqual([]);
    const small = upload.slice(0, 1000);
    const buffered = await onRecord("/v1/files", json({ id: "file-1" }), {
      body: small,
      headers: type,
    });
    expect(JSON.stringify(buffered.record)).toContain(sha256(small));
  });
});
