import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { adminCall } from "../helpers/own-proxy.ts";
import { expectRefusal, rawExchange, rawRequest, requestText } from "../helpers/raw-http.ts";
import { startNodeProxy, type StartedProcess } from "../helpers/start-target.ts";
import { json, startUpstream } from "../helpers/upstream.ts";

// On workerd these are the runtime's: it resolves plain dot segments before a Worker hears of them.

const directory = mkdtempSync(join(tmpdir(), "proxy-odd-"));
let started: StartedProcess;
beforeAll(async () => {
  started = await startNodeProxy({ DATA_DIR: directory });
});
afterAll(async () => {
  await started.stop("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
});

async function ownKey() {
  const { captured: url } = started;
  const upstream = await startUpstream(json({ object: "thing" }));
  const fields = { name: "a key", openaiBaseUrl: upstream.url };
  const { key } = await adminCall<{ key: string }>(url, "/api-keys", fields);
  return { url, upstream, headers: { authorization: `Bearer ${key}` } };
}

const REFUSED = [
  "/v1/files/../models",
  "/v1/files/%2e%2e/models",
  "/v1/files/.%2e/models",
  "/v1/./models",
  "/v1/%2E./v1/models",
  "/v1/files\\models",
  "\\v1\\models",
  "/keys/..",
  "*",
  // Bytes that a request line may not hold: the parser refuses them, before it knows the path.
  "/v1/models/caf\u00c3\u00a9",
  "/v1/\u00e6\u0097\u00a5",
  "/caf\u00e9",
  "/v1/a\u0001b",
  "v1/models",
];

it("a target that is no plain path is refused with 400 in OpenAI's shape, never resolved", async () => {
  const { url, upstream, headers } = await ownKey();
  for (const target of REFUSED)
    expectRefusal(await rawRequest({ target, headers }, url), 400, "bad_request");
  expect(upstream.requests).toEqual([]);
});

it("a refused path leaves the connection to the next request, whatever body it had", async () => {
  const { url, headers } = await ownKey();
  const odd = { method: "POST", target: "/v1/a%2f..", headers, body: "x".repeat(100_000) };
  const plain = { target: "/v1/models", headers };
  const answers = await rawExchange(requestText(odd, url) + requestText(plain, url), 2, url);
  expect(answers.map(({ status }) => status)).toEqual([400, 200]);
});

it("bytes that are no HTTP are refused in OpenAI's shape: headers, lengths, host names", async () => {
  const { url, headers } = await ownKey();
  const target = "/v1/models";
  const large = await rawRequest({ target, headers: { "x-large": "x".repeat(20_000) } }, url);
  expect(large.status, large.body).toBe(431);
  expectRefusal(large, 431, "headers_too_large");
  for (const odd of [{ host: "a b" }, { "content-length": "1x" }, { "bad name": "x" }]) {
    const answer = await rawRequest({ target, headers: { ...headers, ...odd } }, url);
    expectRefusal(answer, 400, "bad_request");
  }
});

it("an absolute target has the rules of its path", async () => {
  const { url, upstream, headers } = await ownKey();
  const asked = await rawRequest({ target: `${url}//v1/m%6fdels/?a='b'%20`, headers }, url);
  expect(asked.status, asked.body).toBe(200);
  expect(upstream.requests.map(({ url }) => url)).toEqual(["/v1/models?a='b'%20"]);
  for (const target of [
    `${url}/v1/a%2f..%2fb`,
    `${url}/v1/../b`,
    `${url}\\v1`,
    "http:///v1/models",
  ])
    expectRefusal(await rawRequest({ target, headers }, url), 400, "bad_request");
  expect(upstream.requests).toHaveLength(1);
});

it("a query is asked of upstream as it is spelled, to the byte", async () => {
  const { url, upstream, headers } = await ownKey();
  const query = "?q='a'%20\"<b>\\^`{|}&z=%c3&y=/../x//";
  expect((await rawRequest({ target: `/v1/files${query}`, headers }, url)).status).toBe(200);
  expect(upstream.requests.map(({ url }) => url)).toEqual([`/v1/files${query}`]);
});

it("a WebSocket among other protocols is refused with 426 too", async () => {
  const { url, upstream, headers } = await ownKey();
  const upgrade = { upgrade: "h2c, websocket", connection: "keep-alive, Upgrade" };
  const request = { target: "/v1/responses", headers: { ...headers, ...upgrade } };
  const answer = await rawRequest(request, url);
  expect(answer.status, answer.body).toBe(426);
  expectRefusal(answer, 426, "upgrade_required");
  expect(upstream.requests).toEqual([]);
});
