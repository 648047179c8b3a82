/** The router's transport, byte by byte: what clients without an SDK rely on. */
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { HEADERS, message, modernHeaders, modernMessage, send } from "../helpers/mcp-http.ts";
import { proxy } from "../helpers/proxy.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

let key: string;
beforeAll(async () => {
  ({ key } = await proxy.createKey());
});

const initialize = message("initialize", {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "a test", version: "1" },
});

describe("an /mcp request without a usable key", () => {
  it.each([
    ["no key", {}, { code: "missing_api_key", challenge: 'Bearer realm="openai-proxy-server"' }],
    [
      "an unknown key",
      { authorization: "Bearer sk-proxy-nobody" },
      { code: "invalid_api_key", challenge: /^Bearer .*error="invalid_token"/ },
    ],
    [
      "a password",
      { authorization: "Basic YTpi" },
      { code: "missing_api_key", challenge: /^Bearer / },
    ],
  ])("is refused with a challenge: %s", async (_name, headers, { code, challenge }) => {
    for (const method of ["POST", "GET", "DELETE"]) {
      const answer = await send({
        method,
        headers: { ...HEADERS, ...headers },
        ...(method === "POST" ? { body: initialize } : {}),
      });
      expect(answer.status).toBe(401);
      expect(answer.headers["www-authenticate"]).toMatch(challenge);
      expect(answer.json).toMatchObject({
        jsonrpc: "2.0",
        id: null,
        error: { message: expect.any(String), data: { code } },
      });
    }
  });

  it("is refused as soon as the key is revoked, and not before", async () => {
    const revoked = await proxy.createKey();
    expect((await send({ key: revoked.key, body: message("ping") })).status).toBe(200);
    await proxy.admin(`/api-keys/${revoked.id}`, { method: "DELETE" });
    await expect
      .poll(async () => (await send({ key: revoked.key, body: message("ping") })).status, {
        timeout: 6000,
      })
      .toBe(401);
  });
});

describe("2025-11-25 and older", () => {
  it.each(["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"])(
    "agrees on %s, and names the session",
    async (protocolVersion) => {
      const answer = await send({
        key,
        body: { ...initialize, params: { ...initialize.params, protocolVersion } },
      });
      expect(answer.status).toBe(200);
      expect(answer.headers["content-type"]).toMatch(/^text\/event-stream/);
      expect(answer.headers["mcp-session-id"]).toMatch(/^[\x21-\x7e]{16,}$/);
      expect(answer.headers["x-proxy-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
      expect(answer.json).toMatchObject({
        id: 1,
        result: {
          protocolVersion,
          serverInfo: { name: "openai-proxy-server" },
          capabilities: { tools: {} },
        },
      });
    },
  );

  it("answers a version that nobody knows with the newest of this era", async () => {
    const answer = await send({
      key,
      body: { ...initialize, params: { ...initialize.params, protocolVersion: "1999-01-01" } },
    });
    expect(answer.json.result?.["protocolVersion"]).toBe("2025-11-25");
  });

  it("takes notifications with 202 and no body", async () => {
    const answer = await send({
      key,
      body: { jsonrpc: "2.0", method: "notifications/initialized" },
    });
    expect([answer.status, answer.text]).toEqual([202, ""]);
  });

  it("serves requests with a session, without one, and after another replica named it", async () => {
    for (const session of [{}, { "mcp-session-id": "named-by-another-replica" }]) {
      const answer = await send({
        key,
        headers: { ...HEADERS, ...session, "mcp-protocol-version": "2025-11-25" },
        body: message("tools/list", {}, "x"),
      });
      expect(answer).toMatchObject({
        status: 200,
        json: { id: "x", result: { tools: expect.any(Array) } },
      });
    }
  });

  it("ends a session by DELETE: afterwards it is 404, and another key's session of that name goes on", async () => {
    const session = { "mcp-session-id": crypto.randomUUID() };
    expect((await send({ key, method: "DELETE", headers: session })).status).toBe(204);
    const after = await send({ key, headers: { ...HEADERS, ...session }, body: message("ping") });
    expect(after).toMatchObject({ status: 404, json: { error: { code: -32001 } } });
    const other = await proxy.createKey();
    expect(
      (await send({ key: other.key, headers: { ...HEADERS, ...session }, body: message("ping") }))
        .status,
    ).toBe(200);
  });

  it("does not let one client cancel another's call of the same number", async () => {
    const upstream = await startUpstream(async (request, response) => {
      await new Promise((resolve) => setTimeout(resolve, 400));
      await completion({ content: "still here" })(request, response);
    });
    const owner = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const call = send({
      key: owner.key,
      headers: { ...HEADERS, "mcp-session-id": "one" },
      body: message("tools/call", { name: "chat", arguments: { prompt: "hello" } }, 7),
    });
    await expect.poll(() => upstream.requests.length).toBe(1);
    const cancel = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 7 } };
    for (const [asking, session] of [
      [owner.key, "two"],
      [key, "one"],
    ] as const)
      expect(
        (
          await send({
            key: asking,
            headers: { ...HEADERS, "mcp-session-id": session },
            body: cancel,
          })
        ).status,
      ).toBe(202);
    expect((await call).json.result?.["content"]).toEqual([{ type: "text", text: "still here" }]);
  });

  it("refuses a version header that it does not know", async () => {
    const answer = await send({
      key,
      headers: { ...HEADERS, "mcp-protocol-version": "1999-01-01" },
      body: message("ping"),
    });
    expect(answer.status).toBe(400);
  });

  it("answers a method that there is not by the protocol", async () => {
    expect(await send({ key, body: message("nothing/there") })).toMatchObject({
      status: 200,
      json: { id: 1, error: { code: -32601 } },
    });
  });
});

