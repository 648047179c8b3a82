/** WebSocket mode on Node: what frames may be, and how connections end. */
import { connect, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { createApp } from "../../src/app.ts";
import { readConfig } from "../../src/config/read-config.ts";
import { Memory } from "../../src/memory.ts";
import { startServer } from "../../src/node/serve.ts";
import type { ClientSocket } from "../../src/platform.ts";
import { serveSocket } from "../../src/responses-socket/serve-socket.ts";
import { startInProcess, type InProcessProxy } from "../helpers/in-process.ts";
import { here, proxy } from "../helpers/proxy.ts";
import { expectRefusal, rawRequest } from "../helpers/raw-http.ts";
import { message, says } from "../helpers/responses-upstream.ts";
import { SETTINGS } from "../helpers/settings.ts";
import { askSocket, openSocket, type SocketClient } from "../helpers/socket-client.ts";
import { startUpstream, type Answer } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const HELLO = says([message("Hello.")]);

const HANDSHAKE = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** The proxy of these tests, whose database others share. */
function first(): InProcessProxy {
  if (here.inProcess === undefined) throw new Error("There is none");
  return here.inProcess;
}

async function keyFor(...script: Answer[]) {
  const upstream = await startUpstream(...script);
  return { upstream, ...(await proxy.createKey({ openaiBaseUrl: upstream.url })) };
}

/** A server that can be ended, and remembers by itself that it was: others share the process. */
async function ownServer() {
  const { platform } = first();
  const config = readConfig({ ...SETTINGS, HOST: "127.0.0.1", PORT: "0" });
  const server = await startServer({ ...platform, config, memory: new Memory() });
  onTestFinished(() => server.drain(0));
  return server;
}

/** An answer that comes when it is let go. */
function held(): { answer: Answer; go(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const answer: Answer = async (request, response) => {
    await promise;
    await HELLO(request, response);
  };
  return { answer, go: resolve };
}

describe("a server that ends", () => {
  it("lets the response under way end, refuses what waits, and closes", async () => {
    const { answer, go } = held();
    const { key, upstream } = await keyFor(answer);
    const { url, drain } = await ownServer();
    const [idle, busy] = [await openSocket(key, { url }), await openSocket(key, { url })];
    busy.create({ input: "one" });
    busy.create({ input: "two" });
    await expect.poll(() => upstream.requests.length).toBe(1);
    const drained = drain(10_000);
    expect(await idle.closed).toMatchObject({ code: 1001 });
    busy.create({ input: "three", stream_id: "late" });
    expect(await busy.next()).toMatchObject({ error: { code: "shutting_down" }, status: 503 });
    go();
    expect((await busy.answer()).at(-1)).toMatchObject({ type: "response.completed" });
    expect(await busy.next()).toMatchObject({ error: { code: "shutting_down" } });
    expect(await busy.closed).toMatchObject({ code: 1001 });
    await drained;
    expect(upstream.requests).toHaveLength(1);
  });

  it("breaks off what goes on for longer than it may", async () => {
    const { answer } = held();
    const { key, upstream } = await keyFor(answer);
    const { url, drain } = await ownServer();
    const client = await openSocket(key, { url });
    client.create({ input: "one" });
    await expect.poll(() => upstream.requests.length).toBe(1);
    await drain(100);
    expect(await client.closed).toMatchObject({ code: 1006 });
    await upstream.requests[0]?.aborted;
  });
});

/** A connection of which a test is the runtime. */
function fakeSocket() {
  const [sent, closed]: [Json[], [number, string][]] = [[], []];
  const gone = new AbortController();
  let taker: ((message: string | null) => void) | null = null;
  const socket: ClientSocket = {
    gone: gone.signal,
    receive: () =>
      new Promise((resolve) => {
        taker = resolve;
      }),
    send: (text) => void sent.push(JSON.parse(text) as Json),
    close: (code, reason) => {
      closed.push([code, reason]);
      gone.abort();
      taker?.(null);
    },
  };
  const give = (event: Json) => taker?.(JSON.stringify(event));
  return { socket, sent, closed, give };
}

function serveFake(key: string, maxAgeMs: number) {
  const fake = fakeSocket();
  const app = createApp();
  const { platform, url } = first();
  const scope = {
    platform,
    requestId: crypto.randomUUID(),
    clientGone: new AbortController().signal,
    breakOff: null,
    acceptSocket: null,
    ending: new AbortController().signal,
    clientAddress: "127.0.0.1",
    waitUntil: () => undefined,
  };
  const headers = new Headers({ authorization: `Bearer ${key}` });
  const route = `${url}/v1/responses`;
  const parts = { scope, serveInside: app.fetch.bind(app), url: route, headers };
  return { ...fake, served: serveSocket(fake.socket, parts, maxAgeMs) };
}

describe("a connection that is old", () => {
  it("is closed, and its client told so as OpenAI does", async () => {
    const { key } = await keyFor(HELLO);
    const { served, sent, closed } = serveFake(key, 10);
    await served;
    expect(sent).toMatchObject([
      { type: "error", status: 400, error: { code: "websocket_connection_limit_reached" } },
    ]);
    expect(closed).toMatchObject([[1001, expect.stringContaining("60 minutes")]]);
  });

  it("lets the response under way end before that", async () => {
    const { answer, go } = held();
    const { key, upstream } = await keyFor(answer);
    const { served, sent, give } = serveFake(key, 1000);
    give({ type: "response.create", model: "gpt-test", input: "hi" });
    await expect.poll(() => upstream.requests.length).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    go();
    await served;
    expect(sent.map(({ type }) => type).slice(-2)).toEqual(["response.completed", "error"]);
  });
});

/** The proxy with smaller bounds. */
async function smallProxy(): Promise<InProcessProxy> {
  const { platform } = first();
  const env = { ...SETTINGS, HOST: "127.0.0.1", PORT: "0", MAX_BODY_BYTES: "10000" };
  return startInProcess({ database: platform.database, config: readConfig(env) });
}

describe("frames", () => {
  it("may be pieces of a message, with pings between them", async () => {
    const { key } = await keyFor(HELLO);
    const client = await openSocket(key);
    const pong = new Promise((resolve) => client.ws.once("pong", resolve));
    const event = JSON.stringify({ type: "response.create", model: "m", input: "h\u00e9" });
    for (const character of event.slice(0, -1)) client.ws.send(character, { fin: false });
    client.ws.ping();
    client.ws.send("}", { fin: true });
    expect((await client.answer()).at(-1)).toMatchObject({ type: "response.completed" });
    await pong;
  });

  const odd: [string, number, (client: SocketClient) => void][] = [
    ["a text that is no UTF-8", 1007, ({ ws }) => ws.send(Buffer.from([0xff]), { binary: false })],
    ["more than a body may have", 1009, ({ ws }) => ws.send("x".repeat(10_001))],
    [
      "more than a body may have, in pieces",
      1009,
      ({ ws }) => {
        for (let piece = 0; piece < 11; piece++) ws.send("x".repeat(1000), { fin: false });
      },
    ],
    [
      "a message of very many pieces",
      1008,
      ({ ws }) => {
        for (let piece = 0; piece < 20_000; piece++) ws.send("", { fin: false });
      },
    ],
  ];
  it.each(odd)("close the connection: %s (%i)", async (_title, code, act) => {
    const { key } = await keyFor();
    const client = await openSocket(key, { url: (await smallProxy()).url });
    act(client);
    expect(await client.closed).toMatchObject({ code });
  });

  it("that nobody masked close it, too", async () => {
    const { key } = await keyFor();
    const { socket, head } = rawSocket(key);
    const received: Buffer[] = [];
    socket.on("data", (data) => received.push(data));
    socket.write(head);
    await expect.poll(() => Buffer.concat(received).toString()).toContain("101 Switching");
    received.length = 0;
    socket.write(Buffer.from([0x81, 0x02, 0x7b, 0x7d]));
    await new Promise((resolve) => socket.once("end", resolve));
    socket.end();
    // A close frame with 1002, a protocol error.
    expect([...Buffer.concat(received).subarray(0, 4)]).toEqual([0x88, 2, 0x03, 0xea]);
  });
});

it("a client that asks for more than waits gets errors, and its answers", async () => {
  const { answer, go } = held();
  const { key } = await keyFor(answer);
  const client = await openSocket(key);
  for (let asked = 0; asked < 81; asked++) client.create({ input: "hi" });
  expect(await client.next()).toMatchObject({ type: "error", status: 429 });
  go();
  for (let answered = 0; answered < 3; answered++)
    expect((await client.answer()).at(-1)).toMatchObject({ type: "response.completed" });
});

it("more than 16 at a time wait for one of these, whatever their lanes", async () => {
  const { answer, go } = held();
  const { key, upstream } = await keyFor(answer);
  const client = await openSocket(key);
  for (let lane = 0; lane < 20; lane++) client.create({ input: "hi", stream_id: `lane-${lane}` });
  await expect.poll(() => upstream.requests.length).toBe(16);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(upstream.requests).toHaveLength(16);
  go();
  await expect.poll(() => upstream.requests.length).toBe(20);
});

it("a client that ends its half of the connection is gone", async () => {
  const { answer } = held();
  const { key, upstream } = await keyFor(answer);
  const client = await openSocket(key);
  client.create({ input: "hi" });
  await expect.poll(() => upstream.requests.length).toBe(1);
  const { _socket: socket } = client.ws as unknown as { _socket: Socket };
  socket.end();
  await upstream.requests[0]?.aborted;
});

/** A frame as a client has to send it, masked with nothing. */
function textFrame(text: string): Buffer {
  const bytes = Buffer.from(text);
  const head = Buffer.from([0x81, 0x80 | 126, 0, 0, 0, 0, 0, 0]);
  head.writeUInt16BE(bytes.byteLength, 2);
  return Buffer.concat([head, bytes]);
}

/** A connection of bytes. */
function rawSocket(key: string): { socket: Socket; head: string; received(): string } {
  const { hostname, port, host } = new URL(first().url);
  const lines = Object.entries({ ...HANDSHAKE, host, authorization: `Bearer ${key}` });
  const fields = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const socket = connect(Number(port), hostname);
  let text = "";
  socket.on("data", (data) => {
    text += data.toString();
  });
  onTestFinished(() => void socket.destroy());
  return {
    socket,
    head: `GET /v1/responses HTTP/1.1\r\n${fields}\r\n`,
    received: () => text,
  };
}

it("events that come with the handshake are served, and those before its answer", async () => {
  const { key } = await keyFor(HELLO);
  const event = textFrame(JSON.stringify({ type: "response.create", model: "m", input: "hi" }));
  const { socket, head, received } = rawSocket(key);
  socket.write(Buffer.concat([Buffer.from(head), event]));
  socket.write(event);
  await expect.poll(() => received().match(/"type":"response.completed"/g)?.length).toBe(2);
  expect(received()).toMatch(/^HTTP\/1.1 101 /);
});

describe("a handshake", () => {
  it.each([
    ["of another version", { "sec-websocket-version": "8" }],
    ["without a version", { "sec-websocket-version": "" }],
    ["by another method", { method: "DELETE" }],
    ["that is no upgrade of the connection", { connection: "keep-alive" }],
  ])("that cannot be served is a 426 that says what is: %s", async (_title, odd) => {
    const { key } = await keyFor();
    const { method = "GET", ...more }: Record<string, string> = odd;
    const headers = { ...HANDSHAKE, authorization: `Bearer ${key}`, ...more };
    const answer = await rawRequest({ method, target: "/v1/responses", headers });
    expectRefusal(answer, 426, "upgrade_required");
    expect(answer.headers.get("upgrade")).toBe("websocket");
    expect(answer.headers.get("sec-websocket-version")).toBe("13");
  });

  it("has a key of 16 bytes", async () => {
    const { key } = await keyFor();
    const odd = { "sec-websocket-key": "short", authorization: `Bearer ${key}` };
    const answer = await rawRequest({ target: "/v1/responses", headers: { ...HANDSHAKE, ...odd } });
    expect(answer.status, answer.body).toBe(400);
    expect(answer.body).toContain("sec-websocket-key");
  });

  it("may be spelled like any path", async () => {
    const { key } = await keyFor();
    const headers = { ...HANDSHAKE, authorization: `Bearer ${key}`, "sec-websocket-version": "8" };
    for (const target of ["/v1//responses/", "/v1/r%65sponses?x=1"])
      expect((await rawRequest({ target, headers })).status).toBe(426);
    const other = { ...headers, "sec-websocket-version": "13" };
    const answer = await rawRequest({ target: "/v1/x/../responses", headers: other });
    expectRefusal(answer, 400, "bad_request");
  });

  it("leaves nothing behind where its client has gone meanwhile", async () => {
    const { key } = await keyFor(HELLO);
    for (let gone = 0; gone < 5; gone++) {
      const { socket, head } = rawSocket(key);
      socket.write(head, () => socket.resetAndDestroy());
      await new Promise((resolve) => socket.once("close", resolve));
    }
    const { output } = await askSocket(await openSocket(key), { input: "hi" });
    expect(output).toHaveLength(1);
  });
});
