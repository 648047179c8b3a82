/** An upstream that answers before it has read what it was sent, as reverse proxies do. */
import { createServer, type AddressInfo, type Socket } from "node:net";
import { expect, onTestFinished } from "vitest";

const BODY = JSON.stringify({ error: { message: "Too large", type: "x", param: null, code: "y" } });
const TOO_LARGE =
  "HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-type: application/json\r\n" +
  `content-length: ${BODY.length}\r\n\r\n${BODY}`;

/** How a server closes a connection whose request it has not read. */
export const CLOSINGS = {
  "closes it in order": (socket: Socket) => void socket.end(TOO_LARGE),
  "stops to read": (socket: Socket) => {
    socket.pause();
    socket.end(TOO_LARGE);
  },
  "breaks it off": (socket: Socket) => void socket.write(TOO_LARGE, () => socket.resetAndDestroy()),
  "lingers a while": (socket: Socket) => {
    socket.write(TOO_LARGE);
    setTimeout(() => socket.destroySoon(), 20);
  },
};

/** An upstream that answers as soon as it has seen the head of a request. */
export async function hastyUpstream(close: (socket: Socket) => void): Promise<string> {
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

/**
 * Sends a chat body of 4 MB and an upload of 20 MB, a few times.
 * @param url the proxy's
 */
export async function expectEarlyAnswers(url: string, key: string): Promise<void> {
  const send = (path: string, type: string, body: BodyInit) =>
    fetch(url + path, {
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
}
