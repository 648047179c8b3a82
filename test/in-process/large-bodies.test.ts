/** Bodies that are large: which are read, and which are not. */
import { createServer, request as startRequest, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { describe, expect, it, onTestFinished } from "vitest";
import { readConfig } from "../../src/config/read-config.ts";
import { ask } from "../helpers/chat-turn.ts";
import { startInProcess } from "../helpers/in-process.ts";
import { here, proxy } from "../helpers/proxy.ts";
import { rawRequest } from "../helpers/raw-http.ts";
import { SETTINGS } from "../helpers/settings.ts";
import { completion, json, startUpstream } from "../helpers/upstream.ts";

const JSON_TYPE = { "content-type": "application/json" };
const LARGE = 200_000;

describe("a key that has used up its limits", () => {
  it.each(["/v1/chat/completions", "/v1/embeddings"])(
    "is told so before a large body is read: %s",
    async (target) => {
      const { url } = await startUpstream(completion({ content: "hello" }));
      const { key } = await proxy.createKey({ openaiBaseUrl: url, requestsPerMinute: 1 });
      const headers = { authorization: `Bearer ${key}`, ...JSON_TYPE };
      const body = JSON.stringify(ask());
      const first = await rawRequest({ method: "POST", target, headers, body });
      expect(first.status, first.body).toBe(200);
      const announced = { ...headers, "content-length": String(LARGE) };
      const refused = await rawRequest({ method: "POST", target, headers: announced, body: "{" });
      expect(refused.status, refused.body).toBe(429);
    },
  );
});

describe("a body beyond MAX_BODY_BYTES", () => {
  it("is refused where it must be read, and passes where it need not be", async () => {
    const { database } = here.inProcess?.platform ?? {};
    if (database === undefined) throw new Error("The proxy is not in this process");
    const config = readConfig({ ...SETTINGS, MAX_BODY_BYTES: "100000" });
    const { url } = await startInProcess({ database, config });
    const upstream = await startUpstream(json({ object: "list", data: [] }));
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const headers = { authorization: `Bearer ${key}`, ...JSON_TYPE };
    const body = JSON.stringify({ model: "m", input: "x".repeat(LARGE) });
    const statusOf = async (path: string) =>
      (await fetch(`${url}${path}`, { method: "POST", headers, body })).status;
    expect(await statusOf("/v1/chat/completions")).toBe(413);
    expect(await statusOf("/v1/embeddings")).toBe(200);
    expect(upstream.requests.map((request) => request.body.length)).toEqual([body.length]);
  });
});

describe("an upload", () => {
  it("is on its way upstream before all of it has come", async () => {
    const begun = Promise.withResolvers<void>();
    const server = createServer((incoming, response) => {
      incoming.once("data", () => begun.resolve());
      void text(incoming).then((body) => response.end(String(body.length)));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const { key } = await proxy.createKey({ openaiBaseUrl: `http://127.0.0.1:${port}/v1` });
    const upload = startRequest(`${proxy.url}/v1/files`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "multipart/form-data; boundary=x",
        "content-length": String(LARGE),
      },
    });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      upload.once("response", resolve);
      upload.once("error", reject);
    });
    upload.write("x".repeat(LARGE / 2));
    await begun.promise;
    upload.end("x".repeat(LARGE / 2));
    const answer = await answered;
    expect([answer.statusCode, await text(answer)]).toEqual([200, String(LARGE)]);
  });
});
