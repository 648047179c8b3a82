import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { ask, keyWithAdd } from "../helpers/chat-turn.ts";
import { CROSSING, WITNESSES } from "../helpers/header-witnesses.ts";
import { proxy } from "../helpers/proxy.ts";
import { rawExchange, rawRequest, requestText } from "../helpers/raw-http.ts";
import { completion, events, chunk, json, startUpstream, toolCall } from "../helpers/upstream.ts";
import type { Answer } from "../helpers/upstream.ts";

const CANARY = "canary.example";
/** Headers that HTTP gives a meaning between two neighbours, which another value would break. */
const WITH_MEANING: Record<string, string> = {
  connection: "x-named",
  expect: "100-continue",
  upgrade: "h2c",
  "keep-alive": "timeout=5",
};
/** Their witnesses are the bodies, which arrive. */
const FRAMING = "transfer-encoding";

function canaries(direction: "request" | "response"): Record<string, string> {
  const names = WITNESSES.flatMap((witness) => witness[direction] ?? []);
  const canary = names.filter((name) => name !== FRAMING).map((name) => [name, CANARY]);
  return { ...Object.fromEntries(canary), ...WITH_MEANING };
}

const kept = (names: string[]) => Object.fromEntries(names.map((name) => [name, `${name} kept`]));

const named = (headers: Iterable<[string, unknown]>, value: string) =>
  [...headers].filter(([, other]) => String(other).includes(value)).map(([name]) => name);

async function plainKey(fields: Record<string, unknown>, ...answers: Answer[]) {
  const upstream = await startUpstream(...answers);
  const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url, ...fields });
  return { upstream, headers: { authorization: `Bearer ${key}` } };
}

describe("headers of a request", () => {
  it("that are not upstream's business stay here, all others go up as they are", async () => {
    const { upstream, headers } = await plainKey({}, json({ data: [] }));
    const sent = { ...canaries("request"), ...kept(CROSSING.request), ...headers };
    const answer = await rawRequest({ target: "/v1/models", headers: sent });
    expect(answer.status, answer.body).toBe(200);
    const received = Object.entries(upstream.requests[0]?.headers ?? {});
    expect(named(received, CANARY)).toEqual([]);
    expect(named(received, " kept").toSorted()).toEqual(CROSSING.request.toSorted());
    for (const name of ["authorization", "expect", "upgrade"])
      expect(upstream.requests[0]?.headers[name]).toBeUndefined();
  });

  it("stay here in a turn with tools too, in every round", async () => {
    const { key, upstream } = await keyWithAdd((name) => [
      completion({ tool_calls: [toolCall("call_1", name, { a: 2, b: 3 })] }),
      completion({ content: "5" }),
    ]);
    const { "x-proxy-tools": _tools, ...others } = canaries("request");
    const headers = {
      ...others,
      ...kept(CROSSING.request),
      "content-type": "application/json",
      authorization: `Bearer ${key}`,
    };
    const request = { method: "POST", target: "/v1/chat/completions", headers };
    const answer = await rawRequest({ ...request, body: JSON.stringify(ask()) });
    expect(answer.status, answer.body).toBe(200);
    expect(upstream.requests).toHaveLength(2);
    for (const round of upstream.requests)
      expect(named(Object.entries(round.headers), CANARY)).toEqual([]);
  });

  it("that name an account go up where the key has an upstream credential of its own", async () => {
    const account = { "openai-organization": "org-of-key", "openai-project": "proj-of-key" };
    const fields = { openaiApiKey: "sk-of-this-key" };
    const { upstream, headers } = await plainKey(fields, json({ data: [] }));
    const sent = { ...canaries("request"), ...account, ...headers };
    expect((await rawRequest({ target: "/v1/models", headers: sent })).status).toBe(200);
    expect(upstream.requests[0]?.headers).toMatchObject(account);
    const received = Object.entries(upstream.requests[0]?.headers ?? {});
    expect(named(received, CANARY)).toEqual([]);
  });

  it("frame a body anew: a chunked one arrives", async () => {
    const { upstream, headers } = await plainKey({}, json({ id: "file-1" }));
    const head = requestText({
      method: "POST",
      target: "/v1/files",
      headers: { ...headers, [FRAMING]: "chunked" },
    });
    const [answer] = await rawExchange(`${head}5\r\nhello\r\n0\r\n\r\n`);
    expect(answer?.status, answer?.body).toBe(200);
    expect(upstream.requests[0]?.body.toString()).toBe("hello");
  });

  it.each([
    ["gzip", gzipSync],
    ["x-gzip", gzipSync],
    ["zstd", zstdCompressSync],
    ["unheard-of", (text: string) => Buffer.from(text)],
  ])("and a body in %s go up untouched", async (encoding, encode) => {
    const { upstream, headers } = await plainKey({}, json({ object: "list", data: [] }));
    const body = encode(JSON.stringify(ask({ input: "text" })));
    for (const path of ["/v1/embeddings", "/v1/chat/completions"]) {
      const answer = await fetch(proxy.url + path, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json", "content-encoding": encoding },
        body: new Uint8Array(body),
      });
      expect(answer.status, await answer.text()).toBe(200);
    }
    expect(upstream.requests).toHaveLength(2);
    for (const request of upstream.requests) {
      expect(request.headers["content-encoding"]).toBe(encoding);
      expect(request.body.equals(body)).toBe(true);
    }
  });
});

