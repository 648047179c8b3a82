/** The same odd requests on Node and on workerd: one promise, whatever the runtime does beneath. */
import { createHash } from "node:crypto";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { adminCall } from "../helpers/own-proxy.ts";
import { rawExchange, requestText, type RawAnswer } from "../helpers/raw-http.ts";
import { startReplicas, type Replicas } from "../helpers/replicas.ts";
import { completion, startUpstream, type Answer } from "../helpers/upstream.ts";

type Runtime = "node" | "workerd";

let started: Replicas<Runtime>;
beforeAll(async () => {
  started = await startReplicas({ node: { runtime: "node" }, workerd: { runtime: "workerd" } });
});
afterAll(() => started.stop());

const ENCODERS: Record<string, (bytes: Buffer) => Buffer> = {
  gzip: gzipSync,
  br: brotliCompressSync,
  deflate: deflateSync,
  zstd: zstdCompressSync,
};

const hashOf = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex").slice(0, 12);

/** Tells what was asked; the path says how. */
const echo: Answer = (request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://upstream");
  const asked = {
    method: request.method,
    url: request.url,
    body: hashOf(request.body),
    contentType: request.headers["content-type"],
    expect: request.headers["expect"],
    te: request.headers["te"],
    custom: request.headers["x-custom"],
    range: request.headers["range"],
  };
  const bytes = Buffer.from(JSON.stringify(asked));
  const encoding = searchParams.get("encoding") ?? "";
  const status = Number(searchParams.get("status") ?? 200);
  const headers = {
    "content-type": searchParams.get("type") ?? "application/json",
    ...(encoding === "" ? {} : { "content-encoding": encoding }),
    ...(searchParams.get("location") === null ? {} : { location: "https://elsewhere.test/" }),
    "set-cookie": "a=b",
    "x-custom": "kept",
  };
  if (pathname.endsWith("/cut")) {
    response.writeHead(200, { ...headers, "content-length": "1000" }).write(bytes);
    return void setTimeout(() => response.destroy(), 50);
  }
  if (request.method === "HEAD" || [204, 304].includes(status))
    return void response.writeHead(status, headers).end();
  const body = ENCODERS[encoding]?.(bytes) ?? bytes;
  response.writeHead(status, headers).end(body);
};

const CHAT = JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }] });
const JSON_BODY = { "content-type": "application/json" };

interface Odd {
  name: string;
  method?: string;
  target: string;
  headers?: Record<string, string>;
  body?: string;
}

const get = (target: string, headers: Record<string, string> = {}): Odd => ({
  name: `GET ${target} ${JSON.stringify(headers)}`,
  target,
  headers,
});

const post = (name: string, target: string, more: Partial<Odd> = {}): Odd => ({
  name,
  target,
  method: "POST",
  headers: JSON_BODY,
  body: CHAT,
  ...more,
});

const UPGRADE = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  "sec-websocket-version": "13",
};

const ODD: Odd[] = [
  ...["/v1/models", "/v%31/models", "/v1//models", "/v1/models/", "/V1/models", "//v1/models"].map(
    (target) => get(target),
  ),
  ...["/v1/%2e%2e/models", "/v1/..%2fmodels", "/v1/x%5c..%5cmodels", "/v1/models%00"].map(
    (target) => get(target),
  ),
  ...["/v1/mod%65ls", "/v1/models%2fx", "/v1/models;a=b", "/v1/%6dodels?x=%41&y=a%2fb"].map(
    (target) => get(target),
  ),
  ...["/v1/models?", "/v1/models??a=b?c", "/v1/models?a=%", "/v1/models?q='a'%20&z=%c3"].map(
    (target) => get(target),
  ),
  ...["/v1/mod%els", "/v1/%ff", "/v1/m%C3%B6dels", "/models", "/v2/models", "/"].map((target) =>
    get(target),
  ),
  ...Object.keys(ENCODERS).map((encoding) => get(`/v1/models?encoding=${encoding}`)),
  get("/v1/models?encoding=gzip", { "accept-encoding": "gzip" }),
  get("/v1/models?encoding=identity"),
  get("/v1/models?encoding=x-unknown"),
  ...[204, 304, 301, 307, 404, 418, 429, 500, 503, 599].map((status) =>
    get(`/v1/models?status=${status}&location=1`),
  ),
  get("/v1/models?type=text/event-stream"),
  get("/v1/models", { range: "bytes=0-3", "x-custom": "mine", te: "trailers" }),
  get("/v1/models", UPGRADE),
  get("/v1/models", { connection: "upgrade", upgrade: "h2c" }),
  get("/v1/realtime?model=m", UPGRADE),
  get("/v1/cut"),
  { name: "HEAD", method: "HEAD", target: "/v1/models" },
  { name: "OPTIONS", method: "OPTIONS", target: "/v1/models" },
  { name: "DELETE", method: "DELETE", target: "/v1/files/x" },
  { name: "PATCH", method: "PATCH", target: "/v1/files/x", headers: JSON_BODY, body: "{}" },
  post("Expect", "/v1/chat/completions", { headers: { ...JSON_BODY, expect: "100-continue" } }),
  post("an empty body", "/v1/chat/completions", { body: "" }),
  post("a body that is no JSON", "/v1/chat/completions", { body: "{" }),
  post("a list", "/v1/chat/completions", { body: "[]" }),
  post("no content type", "/v1/chat/completions", { headers: {} }),
  post("a body of another type", "/v1/chat/completions", { headers: { "content-type": "text/x" } }),
  post("another letter case", "/v1/Chat/Completions"),
  post("an encoded path", "/v1/ch%61t/completions"),
  post("a chunked body", "/v1/embeddings", {
    headers: { ...JSON_BODY, "transfer-encoding": "chunked" },
    body: '5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n',
  }),
  post("a coded body", "/v1/embeddings", { headers: { ...JSON_BODY, "content-encoding": "gzip" } }),
  post("bytes", "/v1/audio/transcriptions", {
    headers: { "content-type": "multipart/form-data; boundary=x" },
    body: '--x\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n--x--\r\n',
  }),
];

