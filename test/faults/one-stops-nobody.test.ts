import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { adminCall } from "../helpers/own-proxy.ts";
import { startNodeProxy, type StartedProcess } from "../helpers/start-target.ts";
import { completion, json, startUpstream, toolCall } from "../helpers/upstream.ts";

/**
 * The product's bound is 50 ms. Other tests run on the same cores: what is measured beside is held
 * against twice what was measured just before, and tried again where the machine stalled. Without
 * bounds these took 4 to 60 s.
 */
const MOST_MS = 150;
const PROBE_EVERY_MS = 5;
/** Until the first requests are over, which take longer. */
const WARM_MS = 500;
const QUIET_MS = 500;

type Json = Record<string, unknown>;

interface Offender {
  /** Parameters and arguments of a tool that the model calls; the body asks for it. */
  tool?: { parameters: Json; args: Json };
  body?: () => string | Uint8Array<ArrayBuffer>;
  headers?: Record<string, string>;
  path?: string;
  /** What the answer, or what the model is told of its call, must say. */
  status: number;
  says: string;
}

const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
const bodyWith = (messages: string, more = "") =>
  `{"model":"gpt-test","messages":${messages}${more}}`;
const repeated = (count: number, item: (index: number) => string) =>
  `[${Array.from({ length: count }, (_, index) => item(index)).join(",")}]`;
const objects = (count: number) => Array.from({ length: count }, (_, index) => ({ id: index }));
const textParameters = (schema: Json): Json => ({ type: "object", properties: { a: schema } });
const backtracking = `${"a".repeat(31)}!`;
const NOT_RUN = "The tool was not run";
const hello = '[{"role":"user","content":"hello"}]';

function bomb(layers: number): Uint8Array<ArrayBuffer> {
  let bytes: Uint8Array<ArrayBuffer> = new Uint8Array(Buffer.alloc(200_000_000, 32));
  for (let layer = 0; layer < layers; layer++) bytes = new Uint8Array(gzipSync(bytes));
  return bytes;
}

const OFFENDERS: Record<string, Offender> = {
  "20,000 objects that must differ": {
    tool: {
      parameters: textParameters({ type: "array", uniqueItems: true }),
      args: { a: objects(20_000) },
    },
    status: 200,
    says: NOT_RUN,
  },
  "a pattern that goes back": {
    tool: {
      parameters: textParameters({ pattern: String.raw`^([a-zA-Z0-9]+\s?)+$` }),
      args: { a: backtracking },
    },
    status: 200,
    says: NOT_RUN,
  },
  "the pattern (.*)*x": {
    tool: { parameters: textParameters({ pattern: "^(.*)*x$" }), args: { a: backtracking } },
    status: 200,
    says: NOT_RUN,
  },
  "items that are compared in 300 ways": {
    tool: {
      parameters: textParameters({
        contains: {
          anyOf: objects(300).map(({ id }) => ({ type: "object", required: [`r${id}`] })),
        },
      }),
      args: { a: objects(20_000) },
    },
    status: 200,
    says: "gave up",
  },
  "300,000 messages": {
    body: () => bodyWith(repeated(300_000, (index) => `{"role":"user","content":"m${index}"}`)),
    status: 400,
    says: "500,000 values",
  },
  "20,000 messages": {
    body: () =>
      bodyWith(
        repeated(
          20_000,
          (index) => `{"role":"${index % 2 === 0 ? "user" : "assistant"}","content":"m"}`,
        ),
      ),
    status: 200,
    says: "gave up",
  },
  "a million members": {
    body: () =>
      bodyWith(
        hello,
        `,"metadata":{${repeated(1_000_000, (index) => `"k${index}":1`).slice(1, -1)}}`,
      ),
    status: 400,
    says: "500,000 values",
  },
  "300,000 members": {
    body: () =>
      bodyWith(
        hello,
        `,"metadata":{${repeated(300_000, (index) => `"k${index}":1`).slice(1, -1)}}`,
      ),
    status: 200,
    says: "gave up",
  },
  "10 MB of nested arrays": {
    body: () => bodyWith(hello, `,"metadata":${nested(5_000_000)}`),
    status: 400,
    says: "256 levels",
  },
  "100,000 tools": {
    body: () =>
      bodyWith(
        hello,
        `,"tools":${repeated(100_000, (index) => `{"function":{"name":"t${index}"}}`)}`,
      ),
    status: 200,
    says: "gave up",
  },
  "a message of 8 MB": {
    body: () => bodyWith(`[{"role":"user","content":"${"x".repeat(8_000_000)}"}]`),
    status: 200,
    says: "gave up",
  },
  "escapes of 20 MB": {
    body: () => bodyWith(`[{"role":"user","content":"${String.raw`\u00e9`.repeat(3_300_000)}"}]`),
    status: 200,
    says: "gave up",
  },
  "gzip in gzip in gzip": {
    body: () => bomb(3),
    headers: { "content-encoding": "gzip, gzip, gzip" },
    status: 415,
    says: "at most 2",
  },
  "gzip in gzip": {
    body: () => bomb(2),
    headers: { "content-encoding": "gzip, gzip" },
    status: 413,
    says: "MAX_BODY_BYTES",
  },
  "an MCP message of 200,000 levels": {
    path: "/mcp",
    body: () => `{"jsonrpc":"2.0","id":1,"method":"ping","params":${nested(200_000)}}`,
    status: 400,
    says: "256 levels",
  },
};