describe("2026-07-28", () => {
  it("says at once what it serves, without a session", async () => {
    const answer = await send({
      key,
      headers: { ...HEADERS, ...modernHeaders("server/discover") },
      body: modernMessage("server/discover"),
    });
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toMatch(/^application\/json/);
    expect(answer.headers["mcp-session-id"]).toBeUndefined();
    expect(answer.json.result).toMatchObject({
      resultType: "complete",
      supportedVersions: ["2026-07-28"],
      capabilities: { tools: {} },
    });
  });

  it("lists tools in one order, for this key alone", async () => {
    const headers = { ...HEADERS, ...modernHeaders("tools/list") };
    const [first, second] = [
      await send({ key, headers, body: modernMessage("tools/list") }),
      await send({ key, headers, body: modernMessage("tools/list") }),
    ];
    expect(first.json.result).toMatchObject({
      resultType: "complete",
      ttlMs: 5000,
      cacheScope: "private",
    });
    expect(first.json.result?.["tools"]).toEqual(second.json.result?.["tools"]);
  });

  it("streams a call, so that nothing between cuts it off while a model thinks", async () => {
    const upstream = await startUpstream(completion({ content: "Hi." }));
    const owner = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const answer = await send({
      key: owner.key,
      headers: { ...HEADERS, ...modernHeaders("tools/call", "chat") },
      body: modernMessage("tools/call", { name: "chat", arguments: { prompt: "hello" } }),
    });
    expect(answer).toMatchObject({
      status: 200,
      json: { id: 1, result: { resultType: "complete", content: [{ text: "Hi." }] } },
    });
    expect(answer.headers["content-type"]).toMatch(/^text\/event-stream/);
  });

  it.each([
    [
      "another method in the header",
      { method: "tools/list", inHeader: "server/discover" },
      { status: 400, code: -32020 },
    ],
    ["a method that there is not", { method: "nothing/there" }, { status: 404, code: -32601 }],
    ["a method that this era does not have", { method: "ping" }, { status: 404, code: -32601 }],
  ])(
    "refuses %s",
    async (
      _name,
      { method, inHeader = method }: { method: string; inHeader?: string },
      { status, code },
    ) => {
      const answer = await send({
        key,
        headers: { ...HEADERS, ...modernHeaders(inHeader) },
        body: modernMessage(method),
      });
      expect(answer).toMatchObject({ status, json: { id: 1, error: { code } } });
    },
  );

  it("refuses a later version, and says which it serves", async () => {
    const body = modernMessage("tools/list", {
      _meta: { "io.modelcontextprotocol/protocolVersion": "2030-01-01" },
    });
    const answer = await send({
      key,
      headers: { ...HEADERS, ...modernHeaders("tools/list"), "mcp-protocol-version": "2030-01-01" },
      body,
    });
    expect(answer).toMatchObject({
      status: 400,
      json: { error: { code: -32022, data: { supported: ["2026-07-28"] } } },
    });
  });
});

