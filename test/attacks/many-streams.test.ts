/** Many streams at once, with tools and without; and an hour of everything. */
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { adminCall, chat, makeDataDirectory } from "../helpers/own-proxy.ts";
import { keyWithTools } from "../helpers/own-tools.ts";
import { startNodeProxy, type StartedProcess } from "../helpers/start-target.ts";
import { stormLength } from "../helpers/storm-length.ts";
import {
  chunk,
  completion,
  startUpstream,
  toolCall,
  type Answer,
  type ScriptedUpstream,
} from "../helpers/upstream.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

let proxy: StartedProcess;
let url: string;
beforeAll(async () => {
  proxy = await startNodeProxy({ DATA_DIR: makeDataDirectory() });
  url = proxy.captured;
});
afterAll(() => proxy.stop("SIGKILL"));

/** A stream of ten pieces within two seconds. */
const streamed: Answer = async (_request, response) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (let piece = 0; piece < 10; piece += 1) {
    response.write(`data: ${JSON.stringify(chunk({ content: `${piece} ` }))}\n\n`);
    await pause(200);
  }
  response.end(`data: ${JSON.stringify(chunk({}, "stop"))}\n\ndata: [DONE]\n\n`);
};

/** Streams where a stream is asked for; calls the tool once where there is one. */
const model: Answer = (request, response) => {
  const { stream, tools, messages } = request.json() as {
    stream?: boolean;
    tools?: { function: { name: string } }[];
    messages: { role: string }[];
  };
  if (stream === true) return streamed(request, response);
  const name = tools?.[0]?.function.name;
  const isFirst = messages.at(-1)?.role !== "tool";
  const message =
    name !== undefined && isFirst
      ? { tool_calls: [toolCall("c1", name, {})] }
      : { content: "here" };
  return completion(message)(request, response);
};

async function keys(upstream: ScriptedUpstream): Promise<{ plain: string; withTool: string }> {
  const fields = { name: "plain", openaiBaseUrl: upstream.url };
  const { key: plain } = await adminCall<{ key: string }>(url, "/api-keys", fields);
  const name = `five_${crypto.randomUUID().slice(0, 8)}`;
  const tool = { name, description: "five", type: "function", implementation: "return 5;" };
  const { key } = await keyWithTools(url, [tool], { openaiBaseUrl: upstream.url });
  return { plain, withTool: key };
}

const stream = (key: string, signal?: AbortSignal) =>
  fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content: "x" }] }),
    ...(signal === undefined ? {} : { signal }),
  });

/** What the proxy's process holds, in MB and in descriptors; 0 where the system does not tell. */
function held(): { megabytes: number; descriptors: number } {
  if (process.platform !== "linux") return { megabytes: 0, descriptors: 0 };
  const { pid } = proxy.child;
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
  return { megabytes: kilobytes / 1024, descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

it("2,000 streams at once all come to their end, and cost little each", async () => {
  const { plain, withTool } = await keys(await startUpstream(model));
  await (await stream(withTool)).text();
  const before = held();
  const count = stormLength({ ci: 300, soak: 2000 });
  const read = async (index: number) => (await stream(index % 2 === 0 ? plain : withTool)).text();
  const texts = Promise.all(Array.from({ length: count }, (_, index) => read(index)));
  await pause(500);
  expect((await chat(url, plain)).status).toBe(200);
  const unfinished = (await texts).filter((text) => !text.trimEnd().endsWith("data: [DONE]"));
  expect(unfinished).toEqual([]);
  expect((held().megabytes - before.megabytes) / count).toBeLessThan(0.5);
});

it("an hour of everything leaves neither memory nor descriptors behind", async () => {
  const { plain, withTool } = await keys(await startUpstream(model));
  const { hostname, port } = new URL(url);
  const leaves = async () => {
    const gone = new AbortController();
    const response = await stream(withTool, gone.signal);
    await response.body?.getReader().read();
    gone.abort();
  };
  const stalls = async () => {
    const socket = connect(Number(port), hostname, () => socket.write("POST /v1/x HTTP/1.1\r\n"));
    socket.on("error", () => undefined);
    await pause(50);
    socket.destroy();
  };
  const kinds: (() => Promise<unknown>)[] = [
    async () => expect((await chat(url, plain)).status).toBe(200),
    async () => expect((await chat(url, withTool)).status).toBe(200),
    async () => expect(await (await stream(plain)).text()).toContain("[DONE]"),
    async () => expect(await (await stream(withTool)).text()).toContain("[DONE]"),
    async () => expect((await chat(url, plain, "x".repeat(500_000))).status).toBe(200),
    async () => expect((await chat(url, "sk-proxy-wrong")).status).toBe(401),
    leaves,
    stalls,
    () => adminCall<object>(url, "/conversations?limit=5"),
  ];
  const rage = async (ms: number) => {
    const until = performance.now() + ms;
    const client = async (first: number) => {
      for (let turn = first; performance.now() < until; turn += 1)
        await kinds[turn % kinds.length]?.();
    };
    await Promise.all(kinds.map((_, index) => client(index)));
    await pause(1000);
  };
  const lengthMs = stormLength({ ci: 12_000, soak: 3_600_000 });
  await rage(lengthMs / 3);
  const early = held();
  await rage((lengthMs * 2) / 3);
  const late = held();
  expect(late.descriptors - early.descriptors).toBeLessThan(60);
  expect(late.megabytes).toBeLessThan(early.megabytes * 1.5 + 150);
  expect(proxy.output.filter((line) => line.includes('"level":50'))).toEqual([]);
});
