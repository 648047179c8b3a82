/** Clients that begin requests and do not go on, beside one that does, slowly. */
import { createServer } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { adminCall, chat, makeDataDirectory } from "../helpers/own-proxy.ts";
import { startNodeProxy, type StartedProcess } from "../helpers/start-target.ts";
import { stormLength } from "../helpers/storm-length.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

const LIMIT_MS = 2000;
/** The limit, and what a busy machine may add to it. */
const ENDED_BY_MS = LIMIT_MS + 15_000;

let proxy: StartedProcess;
let url: string;
beforeAll(async () => {
  proxy = await startNodeProxy({
    DATA_DIR: makeDataDirectory(),
    REQUEST_TIMEOUT_MS: String(LIMIT_MS),
  });
  url = proxy.captured;
});
afterAll(() => proxy.stop("SIGKILL"));

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function ownKey(openaiBaseUrl: string, more: object = {}): Promise<string> {
  const fields = { name: "stalled", openaiBaseUrl, ...more };
  return (await adminCall<{ key: string }>(url, "/api-keys", fields)).key;
}

/** An upstream for uploads. @param waitMs before it reads one */
async function startSink(waitMs: number): Promise<{ url: string; received(): number }> {
  let received = 0;
  const server = createServer((request, response) => {
    received = 0;
    const read = () =>
      request
        .on("data", (data: Buffer) => (received += data.length))
        .on("end", () => response.end('{"object":"file"}'));
    setTimeout(read, waitMs);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/v1`, received: () => received };
}

interface Stalled {
  received: string;
  afterMs: number;
}

/**
 * Opens a connection, says the start of a request, then a byte now and then; until it is closed.
 */
function stall(start: string, byte: string): Promise<Stalled> {
  const { hostname, port } = new URL(url);
  const startedAt = performance.now();
  return new Promise((resolve) => {
    let received = "";
    let trickle: NodeJS.Timeout;
    const socket: Socket = connect(Number(port), hostname, () => {
      socket.write(start);
      if (byte !== "") trickle = setInterval(() => socket.write(byte), 100);
    });
    socket.on("data", (data) => (received += data.toString()));
    // Bytes may be on their way to a connection that was closed.
    socket.on("error", () => undefined);
    socket.once("close", () => {
      clearInterval(trickle);
      resolve({ received, afterMs: performance.now() - startedAt });
    });
  });
}

const headOf = (key: string, path: string, framing: string) =>
  `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json\r\n${framing}\r\n\r\n`;

it("500 stalled requests end by the limit, told why, and hold up nobody", async () => {
  const upstream = await startUpstream(completion({ content: "here" }));
  const key = await ownKey(upstream.url);
  const sink = await startSink(0);
  const uploading = await ownKey(sink.url);
  const path = "/v1/chat/completions";
  const counted = "content-length: 1000000";
  const chunked = "transfer-encoding: chunked";
  const kinds: Record<string, { start: string; byte?: string; isTold: boolean }> = {
    "says nothing": { start: "", isTold: false },
    "stops in its head": { start: `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n`, isTold: true },
    "trickles a head": { start: `POST ${path} HTTP/1.1\r\nx: `, byte: "x", isTold: true },
    "sends no body": { start: headOf(key, path, counted), isTold: true },
    "trickles a body": { start: headOf(key, path, counted), byte: " ", isTold: true },
    "trickles chunks": { start: headOf(key, path, chunked), byte: "1\r\n \r\n", isTold: true },
    "trickles an upload": {
      start: headOf(uploading, "/v1/files", counted),
      byte: " ",
      isTold: true,
    },
    "trickles to the operator's door": {
      start: headOf("none", "/api/admin/login", counted),
      byte: " ",
      isTold: true,
    },
  };
  const each = Math.ceil(stormLength({ ci: 500, soak: 4000 }) / Object.keys(kinds).length);
  const connections = Object.entries(kinds).flatMap(([kind, { start, byte = "", isTold }]) =>
    Array.from({ length: each }, async () => ({ kind, isTold, ...(await stall(start, byte)) })),
  );
  await pause(LIMIT_MS / 2);
  expect((await chat(url, key)).status).toBe(200);
  for (const { kind, isTold, received, afterMs } of await Promise.all(connections)) {
    expect(afterMs, kind).toBeLessThan(ENDED_BY_MS);
    expect(afterMs, kind).toBeGreaterThan(LIMIT_MS * 0.8);
    const hears = received.includes(" 408 ") && received.includes('"request_timeout"');
    expect(hears, `${kind}: ${received}`).toBe(isTold);
  }
  expect((await chat(url, key)).status).toBe(200);
  expect(proxy.output.filter((line) => line.includes('"level":50'))).toEqual([]);
});

it("an upload that goes on passes, however long it takes, and whoever holds it up", async () => {
  // One that does not read for longer than the limit: the client cannot send.
  const sink = await startSink(LIMIT_MS * 2);
  const key = await ownKey(sink.url);
  const upload = (pieces: number, everyMs: number, size: number) =>
    fetch(`${url}/v1/files`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/octet-stream" },
      body: new ReadableStream({
        async pull(controller) {
          if (pieces-- === 0) return controller.close();
          await pause(everyMs);
          controller.enqueue(new Uint8Array(size));
        },
      }),
      duplex: "half",
    } as RequestInit);
  const held = await upload(64, 0, 1024 * 1024);
  expect([held.status, sink.received()]).toEqual([200, 64 * 1024 * 1024]);
  const slow = await upload(50, 100, 8192);
  expect([slow.status, sink.received()]).toEqual([200, 50 * 8192]);
});

it("an answer that streams for longer than the limit is not touched", async () => {
  const upstream = await startUpstream(async (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (let at = 0; at < 8; at += 1) {
      response.write(`data: {"choices":[{"index":0,"delta":{"content":"${at}"}}]}\n\n`);
      await pause(LIMIT_MS / 4);
    }
    response.end("data: [DONE]\n\n");
  });
  const key = await ownKey(upstream.url);
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "m", stream: true, messages: [] }),
  });
  expect(await response.text()).toContain("[DONE]");
});