/** What workerd has done before any code of ours, and why it breaks no promise. */
const BY_WORKERD: Record<string, string> = {
  "GET / {}": "the page comes from its assets, without the Worker",
  "GET /v1/%2e%2e/models {}":
    "dot segments are resolved, so that the path is another: it is refused too",
  "GET /v1/models?encoding=br {}":
    "answers are decoded for clients that did not ask for an encoding",
  "GET /v1/models?encoding=gzip {}": "as above, for gzip",
  "GET /v1/models?q='a'%20&z=%c3 {}": "an apostrophe of a query is encoded, which means the same",
};

/** What of an answer must be the same. */
interface Told {
  status: number;
  code?: unknown;
  asked?: unknown;
  contentType: string | null;
  encoding: string | null;
  custom: string | null;
  location: string | null;
  hasId: boolean;
  hasCookie: boolean;
}

function bodyOf({ body }: RawAnswer): Pick<Told, "code" | "asked"> {
  try {
    const { error, ...asked } = JSON.parse(body) as { error?: { code: unknown } };
    return error === undefined ? { asked } : { code: error.code };
  } catch {
    return { asked: body.length > 0 };
  }
}

function toldBy(answer: RawAnswer | undefined): Told | "closed" {
  if (answer === undefined) return "closed";
  const { status, headers } = answer;
  return {
    status,
    ...bodyOf(answer),
    contentType: headers.get("content-type")?.toLowerCase().replace("; ", ";") ?? null,
    encoding: headers.get("content-encoding"),
    custom: headers.get("x-custom"),
    location: headers.get("location"),
    hasId: headers.has("x-proxy-request-id"),
    hasCookie: headers.has("set-cookie"),
  };
}

async function ask(runtime: Runtime, key: string, odd: Odd): Promise<Told | "closed"> {
  const { url } = started.at[runtime];
  const headers: Record<string, string> = { authorization: `Bearer ${key}`, ...odd.headers };
  const length = headers["transfer-encoding"] === undefined ? odd.body : "";
  const text = requestText({ ...odd, headers, ...(length === "" ? { body: "" } : {}) }, url);
  const sent = length === "" ? text + (odd.body ?? "") : text;
  const [answer] = await rawExchange(sent, 1, url).catch(() => []);
  return toldBy(answer);
}

it("are answered alike", async () => {
  const upstream = await startUpstream(echo);
  const { key } = await adminCall<{ key: string }>(started.at.node.url, "/api-keys", {
    name: "odd",
    openaiBaseUrl: upstream.url,
  });
  const seen: Record<string, unknown> = {};
  const expected: Record<string, unknown> = {};
  for (const odd of ODD) {
    expected[odd.name] = await ask("node", key, odd);
    seen[odd.name] = await ask("workerd", key, odd);
  }
  const differing = ODD.filter(({ name }) => !isDeepStrictEqual(seen[name], expected[name]));
  const unknown = differing.filter(({ name }) => !Object.hasOwn(BY_WORKERD, name));
  for (const { name } of unknown) expect(seen[name], name).toEqual(expected[name]);
  expect(differing.map(({ name }) => name).toSorted()).toEqual(Object.keys(BY_WORKERD).toSorted());
});

/** Sends a request and closes its own half of the connection; gives what came. */
function halfClosed(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let received = "";
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    socket.on("data", (bytes) => {
      received += bytes.toString();
    });
    socket.once("error", reject);
    socket.once("end", () => resolve(received));
    socket.end(text);
  });
}

it("a client that closes its half after the request has its answer on workerd", async () => {
  const { url } = started.at.workerd;
  const upstream = await startUpstream(async (request, response) => {
    await pause(500);
    await completion({ content: "late" })(request, response);
  });
  const { key } = await adminCall<{ key: string }>(url, "/api-keys", {
    name: "half",
    openaiBaseUrl: upstream.url,
  });
  const headers = { authorization: `Bearer ${key}`, ...JSON_BODY };
  const target = "/v1/chat/completions";
  const text = requestText({ method: "POST", target, headers, body: CHAT }, url);
  expect(await halfClosed(url, text)).toContain("late");
});
