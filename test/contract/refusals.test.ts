import { describe, expect, it } from "vitest";
import { ask } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import { expectRefusal, rawRequest } from "../helpers/raw-http.ts";
import { json, startUpstream } from "../helpers/upstream.ts";

const WEBSOCKET = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  "sec-websocket-protocol": "realtime, openai-insecure-api-key.sk-x",
};

const messageOf = (body: string) =>
  (JSON.parse(body) as { error: { message: string } }).error.message;

describe("a base URL without /v1", () => {
  it.each([
    "POST /chat/completions",
    "POST /responses",
    "GET /models",
    "POST /embeddings",
    "GET /files/file-1/content",
    "POST /openai/deployments/gpt/chat/completions?api-version=1",
    "POST //chat/completions/",
    "POST /api/v1/chat/completions",
  ])("is a 404 that names the right one: %s", async (request) => {
    const [method = "", target = ""] = request.split(" ");
    const answer = await rawRequest({ method, target });
    expectRefusal(answer, 404, "not_found");
    expect(messageOf(answer.body)).toContain(`${proxy.url}/v1`);
  });

  it("names it as the client's side of a proxy in front has it", async () => {
    const headers = { host: "llm.example", "x-forwarded-proto": "https, http" };
    const { body } = await rawRequest({ target: "/models", headers });
    expect(messageOf(body)).toContain("https://llm.example/v1");
  });

  it("is not talked of where the operator's API has no such path", async () => {
    const answer = await proxy.admin("/nothing");
    expect(messageOf(await answer.text())).not.toContain("/v1");
  });
});

describe("a WebSocket", () => {
  it.each([
    ["/v1/realtime?model=gpt-realtime", {}],
    ["/v1//realtime/", {}],
    ["/v1/chat/completions", {}],
    ["/v1/anything", { upgrade: "WebSocket" }],
  ])("at %s is refused with 426, and upstream is not asked", async (target, more) => {
    const upstream = await startUpstream(json({}));
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    for (const authorization of [`Bearer ${key}`, "Bearer sk-proxy-unknown"]) {
      const headers = { ...WEBSOCKET, ...more, authorization };
      expectRefusal(await rawRequest({ target, headers }), 426, "upgrade_required");
    }
    expect(upstream.requests).toEqual([]);
  });

  it("that a client opens fails at once", async () => {
    const socket = new WebSocket(`${proxy.url.replace("http", "ws")}/v1/responses`);
    const events: string[] = [];
    socket.addEventListener("open", () => events.push("open"));
    await new Promise((resolve) => socket.addEventListener("error", resolve, { once: true }));
    expect(events).toEqual([]);
  });

  it("is not what a client that offers HTTP/2 asks for", async () => {
    const upstream = await startUpstream(json({ data: [] }));
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const headers = {
      connection: "Upgrade, HTTP2-Settings",
      upgrade: "h2c",
      "http2-settings": "AAMAAABkAAQAoAAAAAIAAAAA",
      authorization: `Bearer ${key}`,
    };
    expect((await rawRequest({ target: "/v1/models", headers })).status).toBe(200);
    expect(upstream.requests).toHaveLength(1);
  });
});

describe("every refusal", () => {
  const post = (path: string, body: string, headers: Record<string, string> = {}) =>
    fetch(proxy.url + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
    });

  it("names its request, whoever refuses", async () => {
    const { key } = await proxy.createKey({ openaiBaseUrl: "http://127.0.0.1:9/v1" });
    const authorization = `Bearer ${key}`;
    const refusals = await Promise.all([
      post("/v1/chat/completions", "{}"),
      post("/v1/chat/completions", JSON.stringify(ask()), { authorization }),
      post("/v1/files", "{}"),
      post("/chat/completions", "{}"),
      post("/mcp", "{}"),
      post("/api/admin/login", "{}"),
      post("/api/admin/login", '{"password":"wrong"}'),
      post("/api/admin/tools", "{}"),
      post("/api/admin/nothing", "{}"),
      proxy.admin("/api-keys/none"),
      proxy.admin("/api-keys", { json: { name: 1 } }),
    ]);
    for (const refusal of refusals) {
      expect(refusal.ok, refusal.url).toBe(false);
      expect(refusal.headers.get("x-proxy-request-id"), refusal.url).toMatch(/^[0-9a-f-]{36}$/);
      await refusal.text();
    }
  });

  it("of what may be tried again says when", async () => {
    const upstream = await startUpstream(json({ data: [] }));
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url, requestsPerMinute: 1 });
    const { key: unset } = await proxy.createKey({ openaiBaseUrl: "https://api.openai.com/v1" });
    const chat = JSON.stringify(ask());
    const answers = [];
    for (const authorization of [`Bearer ${key}`, `Bearer ${key}`, `Bearer ${unset}`])
      answers.push(await post("/v1/embeddings", chat, { authorization }));
    expect(answers.map(({ status }) => status)).toEqual([200, 429, 503]);
    for (const answer of answers.slice(1)) {
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(answer.headers.get("x-proxy-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    }
  });
});
