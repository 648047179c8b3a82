import { createServer, type AddressInfo, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { createSendUpstream } from "../../src/node/send-upstream.ts";
import type { UpstreamRequest } from "../../src/platform.ts";

const SILENCE = { upstreamFirstByteTimeoutMs: 60_000, upstreamIdleTimeoutMs: 60_000 };
const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const bytes = (size: number) => new Uint8Array(size).fill(120);
const streamed = (size: number) => new Blob([bytes(size)]).stream();

/** What one connection does with its nth request, from 0. */
type Script = (socket: Socket, request: number) => void;

/** An upstream of scripted connections, by the order in which they come; the last one for ever. */
async function upstream(...scripts: Script[]) {
  const connections: number[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const script = scripts[Math.min(connections.length, scripts.length - 1)];
    const index = connections.push(0) - 1;
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("data", (data) => {
      // Each request begins with its method; what follows of its body does not count.
      if (!/^(?:GET|POST) /.test(data.toString("latin1", 0, 5))) return;
      const request = connections[index] ?? 0;
      connections[index] = request + 1;
      script?.(socket, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const transport = createSendUpstream(SILENCE);
  onTestFinished(async () => {
    await transport.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const send = async (body: UpstreamRequest["body"] = null) => {
    const answer = await transport.send({
      method: body === null ? "GET" : "POST",
      url: `http://127.0.0.1:${port}/v1/things`,
      headers: body instanceof Uint8Array ? { "content-length": String(body.length) } : {},
      body,
      signal: new AbortController().signal,
    });
    return `${answer.status} ${await new Response(answer.body).text()}`;
  };
  return { send, connections };
}

/** A request whose connection is free again when this resolves. */
async function sendFirst(send: () => Promise<string>): Promise<void> {
  expect(await send()).toBe("200 ok");
  await new Promise((resolve) => setTimeout(resolve, 20));
}

const answers: Script = (socket) => void socket.write(OK);
/** Answers once, and has gone when the next request comes. */
const goesAfterOne =
  (leave: (socket: Socket) => void): Script =>
  (socket, request) => {
    if (request === 0) socket.write(OK);
    else leave(socket);
  };

const LEAVING: Record<string, (socket: Socket) => void> = {
  "with a reset": (socket) => void socket.resetAndDestroy(),
  "in order": (socket) => void socket.end(),
  "at once": (socket) => void socket.destroy(),
};

describe("a reused connection that upstream had closed", () => {
  it.each(Object.entries(LEAVING))(
    "%s is tried once afresh, where all is at hand",
    async (...row) => {
      const [, leave] = row;
      for (const body of [null, bytes(10), bytes(3_000_000)]) {
        const { send, connections } = await upstream(goesAfterOne(leave), answers);
        await sendFirst(send);
        expect(await send(body)).toBe("200 ok");
        expect(connections).toEqual([2, 1]);
      }
    },
  );

  it.each(Object.entries(LEAVING))(
    "%s is a failure for a body that was a stream",
    async (...row) => {
      const [, leave] = row;
      const { send, connections } = await upstream(goesAfterOne(leave), answers);
      await sendFirst(send);
      await expect(send(streamed(200_000))).rejects.toMatchObject({ reason: "unreachable" });
      expect(connections).toEqual([2]);
    },
  );

  it("is tried once, not twice", async () => {
    const reset: Script = (socket) => void socket.resetAndDestroy();
    const { send, connections } = await upstream(
      goesAfterOne((socket) => void socket.resetAndDestroy()),
      reset,
    );
    await sendFirst(send);
    await expect(send(bytes(10))).rejects.toMatchObject({ reason: "unreachable" });
    expect(connections).toEqual([2, 1]);
  });
});

describe("a connection that fails otherwise", () => {
  it.each(Object.entries(LEAVING))("%s when it was new, is not tried again", async (...row) => {
    const [, leave] = row;
    const { send, connections } = await upstream(leave);
    await expect(send(bytes(10))).rejects.toMatchObject({ reason: "unreachable" });
    expect(connections).toEqual([1]);
  });

  it("is not tried again where the answer had begun, by its first bytes too", async () => {
    for (const begun of ["HTTP/1.1 2", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n"]) {
      const script = goesAfterOne((socket) => void socket.write(begun, () => socket.end()));
      const { send, connections } = await upstream(script, answers);
      await sendFirst(send);
      await expect(send(bytes(10))).rejects.toMatchObject({ reason: "unreachable" });
      expect(connections).toEqual([2]);
    }
  });
});

describe("informational answers that nobody asked for", () => {
  it.each([
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 100 Continue\r\nserver: x\r\ndate: y\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 102 Processing\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
  ])("are passed over: %j", async (informational) => {
    for (const pause of [0, 30]) {
      const { send, connections } = await upstream((socket) => {
        if (pause === 0) return void socket.write(informational + OK);
        socket.write(informational);
        setTimeout(() => socket.write(OK), pause);
      });
      for (const body of [null, bytes(10), streamed(100_000), bytes(2_000_000)])
        expect(await send(body)).toBe("200 ok");
      expect(connections.length).toBeGreaterThan(0);
    }
  });
});
