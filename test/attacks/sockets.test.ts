/** WebSockets of every kind at once: who leaves, floods, does not read, or talks nonsense. */
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { adminCall, makeDataDirectory } from "../helpers/own-proxy.ts";
import { keyWithTools } from "../helpers/own-tools.ts";
import { functionCall, message, says } from "../helpers/responses-upstream.ts";
import { openSocket } from "../helpers/socket-client.ts";
import { startNodeProxy, type StartedProcess } from "../helpers/start-target.ts";
import { stormLength } from "../helpers/storm-length.ts";
import { startUpstream, type Answer } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

let proxy: StartedProcess;
let url: string;
beforeAll(async () => {
  proxy = await startNodeProxy({ DATA_DIR: makeDataDirectory() });
  url = proxy.captured;
});
afterAll(() => proxy.stop("SIGKILL"));

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Calls the tool once where there is one, and says much where it is asked to. */
const model: Answer = (request, response) => {
  const { tools, input } = request.json() as { tools?: { name: string }[]; input: Json[] | string };
  const name = tools?.[0]?.name;
  const isFirst = Array.isArray(input) ? input.at(-1)?.["type"] !== "function_call_output" : true;
  if (name !== undefined && isFirst) return says([functionCall("c1", name, {})])(request, response);
  const isLong = JSON.stringify(input).includes("much");
  return says([message(isLong ? "word ".repeat(200_000) : "here")])(request, response);
};

/** What the proxy's process holds, in MB and in descriptors; 0 where the system does not tell. */
function held(): { megabytes: number; descriptors: number } {
  if (process.platform !== "linux") return { megabytes: 0, descriptors: 0 };
  const { pid } = proxy.child;
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
  return { megabytes: kilobytes / 1024, descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

it("leave neither memory, descriptors nor errors behind, and each answer is whole", async () => {
  const upstream = await startUpstream(model);
  const fields = { name: "plain", openaiBaseUrl: upstream.url };
  const { key: plain } = await adminCall<{ key: string }>(url, "/api-keys", fields);
  const name = `five_${crypto.randomUUID().slice(0, 8)}`;
  const tool = { name, description: "five", type: "function", implementation: "return 5;" };
  const { key } = await keyWithTools(url, [tool], { openaiBaseUrl: upstream.url });
  let whole = 0;
  const chains = async (own: string) => {
    const client = await openSocket(own, { url });
    let previous: unknown;
    for (let turn = 0; turn < 5; turn++) {
      client.create({ input: "x", store: turn % 2 === 0, previous_response_id: previous });
      const end = (await client.answer()).at(-1);
      expect(end).toMatchObject({ type: "response.completed" });
      previous = (end as { response: Json }).response["id"];
      whole += 1;
    }
    client.ws.close();
    await client.closed;
  };
  const leaves = async () => {
    const client = await openSocket(key, { url });
    client.create({ input: "much" });
    await client.next();
    client.ws.terminate();
  };
  const doesNotRead = async () => {
    const client = await openSocket(plain, { url });
    client.ws.pause();
    for (let lane = 0; lane < 20; lane++) client.create({ input: "much", stream_id: `l${lane}` });
    await pause(300);
    client.ws.terminate();
  };
  const floods = async () => {
    const client = await openSocket(plain, { url });
    client.ws.pause();
    for (let sent = 0; sent < 2000; sent++) client.ws.send("{");
    await pause(200);
    client.ws.terminate();
  };
  const talksNonsense = async () => {
    const client = await openSocket(plain, { url });
    client.ws.send(Buffer.from([1, 2, 3]));
    expect(await client.closed).toMatchObject({ code: 1003 });
  };
  const isRefused = async () =>
    expect(openSocket("sk-proxy-wrong", { url })).rejects.toThrow("401");
  const cuts = async () => {
    const { hostname, port } = new URL(url);
    const head =
      `GET /v1/responses HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${plain}\r\n` +
      "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n" +
      "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    const socket = connect(Number(port), hostname, () => socket.write(head));
    socket.on("error", () => undefined);
    await pause(Math.random() * 20);
    socket.resetAndDestroy();
  };
  const kinds = [() => chains(key), () => chains(plain), leaves, doesNotRead, floods];
  const all = [...kinds, talksNonsense, isRefused, cuts];
  const rage = async (ms: number) => {
    const until = performance.now() + ms;
    const client = async (first: number) => {
      for (let turn = first; performance.now() < until; turn += 1) await all[turn % all.length]?.();
    };
    await Promise.all(all.map((_, index) => client(index)));
    await pause(1000);
  };
  const lengthMs = stormLength({ ci: 3000, soak: 1_200_000 });
  await rage(lengthMs / 3);
  const early = held();
  await rage((lengthMs * 2) / 3);
  const late = held();
  expect(whole).toBeGreaterThan(10);
  expect(late.descriptors - early.descriptors).toBeLessThan(60);
  expect(late.megabytes).toBeLessThan(early.megabytes * 1.5 + 150);
  expect(proxy.output.filter((line) => line.includes('"level":50'))).toEqual([]);
});