describe("odd requests", () => {
  it.each(["GET", "PUT", "PATCH", "DELETE"])(
    "refuses %s, and says what there is",
    async (method) => {
      const answer = await send({ key, method, headers: { accept: "text/event-stream" } });
      expect(answer).toMatchObject({
        status: 405,
        headers: { allow: "POST, DELETE" },
        json: { jsonrpc: "2.0", id: null },
      });
    },
  );

  it("refuses batches, which no era since 2025-06-18 has", async () => {
    for (const body of [[message("ping", {}, 1), message("ping", {}, 2)], []])
      expect(await send({ key, body })).toMatchObject({
        status: 400,
        json: { error: { code: -32600, message: expect.stringContaining("batch") } },
      });
  });

  it.each([
    ["nothing", ""],
    ["no JSON", "{"],
    ["bytes that are no text", Buffer.from([0xff, 0xfe, 0x00, 0x7b])],
    ["a string", '"hello"'],
    ["null", "null"],
    ["lists in lists", "[".repeat(200)],
  ])("answers %s with a parse error", async (_name, body) => {
    expect(await send({ key, body })).toMatchObject({
      status: 400,
      json: { jsonrpc: "2.0", id: null, error: { code: -32700 } },
    });
  });

  it.each([
    ["no JSON-RPC", { hello: 1 }],
    [
      "an object in an object in an object",
      JSON.parse(`${'{"a":'.repeat(3000)}1${"}".repeat(3000)}`),
    ],
    ["arguments that are no object", message("tools/call", { name: "chat", arguments: [1] })],
    ["a call of nothing", message("tools/call", {})],
  ])("answers %s as an error, and goes on", async (_name, body) => {
    const answer = await send({ key, body });
    expect([200, 400]).toContain(answer.status);
    expect(answer.json.error?.code).toBeLessThanOrEqual(-32600);
    expect((await send({ key, body: message("ping") })).status).toBe(200);
  });

  it("takes a compressed body, and texts with odd characters", async () => {
    const upstream = await startUpstream(completion({ content: '\u0000 \u2028 🙂 "' }));
    const owner = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const body = gzipSync(
      JSON.stringify(
        message("tools/call", { name: "chat", arguments: { prompt: "\u0000 🙂 __proto__" } }),
      ),
    );
    const answer = await send({
      key: owner.key,
      headers: { ...HEADERS, "content-encoding": "gzip" },
      body,
    });
    expect(answer.json.result?.["content"]).toEqual([{ type: "text", text: '\u0000 \u2028 🙂 "' }]);
    expect(upstream.requests[0]?.json()["messages"]).toEqual([
      { role: "user", content: "\u0000 🙂 __proto__" },
    ]);
  });

  it("refuses what is not sent as JSON, and clients that cannot read its answers", async () => {
    expect(
      (await send({ key, headers: { ...HEADERS, "content-type": "text/plain" }, body: initialize }))
        .status,
    ).toBe(415);
    expect(
      (
        await send({
          key,
          headers: { "content-type": "application/json", accept: "text/html" },
          body: initialize,
        })
      ).status,
    ).toBe(406);
  });
});

describe("web pages", () => {
  const ping = { key: "", body: message("ping") };

  it("are refused with 403 where their origin is not this server's, a page that took this server's name among them", async () => {
    const foreign = { ...HEADERS, origin: "https://evil.example.com" };
    expect(await send({ ...ping, key, headers: foreign })).toMatchObject({
      status: 403,
      json: { error: { data: { code: "forbidden_origin" } } },
    });
    expect((await send({ ...ping, key, headers: { ...HEADERS, origin: "null" } })).status).toBe(
      403,
    );
    expect(
      (
        await send({
          ...ping,
          key,
          headers: { ...HEADERS, host: "evil.example.com", origin: "http://evil.example.com" },
        })
      ).status,
    ).toBe(403);
    expect(
      (await send({ ...ping, key, headers: { ...HEADERS, host: "evil.example.com" } })).status,
    ).toBe(403);
  });

  it("of this machine may call, and a browser is told so", async () => {
    const origin = "http://localhost:6274";
    const preflight = await send({
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, mcp-protocol-version",
      },
    });
    expect(preflight).toMatchObject({
      status: 204,
      headers: {
        "access-control-allow-origin": origin,
        "access-control-allow-headers": "authorization, mcp-protocol-version",
      },
    });
    const answer = await send({ ...ping, key, headers: { ...HEADERS, origin } });
    expect(answer).toMatchObject({
      status: 200,
      headers: { "access-control-allow-origin": origin },
    });
    expect(answer.headers["access-control-expose-headers"]).toContain("mcp-session-id");
    const refused = await send({ ...ping, key: "sk-proxy-x", headers: { ...HEADERS, origin } });
    expect(refused).toMatchObject({
      status: 401,
      headers: { "access-control-allow-origin": origin },
    });
  });
});
