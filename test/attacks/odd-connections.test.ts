/** Clients that use their connection oddly, and what upstream says before it answers. */
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminCall, makeDataDirectory } from "../helpers/own-proxy.ts";
import { expectRefusal, rawRequest } from "../helpers/raw-http.ts";
import { startNodeProxy, type StartedProcess } from "../helpers/start-target.ts";
import { completion, json, startUpstream, type Answer } from "../helpers/upstream.ts";

let proxy: StartedProcess;
let url: string;
beforeAll(async () => {
  proxy = await startNodeProxy({ DATA_DIR: makeDataDirectory() });
  url = proxy.captured;
});
afterAll(() => proxy.stop("SIGKILL"));

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const errorsLogged = () => proxy.output.filter((line) => !/"level":[1-4]0/.test(line));

async function ownKey(...answers: Answer[]) {
  const upstream = await startUpstream(...answers);
  const fields = { name: "odd", openaiBaseUrl: upstream.url };
  const { key } = await adminCall<{ key: string }>(url, "/api-keys", fields);
  return { upstream, key };
}

const late: Answer = async (request, response) => {
  await pause(1500);
  await completion({ content: "late" })(request, response);
};

const BODY = JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }] });

function requestBytes(key: string, more: string[] = [], body = BODY): string {
  const lines = [
    "POST /v1/chat/completions HTTP/1.1",
    `host: ${new URL(url).host}`,
    `authorization: Bearer ${key}`,
    "content-type: application/json",
    ...(more.some((line) => line.startsWith("content-length"))
      ? []
      : [`content-length: ${Buffer.byteLength(body)}`]),
    ...more,
  ];
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}

/** Opens a connection, and collects what comes. */
function open() {
  const { hostname, port } = new URL(url);
  const seen = { text: "" };
  // Half of it can be closed.
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
  socket.on("data", (data) => (seen.text += data.toString()));
  socket.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => socket.once("end", () => resolve()));
  return { socket, seen, closed };
}

describe("a client that closes its half of the connection behind its request", () => {
  it("gets its answer", async () => {
    const { key } = await ownKey(late);
    const { socket, seen, closed } = open();
    socket.end(requestBytes(key));
    await closed;
    expect(seen.text).toContain("HTTP/1.1 200 OK");
    expect(seen.text).toContain("late");
    // Before it nothing but what every client has to ignore.
    expect(seen.text.replaceAll("HTTP/1.1 102 Processing\r\n\r\n", "")).toMatch(/^HTTP\/1.1 200/);
    socket.destroy();
  });

  it("is told from one that has left, whose upstream call ends at once", async () => {
    const { key, upstream } = await ownKey((_request, _response) => undefined);
    const { socket } = open();
    socket.write(requestBytes(key));
    await expect.poll(() => upstream.requests.length).toBe(1);
    socket.destroy();
    const leftAt = performance.now();
    await upstream.requests[0]?.aborted;
    expect(performance.now() - leftAt).toBeLessThan(5000);
  });
});

it("a client that leaves in the midst of an upload is no error in the log", async () => {
  const { key } = await ownKey(json({}));
  for (const path of ["/v1/chat/completions", "/v1/files"])
    for (const way of ["end", "destroy", "resetAndDestroy"] as const) {
      const { socket } = open();
      const head = requestBytes(key, ["content-length: 5000000"], "x".repeat(200_000));
      socket.write(head.replace("/v1/chat/completions", path));
      await pause(200);
      socket[way]();
    }
  await pause(1000);
  expect(errorsLogged()).toEqual([]);
});

describe("Expect: 100-continue", () => {
  it("is not answered to whoever is refused without a body", async () => {
    const { socket, seen } = open();
    socket.write(
      requestBytes("sk-proxy-wrong", ["content-length: 50", "expect: 100-continue"], ""),
    );
    await expect.poll(() => seen.text).toContain("invalid_api_key");
    expect(seen.text).toMatch(/^HTTP\/1.1 401 /);
    socket.destroy();
  });

  it("is answered to whoever may go on", async () => {
    const { key } = await ownKey(completion({ content: "here" }));
    const { socket, seen } = open();
    const length = `content-length: ${Buffer.byteLength(BODY)}`;
    socket.write(requestBytes(key, [length, "expect: 100-continue"], ""));
    await expect.poll(() => seen.text).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    socket.write(BODY);
    await expect.poll(() => seen.text).toContain("here");
    socket.destroy();
  });
});

it("a GET with a body is refused, in words", async () => {
  const { key, upstream } = await ownKey(json({ data: [] }));
  const headers = { authorization: `Bearer ${key}` };
  const answer = await rawRequest({ target: "/v1/models", headers, body: "{}" }, url);
  expectRefusal(answer, 400, "bad_request");
  expect(upstream.requests).toEqual([]);
  const empty = { ...headers, "content-length": "0" };
  expect((await rawRequest({ target: "/v1/models", headers: empty }, url)).status).toBe(200);
});

it.each([
  "HTTP/1.1 100 Continue\r\n\r\n",
  "HTTP/1.1 102 Processing\r\n\r\n",
  "HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n",
])("%j, which nobody asked for, is not upstream's answer", async (interim) => {
  const { key } = await ownKey((request, response) => {
    response.socket?.write(interim);
    void completion({ content: "here" })(request, response);
  });
  const { socket, seen } = open();
  socket.write(requestBytes(key));
  await expect.poll(() => seen.text).toContain("here");
  expect(seen.text).toMatch(/^HTTP\/1.1 200 /);
  socket.destroy();
});
