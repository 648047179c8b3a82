/** What upstream can say beside its answer never becomes the proxy's own word. */
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { chunk, completion, startUpstream, type Answer } from "../helpers/upstream.ts";

const OURS = {
  "x-proxy-request-id": "evil",
  "x-proxy-conversation-id": "evil",
  "x-proxy-anything": "evil",
  "X-Proxy-Spelled": "evil",
  "clear-site-data": '"evil"',
  "set-cookie": "openai_proxy_session=evil",
  "access-control-allow-origin": "https://evil.example",
  "strict-transport-security": "max-age=1; evil",
};
const CHAT = JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }] });

/** The end of a message in chunks: the last one, and what trailers there are. */
const LAST_CHUNK = /\r\n0\r\n(?:[^\r\n]+\r\n)*\r\n/;
/** What might come behind it comes at once. */
const BEHIND_MS = 200;

/** Whether all of a message is there. */
function isWhole(text: string): boolean {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd === -1) return false;
  const length = /^content-length: (\d+)/im.exec(text.slice(0, headEnd))?.[1];
  return length === undefined ? LAST_CHUNK.test(text) : text.length >= headEnd + 4 + Number(length);
}

/**
 * All that a connection gets, byte for byte. workerd leaves one open for 5 s whose answer is all
 * there.
 */
function everythingOf(key: string, path: string, body: string): Promise<string> {
  const { hostname, port } = new URL(proxy.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let text = "";
    socket.setEncoding("latin1");
    socket.on("data", (data: string) => {
      text += data;
      if (isWhole(text)) setTimeout(() => socket.destroy(), BEHIND_MS);
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(text));
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${key}\r\n` +
        "te: trailers\r\nconnection: close, te\r\ncontent-type: application/json\r\n" +
        `content-length: ${body.length}\r\n\r\n${body}`,
    );
  });
}

/** In front of an answer, in its head and behind it. */
const everywhere =
  (body: string, contentType: string): Answer =>
  (_request, response) => {
    // workerd takes 103 for the end of the connection: its answer is a 502 (seen 2026-11).
    if (proxy.target !== "workerd")
      response.writeEarlyHints({ link: "</evil.css>; rel=preload; as=style", ...OURS });
    response.writeHead(200, {
      "content-type": contentType,
      trailer: Object.keys(OURS).join(", "),
      ...OURS,
    });
    response.write(body);
    response.addTrailers(OURS);
    response.end();
  };

const WHOLE = JSON.stringify({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "fine" }, finish_reason: "stop" }],
});
const STREAMED = `data: ${JSON.stringify(chunk({ content: "fine" }, "stop"))}\n\ndata: [DONE]\n\n`;

describe("headers of the proxy's own, and those that a browser keeps", () => {
  it.each([
    ["a whole answer", "/v1/chat/completions", WHOLE, "application/json", false],
    ["a stream", "/v1/chat/completions", STREAMED, "text/event-stream", false],
    ["an answer of some other kind", "/v1/whatever", "fine", "text/plain", false],
    ["a whole answer of a key with tools", "/v1/chat/completions", WHOLE, "application/json", true],
    ["a stream of a key with tools", "/v1/chat/completions", STREAMED, "text/event-stream", true],
  ])("do not come from upstream with %s", async (_what, path, body, contentType, hasTools) => {
    const upstream = await startUpstream(everywhere(body, contentType));
    const tool = { name: "one", type: "function", implementation: "return 1;" };
    const toolIds = hasTools ? [(await proxy.createTool(tool)).id] : [];
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url, toolIds });
    const asked = contentType === "text/event-stream" ? CHAT.replace("{", '{"stream":true,') : CHAT;
    const text = await everythingOf(key, path, asked);
    expect(text).toContain("fine");
    expect(text.match(/^HTTP\/1\.1 \d+/gm)).toEqual(["HTTP/1.1 200"]);
    expect(text).not.toContain("evil");
    expect(text).toMatch(/^x-proxy-request-id: [0-9a-f-]{36}\r$/im);
  });

  it("do not come with a refusal of upstream", async () => {
    const upstream = await startUpstream(
      (_request, response) => {
        for (const [name, value] of Object.entries(OURS)) response.setHeader(name, value);
        response.statusCode = 400;
        response.end('{"error":{"message":"no"}}');
      },
      completion({ content: "unused" }),
    );
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const text = await everythingOf(key, "/v1/chat/completions", CHAT);
    expect(text).toContain("HTTP/1.1 400");
    expect(text).not.toContain("evil");
  });
});