describe("headers of an answer", () => {
  it("that are only upstream's stay there, all others come back as they are", async () => {
    const { headers } = await plainKey({}, (_request, response) => {
      response.writeHead(200, { ...canaries("response"), ...kept(CROSSING.response) });
      response.end("{}");
    });
    const answer = await rawRequest({ target: "/v1/models", headers });
    expect([answer.status, answer.body]).toEqual([200, "{}"]);
    expect(named(answer.headers, CANARY)).toEqual([]);
    expect(named(answer.headers, " kept").toSorted()).toEqual(CROSSING.response.toSorted());
    expect(answer.headers.get("x-proxy-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    const frames = ["content-length", FRAMING].filter((name) => answer.headers.has(name));
    expect(frames).toHaveLength(1);
  });

  const CORS = {
    "access-control-allow-origin": "https://upstream.example",
    "access-control-allow-credentials": "true",
    "access-control-expose-headers": "x-none",
  };
  const withCors =
    (answer: Answer): Answer =>
    (request, response) => {
      for (const [name, value] of Object.entries(CORS)) response.setHeader(name, value);
      return answer(request, response);
    };

  it.each([
    ["a list", "/v1/models", {}, json({ data: [] })],
    ["an error", "/v1/embeddings", {}, json({ error: { message: "no" } }, 400)],
    ["a completion", "/v1/chat/completions", {}, completion({ content: "hi" })],
    ["a stream", "/v1/chat/completions", { stream: true }, events(chunk({ content: "hi" }))],
  ])("let a page of any origin read %s, whatever upstream says of its own", async (...given) => {
    const [, path, more, answer] = given;
    const { key } = await keyWithAdd(() => [withCors(answer)]);
    for (const authorization of [`Bearer ${key}`, "Bearer sk-proxy-unknown"]) {
      const response = await fetch(proxy.url + path, {
        method: path === "/v1/models" ? "GET" : "POST",
        headers: {
          authorization,
          origin: "https://page.example",
          "content-type": "application/json",
        },
        ...(path === "/v1/models" ? {} : { body: JSON.stringify(ask(more)) }),
      });
      await response.text();
      expect(response.headers.get("access-control-allow-origin")).toBe("*");
      expect(response.headers.get("access-control-expose-headers")).toBe("*");
      expect(response.headers.get("access-control-allow-credentials")).toBeNull();
    }
  });
});
