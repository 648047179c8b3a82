import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { ask, keyWithAdd } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import { expectRefusal, rawRequest } from "../helpers/raw-http.ts";
import { completion, json, sentMessages, startUpstream, toolCall } from "../helpers/upstream.ts";

async function passingKey() {
  const upstream = await startUpstream(json({ object: "thing" }));
  const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
  return { upstream, headers: { authorization: `Bearer ${key}` } };
}

const JSON_TYPE = { "content-type": "application/json" };
const CHAT = JSON.stringify(ask());

describe("a path", () => {
  it.each([
    "/v1/chat/completions/",
    "/v1/chat/completions//",
    "//v1/chat/completions",
    "/v1//chat///completions",
    "/v1/chat%2Fcompletions",
    "/v1%2fchat%2Fcompletions%2F",
    "/v%31/ch%61t/%63ompletions",
    "/%76%31/chat/completions?",
    "/v1/chat/completions#fragment",
  ])("has the rules of its plain form: %s runs the key's tools", async (target) => {
    const { key, upstream } = await keyWithAdd((name) => [
      completion({ tool_calls: [toolCall("call_1", name, { a: 2, b: 3 })] }),
      completion({ content: "5" }),
    ]);
    const headers = { authorization: `Bearer ${key}`, ...JSON_TYPE };
    const answer = await rawRequest({ method: "POST", target, headers, body: CHAT });
    expect(answer.status, answer.body).toBe(200);
    expect(upstream.requests.map(({ url }) => url.replace(/\?$/, ""))).toEqual([
      "/v1/chat/completions",
      "/v1/chat/completions",
    ]);
    expect(sentMessages(upstream, 1).at(-1)).toMatchObject({ role: "tool", content: "5" });
    const conversation = answer.headers.get("x-proxy-conversation-id") ?? "";
    expect(await proxy.conversation(conversation)).toMatchObject({ toolExecutionCount: 1 });
  });

  it.each([
    ["/v1/files/a%20b", "/v1/files/a%20b"],
    ["/v1/files/a%2fb/", "/v1/files/a/b"],
    ["/v1/files/%c3%a9%3f%23", "/v1/files/%C3%A9%3F%23"],
    ["/v1/files/a%252Fb", "/v1/files/a%252Fb"],
    ["/v1/files/100%", "/v1/files/100%25"],
    ["/v1/files/%%32e%32e/x", "/v1/files/%252e2e/x"],
    ["/v1/files/.../.a/b..", "/v1/files/.../.a/b.."],
    ["/v1/models/ft:gpt@1;x=(2),'!$&+*~", "/v1/models/ft:gpt@1;x=(2),'!$&+*~"],
    ["/v1/", "/v1"],
  ])("is asked of upstream in one form: %s", async (target, asked) => {
    const { upstream, headers } = await passingKey();
    const answer = await rawRequest({ target, headers });
    expect(answer.status, answer.body).toBe(200);
    expect(upstream.requests.map(({ url }) => url)).toEqual([asked]);
  });

  it.each(["?include[]=a&x=%20%2F%2f&y=%41/../b//c\\d", "?q='a'%20&z=%c3", "?", "??a=b?c"])(
    "keeps the query %s as it is spelled",
    async (query) => {
      const { upstream, headers } = await passingKey();
      for (const path of ["/v1/files", "/v1//files/"])
        expect((await rawRequest({ target: path + query, headers })).status).toBe(200);
      // Workers spell an apostrophe as browsers do; it means the same.
      const asked = upstream.requests.map(({ url }) => url.replaceAll("%27", "'"));
      expect(asked).toEqual([`/v1/files${query}`, `/v1/files${query}`]);
    },
  );

  it.each([
    "/v1/files/..%2fmodels",
    "/v1/files/%2e%2e%2Fmodels",
    "/v1/files/a%2f..",
    "/v1/files%2F.%2Fx",
    "/v1/files/..;x=1/models",
    "/v1/files/..%3bx=1/models",
    "/v1/files%5cmodels",
    "/v1/files/%2e%2E%5C",
    "/health/..%2fv1",
    "/api/admin/..%2f..%2fhealth",
    "/mcp%5Cx",
  ])("with dot segments or a backslash is refused with 400: %s", async (target) => {
    const { upstream, headers } = await passingKey();
    const answer = await rawRequest({ target, headers });
    expectRefusal(answer, 400, "bad_request");
    expect(upstream.requests).toEqual([]);
  });

  it.each(["/v1/files/..%2fmodels", "/v1%2F..%5cx", "/v1/%2e%2e%2f..%5c"])(
    "that is refused is on record where its key is known, and asks nobody where it is not: %s",
    async (target) => {
      const { upstream, headers } = await passingKey();
      const answer = await rawRequest({ target, headers });
      expectRefusal(answer, 400, "bad_request");
      const turn = await proxy.conversation(answer.headers.get("x-proxy-conversation-id") ?? "");
      expect(turn).toMatchObject({ status: "refused", errorCode: "bad_request" });
      expect((turn as unknown as { endpoint: string }).endpoint).toMatch(/^\/v1\/.*%25/);
      const strange = { ...headers, authorization: "Bearer sk-proxy-nobody" };
      expectRefusal(await rawRequest({ target, headers: strange }), 400, "bad_request");
      expect(upstream.requests).toEqual([]);
    },
  );

  it.each([
    ["/api//admin/api-keys", 401],
    ["/api%2fadmin/api-keys/", 401],
    ["/%61pi/admin/%61pi-keys", 401],
    ["/api/admin//login", 401],
    ["/%6dcp", 401],
    ["//mcp/", 401],
    ["/health/", 200],
    ["//h%65alth", 200],
  ])("has its plain form's rules everywhere: %s", async (target, status) => {
    const plain = target
      .replaceAll("%61", "a")
      .replaceAll("%6d", "m")
      .replaceAll("%65", "e")
      .replaceAll("%2f", "/")
      .replace(/\/+/g, "/")
      .replace(/\/$/, "");
    const [odd, same] = [await rawRequest({ target }), await rawRequest({ target: plain })];
    expect([odd.status, same.status], odd.body).toEqual([same.status, status]);
  });
});

