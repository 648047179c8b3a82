import { createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { proxy } from "../helpers/proxy.ts";

const BODY = JSON.stringify({ error: { message: "Too large", type: "x", param: null, code: "y" } });
const TOO_LARGE =
  "HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-type: application/json\r\n" +
  `content-length: ${BODY.length}\r\n\r\n${BODY}`;

/** How a server closes a connection whose request it has not read. */
const CLOSINGS: Record<string, (socket: Socket) => void> = {
  "closes it in order": (socket) => void socket.end(TOO_LARGE),
  "stops to read": (socket) => {
    socket.pause();
    socket.end(TOO_LARGE);
  },
  "breaks it off": (socket) => void socket.write(TOO_LARGE, () => socket.resetAndDestroy()),
  "lingers a while": (socket) => {
    socket.write(TOO_LARGE);
    setTimeout(() => socket.destroySoon(), 20);
  },
};

/** An upstream that answers as soon as it has seen the head of a request. */
async function hastyUpstream(close: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("data", () => close(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

const chat = JSON.stringify({
  model: "gpt-test",
  messages: [{ role: "user", content: "x".repeat(4_000_000) }],
});
const upload = new Uint8Array(20_000_000);

describe("an answer that upstream gives before the request has ended", () => {
  it.each(Object.entries(CLOSINGS))("is that answer where upstream %s", async (_name, close) => {
    const { key } = await proxy.createKey({ openaiBaseUrl: await hastyUpstream(close) });
    const send = (path: string, type: string, body: BodyInit) =>
      fetch(proxy.url + path, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": type },
        body,
      });
    for (let attempt = 0; attempt < 5; attempt++) {
      const chatted = await send("/v1/chat/completions", "application/json", chat);
      expect([chatted.status, await chatted.text()]).toEqual([413, BODY]);
      const uploaded = await send("/v1/files", "multipart/form-data; boundary=b", upload);
      expect([uploaded.status, await uploaded.text()]).toEqual([413, BODY]);
    }
  });
});
