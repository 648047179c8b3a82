import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { json, startUpstream, type Answer } from "../helpers/upstream.ts";

async function plainKey(...answers: Answer[]) {
  const upstream = await startUpstream(...answers);
  const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
  const send = (
    path: string,
    init: Omit<RequestInit, "headers"> & { headers?: Record<string, string> } = {},
  ) =>
    fetch(`${proxy.url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${key}`, ...init.headers },
    });
  return { upstream, key, send };
}

const JSON_TYPE = { "content-type": "application/json" };

describe("a key without tools", () => {
  it("sends a chat completion's bytes as they are, odd spelling included, and gives back the answer's", async () => {
    const sent =
      '{ "model":"gpt-x",  "messages":[{"role":"user","content":"\\u00e9\u{1F600}"}], "temperature":1.0, "seed":12345678901234567890, "unknown":{"b":1,"a":[ ]} }';
    const given =
      '{"id":"chatcmpl-9",  "choices":[{"index":0,"message":{"role":"assistant","content":"hé"},"finish_reason":"stop"}], "extra":1.0}\n';
    const { upstream, send } = await plainKey(
      (_request, response) =>
        void response
          .writeHead(200, {
            ...JSON_TYPE,
            "x-request-id": "req_1",
            "openai-organization": "org-1",
            "x-ratelimit-remaining-requests": "9",
            "set-cookie": "a=b",
          })
          .end(given),
    );
    const response = await send("/v1/chat/completions", {
      method: "POST",
      headers: { ...JSON_TYPE, cookie: "session=1", "x-custom": "kept" },
      body: sent,
    });
    expect(await response.text()).toBe(given);
    expect(upstream.requests[0]?.body.toString()).toBe(sent);
    const headers = upstream.requests[0]?.headers ?? {};
    expect(headers).toMatchObject({
      "x-custom": "kept",
      "content-type": "application/json",
      // The record reads along.
      "accept-encoding": "identity",
    });
    expect(headers["cookie"]).toBeUndefined();
    // The configured credential is for the configured base URL.
    expect(headers["authorization"]).toBeUndefined();
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "x-request-id": "req_1",
      "openai-organization": "org-1",
      "x-ratelimit-remaining-requests": "9",
    });
    expect(response.headers.get("set-cookie")).toBeNull();
    expect(response.headers.get("x-proxy-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    const conversation = await proxy.conversation(
      response.headers.get("x-proxy-conversation-id") ?? "",
    );
    expect(conversation.messages.map(({ role, content }) => ({ role, content }))).toEqual([
      { role: "user", content: "é\u{1F600}" },
      { role: "assistant", content: "hé" },
    ]);
  });

  it("streams a chat completion chunk by chunk, unchanged, and records its text and tokens", async () => {
    const parts = [
      ": hello\r\n\r\n",
      'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"Gr',
      'üß"}}]}\n\n',
      'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}\n\n',
      "data: [DONE]\n\n",
    ];
    const next: (() => void)[] = [];
    const { send } = await plainKey(async (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const part of parts) {
        response.write(part);
        await new Promise<void>((resolve) => next.push(resolve));
      }
      response.end();
    });
    const response = await send("/v1/chat/completions", {
      method: "POST",
      headers: JSON_TYPE,
      body: '{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}',
    });
    const decoder = new TextDecoder();
    let text = "";
    for await (const bytes of response.body ?? []) {
      text += decoder.decode(bytes, { stream: true });
      if (parts.slice(0, next.length).join("").length === text.length) next.at(-1)?.();
    }
    expect(text).toBe(parts.join(""));
    const conversation = await proxy.conversation(
      response.headers.get("x-proxy-conversation-id") ?? "",
    );
    expect(conversation).toMatchObject({ status: "completed", totalTokens: 5 });
    expect(conversation.messages.at(-1)).toMatchObject({ role: "assistant", content: "Grüß" });
  });

  it.each(["GET", "POST", "PUT", "PATCH", "DELETE"])(
    "passes %s with its query and its body",
    async (method) => {
      const { upstream, send } = await plainKey(json({ object: "thing" }, 201));
      const query = "?include[]=a&include[]=b&x=%20%2F&api-version=2025-01-01";
      const response = await send(`/v1/things/th_1/parts${query}`, {
        method,
        ...(method === "GET" ? {} : { headers: JSON_TYPE, body: '{"a":1}' }),
      });
      expect(response.status).toBe(201);
      expect(await response.json()).toEqual({ object: "thing" });
      expect(upstream.requests[0]).toMatchObject({ method, url: `/v1/things/th_1/parts${query}` });
      expect(upstream.requests[0]?.body.toString()).toBe(method === "GET" ? "" : '{"a":1}');
    },
  );

  it("passes HEAD, and a 204 without a body", async () => {
    const { upstream, send } = await plainKey(
      (_request, response) =>
        void response.writeHead(200, { ...JSON_TYPE, "content-length": "17" }).end(),
      (_request, response) => void response.writeHead(204).end(),
      (_request, response) => void response.writeHead(200).end(),
    );
    const head = await send("/v1/models", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    const deleted = await send("/v1/files/file_1", { method: "DELETE" });
    expect([deleted.status, await deleted.text()]).toEqual([204, ""]);
    const empty = await send("/v1/things", { method: "POST", headers: JSON_TYPE, body: "{}" });
    expect([empty.status, await empty.text(), empty.headers.get("content-type")]).toEqual([
      200,
      "",
      null,
    ]);
    expect(upstream.requests.map(({ method }) => method)).toEqual(["HEAD", "DELETE", "POST"]);
  });

  it("passes a multipart upload byte for byte, and a binary answer too", async () => {
    const file = randomBytes(300_000);
    const answer = randomBytes(400_000);
    const { upstream, send } = await plainKey(
      (_request, response) =>
        void response.writeHead(200, { "content-type": "audio/mpeg" }).end(answer),
    );
    const form = new FormData();
    form.set("purpose", "assistants");
    form.set("file", new Blob([file]), "odd name \u00fc.bin");
    const request = new Request("http://x/", { method: "POST", body: form });
    const body = Buffer.from(await request.clone().arrayBuffer());
    const response = await send("/v1/files", {
      method: "POST",
      headers: { "content-type": request.headers.get("content-type") ?? "" },
      body,
    });
    expect(Buffer.from(await response.arrayBuffer()).equals(answer)).toBe(true);
    expect(upstream.requests[0]?.body.equals(body)).toBe(true);
    expect(upstream.requests[0]?.headers["content-type"]).toBe(request.headers.get("content-type"));
  });

  it("gives a compressed answer so that a client reads what upstream wrote", async () => {
    const { send } = await plainKey(
      (_request, response) =>
        void response
          .writeHead(200, { ...JSON_TYPE, "content-encoding": "gzip" })
          .end(gzipSync('{"a":"b"}')),
    );
    expect(await (await send("/v1/models")).json()).toEqual({ a: "b" });
  });

  it("passes an error with its status, its body and its headers", async () => {
    const { send } = await plainKey(
      json({ error: { message: "no", type: "x", param: null, code: "y" } }, 418, {
        "retry-after": "3",
        "x-should-retry": "false",
      }),
    );
    const response = await send("/v1/embeddings", {
      method: "POST",
      headers: JSON_TYPE,
      body: "{}",
    });
    expect(response.status).toBe(418);
    expect(await response.json()).toEqual({
      error: { message: "no", type: "x", param: null, code: "y" },
    });
    expect(response.headers.get("retry-after")).toBe("3");
    expect(response.headers.get("x-should-retry")).toBe("false");
  });

  it("follows no redirect for the client", async () => {
    const { send } = await plainKey(
      (_request, response) => void response.writeHead(302, { location: "/elsewhere" }).end(),
    );
    const response = await send("/v1/files/f/content", { redirect: "manual" });
    expect([response.status, response.headers.get("location")]).toEqual([302, "/elsewhere"]);
  });

  it("gives the first byte of an answer before the last one was sent", async () => {
    const gate = Promise.withResolvers<void>();
    const { send } = await plainKey(async (_request, response) => {
      response.writeHead(200, { ...JSON_TYPE, "content-length": "12" });
      response.write('{"first":');
      await gate.promise;
      response.end("1} ");
    });
    // Not compressed: `wrangler dev` holds a compressed JSON answer back until it is whole.
    // Deployed workerd does not.
    const response = await send("/v1/models", { headers: { "accept-encoding": "identity" } });
    const reader = response.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('{"first":');
    gate.resolve();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("1} ");
  });

  it("answers 502 in OpenAI's shape where upstream cannot be reached", async () => {
    const { key } = await proxy.createKey({ openaiBaseUrl: "http://127.0.0.1:9/v1" });
    const failure = await proxy
      .client(key)
      .models.list()
      .catch((thrown: unknown) => thrown);
    expect(failure).toMatchObject({
      status: 502,
      error: {
        message: expect.any(String),
        type: "server_error",
        param: null,
        code: "upstream_unreachable",
      },
    });
  });

  it("answers a browser's preflight, and lets any origin read the answer", async () => {
    const preflight = await fetch(`${proxy.url}/v1/chat/completions`, {
      method: "OPTIONS",
      headers: {
        origin: "https://app.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-headers")).toContain("authorization");
    const { send } = await plainKey(json({ data: [] }));
    expect(
      (await send("/v1/models", { headers: { origin: "https://app.example" } })).headers.get(
        "access-control-allow-origin",
      ),
    ).toBe("*");
  });
});