describe("the credential", () => {
  it("goes to the configured origin and base path only, however the path is spelled", async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(`${request.headers.host} ${request.url}`);
      response.end("{}");
    });
    // All of 127.0.0.0/8 is this machine, so that an origin that grew would be heard of too.
    await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    for (const [base, path] of [
      [`http://127.0.0.1:${port}`, ""],
      [`http://127.0.0.1:${port}/`, ""],
      [`http://127.0.0.1:${port}/a/b`, "/a/b"],
    ]) {
      const { key } = await proxy.createKey({ openaiBaseUrl: base, openaiApiKey: "sk-canary" });
      for (const target of ["/v%31/models", "/v1%2Fmodels", "/v1//models", "/v1/models/"]) {
        asked.length = 0;
        const headers = { authorization: `Bearer ${key}` };
        const answer = await rawRequest({ target, headers });
        expect([target, answer.status, ...asked]).toEqual([
          target,
          200,
          `127.0.0.1:${port} ${path}/models`,
        ]);
      }
      asked.length = 0;
      for (const target of ["/v1.evil/models", "/v1@evil.example/", "/v10/models", "/v1;x"])
        expect((await rawRequest({ target })).status).toBe(404);
      expect(asked).toEqual([]);
    }
  });
});

describe("TRACE", () => {
  it("is not passed on: upstream would repeat its credential", async () => {
    const upstream = await startUpstream(json({}));
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const headers = { authorization: `Bearer ${key}` };
    const { status } = await rawRequest({ method: "TRACE", target: "/v1/models", headers });
    expect(status).toBe(405);
    expect(upstream.requests).toEqual([]);
  });
});