let proxy: StartedProcess;

beforeAll(async () => {
  proxy = await startNodeProxy({});
});
afterAll(() => proxy.stop("SIGKILL"));

const createKey = async (settings: Json): Promise<string> => {
  const { key } = await adminCall<{ key: string }>(proxy.captured, "/api-keys", settings);
  return key;
};

/** Other requests, and the longest that one of them took since it was asked before. */
async function startProbes(openaiBaseUrl: string): Promise<() => Promise<number>> {
  const key = await createKey({ name: "probe", openaiBaseUrl });
  const workerData = { url: proxy.captured, key, everyMs: PROBE_EVERY_MS };
  const file = new URL("../helpers/probe-worker.ts", import.meta.url);
  const worker = new Worker(file, { workerData });
  onTestFinished(async () => {
    await worker.terminate();
  });
  return async () => {
    const asked = once(worker, "message");
    worker.postMessage("longest");
    const [{ longest }] = (await asked) as [{ longest: number }];
    return longest;
  };
}

/** A key with the offender's tool, and an upstream whose model calls it. */
async function startTurn({ tool }: Offender) {
  const name = `t${crypto.randomUUID().slice(0, 8)}`;
  const turn = { calls: tool === undefined ? [] : [toolCall("call_1", name, tool.args)], told: "" };
  const upstream = await startUpstream(async (request, response) => {
    if (request.method === "GET") return json({ data: [] })(request, response);
    const called = turn.calls.pop();
    if (called !== undefined) return completion({ tool_calls: [called] })(request, response);
    turn.told = request.body.subarray(-5000).toString();
    return completion({ content: "gave up" })(request, response);
  });
  const made = await adminCall<{ id: string }>(proxy.captured, "/tools", {
    name,
    type: "function",
    parameters: tool?.parameters ?? { type: "object" },
    implementation: "return 'ran';",
  });
  const key = await createKey({ name, openaiBaseUrl: upstream.url, toolIds: [made.id] });
  return { turn, key, url: upstream.url };
}

describe("one request", () => {
  it.each(Object.entries(OFFENDERS))(
    "stops nobody else, and is answered: %s",
    { retry: 2 },
    async (_name, offender) => {
      const { turn, key, url } = await startTurn(offender);
      const body = offender.body?.() ?? bodyWith(hello);
      const longestProbe = await startProbes(url);
      await sleep(WARM_MS);
      await longestProbe();
      await sleep(QUIET_MS);
      const quiet = await longestProbe();
      const asked = fetch(`${proxy.captured}${offender.path ?? "/v1/chat/completions"}`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${key}`,
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          ...offender.headers,
        },
        body,
      }).then(async (response) => ({ status: response.status, text: await response.text() }));
      const answer = await asked;
      const longest = await longestProbe();
      expect(answer.status, answer.text.slice(0, 500)).toBe(offender.status);
      expect(`${answer.text} ${turn.told}`).toContain(offender.says);
      expect(longest).toBeLessThan(2 * quiet + MOST_MS);
    },
  );

  it("an operator's body of 200,000 levels is a 400", async () => {
    const signedIn = await fetch(`${proxy.captured}/api/admin/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: nested(200_000),
    });
    expect(signedIn.status, await signedIn.clone().text()).toBe(400);
    expect(await signedIn.text()).toContain("256 levels");
  });
});
