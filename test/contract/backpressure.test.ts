/**
 * Who is slow holds up the other end, and the proxy keeps nothing in between. On Node only: workerd
 * kills a producer that waits for a client which has left (see `src/stream/client-stream.ts`).
 */
import { once } from "node:events";
import { createServer, request as ask, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Readable, type Writable } from "node:stream";
import { describe, expect, it, onTestFinished } from "vitest";
import { keyWithAdd } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import { openSocket } from "../helpers/socket-client.ts";
import { chunk, startUpstream, toolCall, usageChunk, type Answer } from "../helpers/upstream.ts";

const MB = 1024 * 1024;
/** Less than the 64 MB that a tool turn's answer may have. */
const ALL = 60 * MB;
/**
 * What sockets of the system and the proxy's own buffers may hold together. Linux lets the receive
 * buffer of a socket that is read fast grow up to `net.ipv4.tcp_rmem`, 33 MB, and a send buffer up
 * to 4 MB; on a busy machine it does.
 */
const BETWEEN = 52 * MB;

/** So much is written at a time, a moment apart. */
const AT_A_TIME = 256 * 1024;

/** A piece again and again, not as fast as can be, so that the system's buffers stay small. */
async function* pieces(piece: Buffer): AsyncGenerator<Buffer> {
  for (let [sent, since] = [0, 0]; sent < ALL; sent += piece.byteLength) {
    yield piece;
    since += piece.byteLength;
    if (since < AT_A_TIME) continue;
    since = 0;
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
}

/** Writes a piece again and again, as it is taken, until all is written. */
function writeAll(to: Writable, piece: Buffer, end: string): void {
  const source = Readable.from(pieces(piece)).once("end", () => to.end(end));
  source.pipe(to, { end: false });
}

/** Resolves to the bytes that a socket has sent, when they have not grown for a second. */
async function stalledAt(socket: () => Socket | null | undefined): Promise<number> {
  for (let [before, quiet] = [-1, 0]; ;) {
    // A response that has ended gives its socket up.
    const sent = socket()?.bytesWritten ?? before;
    quiet = sent > 0 && sent === before ? quiet + 1 : 0;
    before = sent;
    if (quiet === 10) return sent;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Sends a request whose answer is not read before it is told to be. */
async function answerTo(path: string, key: string, body: unknown): Promise<IncomingMessage> {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const request = ask(`${proxy.url}${path}`, { method: "POST", headers });
  request.end(JSON.stringify(body));
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return response;
}

async function lengthOf(message: IncomingMessage): Promise<number> {
  let length = 0;
  for await (const bytes of message) length += (bytes as Buffer).byteLength;
  return length;
}

const eventOf = (payload: unknown) => `data: ${JSON.stringify(payload)}\n\n`;
/** With its usage: so much text would take long to count. */
const LAST = `${eventOf(chunk({}, "stop"))}${eventOf(usageChunk())}data: [DONE]\n\n`;

describe("a client that does not read a big answer", () => {
  const word = eventOf(chunk({ content: "word ".repeat(4000) }));
  const answers = [
    { title: "a file", path: "/v1/files/f/content", type: "application/octet-stream", round: 1 },
    { title: "a stream", path: "/v1/chat/completions", type: "text/event-stream", round: 1 },
    { title: "a tool turn", path: "/v1/chat/completions", type: "text/event-stream", round: 2 },
  ];

  it.each(answers)("holds up upstream, which it gets $title from", async (answer) => {
    const sending: { to?: ServerResponse } = {};
    const isEvents = answer.type === "text/event-stream";
    const big: Answer = (_request, response) => {
      sending.to = response.writeHead(200, { "content-type": answer.type });
      const piece = isEvents ? Buffer.from(word) : Buffer.alloc(64 * 1024);
      writeAll(response, piece, isEvents ? LAST : "");
    };
    const calling =
      (name: string): Answer =>
      (_request, response) => {
        const call = { index: 0, ...toolCall("c1", name, { a: 1, b: 2 }) };
        const events = [chunk({ role: "assistant", tool_calls: [call] }), chunk({}, "tool_calls")];
        response.writeHead(200, { "content-type": answer.type });
        response.end(`${events.map(eventOf).join("")}data: [DONE]\n\n`);
      };
    const key =
      answer.round === 2
        ? (await keyWithAdd((name) => [calling(name), big])).key
        : (await proxy.createKey({ openaiBaseUrl: (await startUpstream(big)).url })).key;
    const messages = [{ role: "user", content: "go" }];
    const response = await answerTo(answer.path, key, { model: "gpt-4o", stream: true, messages });
    expect(response.statusCode).toBe(200);
    expect(await stalledAt(() => sending.to?.socket)).toBeLessThan(BETWEEN);
    expect(await lengthOf(response)).toBeGreaterThanOrEqual(ALL);
  });
});

it("a connection that is not read holds up upstream, too", async () => {
  const sending: { to?: ServerResponse } = {};
  const delta = { type: "response.output_text.delta", delta: "word ".repeat(4000) };
  const { key } = await proxy.createKey({
    openaiBaseUrl: (
      await startUpstream((_request, response) => {
        sending.to = response.writeHead(200, { "content-type": "text/event-stream" });
        const last = eventOf({ type: "response.completed", response: { id: "resp_1" } });
        writeAll(response, Buffer.from(eventOf(delta)), last);
      })
    ).url,
  });
  const client = await openSocket(key);
  let length = 0;
  client.ws.on("message", (data: Buffer) => {
    length += data.byteLength;
  });
  client.ws.pause();
  client.create({ input: "go" });
  expect(await stalledAt(() => sending.to?.socket)).toBeLessThan(BETWEEN);
  client.ws.resume();
  await client.answer();
  expect(length).toBeGreaterThanOrEqual(ALL * 0.9);
});

describe("an upstream that does not read a big upload", () => {
  it("holds up the client, and gets all of it in the end", async () => {
    const arrived = Promise.withResolvers<[IncomingMessage, ServerResponse]>();
    const server = createServer((request, response) => arrived.resolve([request, response]));
    await once(server.listen(0, "127.0.0.1"), "listening");
    onTestFinished(() => void server.close());
    const openaiBaseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    const { key } = await proxy.createKey({ openaiBaseUrl });
    const headers = { authorization: `Bearer ${key}`, "content-type": "audio/wav" };
    const upload = ask(`${proxy.url}/v1/files`, { method: "POST", headers });
    writeAll(upload, Buffer.alloc(64 * 1024), "");
    expect(await stalledAt(() => upload.socket)).toBeLessThan(BETWEEN);
    const [request, response] = await arrived.promise;
    const length = lengthOf(request);
    expect(await length).toBe(ALL);
    response.end("{}");
    const [answer] = (await once(upload, "response")) as [IncomingMessage];
    expect([answer.statusCode, await lengthOf(answer)]).toEqual([200, 2]);
  });
});
