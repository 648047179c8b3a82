/**
 * A stream in which nothing happens for long. The proxy's heart beats every 10 s, so all cases run
 * at the same time.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { payloadsOf } from "../helpers/chat-turn.ts";
import { startRounds } from "../helpers/mixed-upstream.ts";
import { askOfficially, conversationTitled } from "../helpers/own-client.ts";
import { faultyTool, keyWithTools } from "../helpers/own-tools.ts";
import { startReplicas, type Replicas } from "../helpers/replicas.ts";
import { chunk, startUpstream, type Answer } from "../helpers/upstream.ts";
import {
  makeWorkplace,
  runSidecar,
  TOKEN,
  until,
  type RunningSidecar,
} from "../sidecar/run-sidecar.ts";

type Runtime = "node" | "workerd";

let sidecar: RunningSidecar;
let started: Replicas<Runtime>;

beforeAll(async () => {
  sidecar = await runSidecar();
  const env = { MCP_SIDECAR_URL: sidecar.url, MCP_SIDECAR_TOKEN: TOKEN };
  started = await startReplicas({
    node: { runtime: "node", env },
    workerd: { runtime: "workerd", env },
  });
});
afterAll(async () => {
  await started.stop();
  await sidecar.end();
});

/** Longer than one beat, shorter than two. */
const QUIET_MS = 11_000;
/** A machine that runs all tests at once may stall for longer than two beats. */
const LEAVING_MS = 5000;
const BEAT = ": keep-alive";
const go = { messages: [{ role: "user", content: "go" }] };

/** Asks with the official client; gives what it made of the stream, and the stream. */
async function askSeeingBytes(
  url: string,
  key: string,
): Promise<{ content: string | null; events: string[] }> {
  let bytes = Promise.resolve("");
  const seeing: typeof fetch = async (...request) => {
    const response = await fetch(...request);
    const [seen, read] = (response.body ?? new Blob().stream()).tee();
    bytes = new Response(seen).text();
    return new Response(read, response);
  };
  const { message } = await askOfficially({ url, key, fetch: seeing }, go, true);
  const text = await bytes;
  expect(payloadsOf(text).at(-1)).toBe("[DONE]");
  return { content: message.content, events: text.split("\n\n").slice(0, -1) };
}

/** A tool that takes longer than a beat: gives what came, in its order. */
async function slowTool(runtime: Runtime): Promise<string[]> {
  const { url } = started.at[runtime];
  const name = `slow_${runtime}`;
  const call = { id: "c1", name, arguments: JSON.stringify({ ms: QUIET_MS }) };
  const upstream = await startRounds(
    { text: "Let me look.", calls: [call] },
    { text: "Found it." },
  );
  const { key } = await keyWithTools(url, [faultyTool(name, runtime, { mcpToolName: "slow" })], {
    openaiBaseUrl: upstream.url,
  });
  const { content, events } = await askSeeingBytes(url, key);
  expect(content, runtime).toBe("Let me look.\n\nFound it.");
  const marks = { [BEAT]: "a beat", "Let me": "the text before", Found: "the text after" };
  const came = events.flatMap((event) =>
    Object.entries(marks).flatMap(([mark, name]) => (event.includes(mark) ? [name] : [])),
  );
  // On workerd the heart beats faster.
  return came.filter((name, index) => name !== "a beat" || came[index - 1] !== name);
}

/** A model that writes for longer than a beat. */
const writesOn: Answer = async (_request, response) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (
    const end = Date.now() + QUIET_MS;
    Date.now() < end;
    await new Promise((resolve) => setTimeout(resolve, 200))
  )
    response.write(`data: ${JSON.stringify(chunk({ content: "on " }))}\n\n`);
  response.end(`data: ${JSON.stringify(chunk({}, "stop"))}\n\ndata: [DONE]\n\n`);
};

/** Gives what came beside the text. */
async function longText(runtime: Runtime): Promise<string[]> {
  const { url } = started.at[runtime];
  const upstream = await startUpstream(writesOn);
  const tool = { name: `unused_${runtime}`, type: "function", implementation: "return 1;" };
  const { key } = await keyWithTools(url, [tool], { openaiBaseUrl: upstream.url });
  const { content, events } = await askSeeingBytes(url, key);
  expect(content?.length, runtime).toBeGreaterThan(60);
  return events.filter((event) => !event.startsWith("data: "));
}

/**
 * On workerd (`wrangler dev`) the proxy learns from its second write to a client that this one has
 * left, so that beats come every half second there.
 */
async function leavingWorkerd(): Promise<void> {
  const { url } = started.at.workerd;
  const heard = join(makeWorkplace(), "heard");
  const call = { id: "c1", name: "never", arguments: "{}" };
  const upstream = await startRounds(
    { text: "Let me look.", calls: [call] },
    { text: "Too late." },
  );
  const { key } = await keyWithTools(url, [faultyTool("never", `beat "${heard}"`)], {
    openaiBaseUrl: upstream.url,
  });
  const leave = new AbortController();
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({
      model: "gpt-4o",
      stream: true,
      messages: [{ role: "user", content: "leaves" }],
    }),
    signal: leave.signal,
  });
  await response.body?.getReader().read();
  // With those of the slow tools, whose servers are others.
  const calls = async () =>
    (await sidecar.servers()).filter(({ callsInFlight }) => callsInFlight === 1).length;
  await until("the call arrived", async () => (await calls()) === 3);
  leave.abort();
  await until("the server heard of it", () => existsSync(heard), LEAVING_MS);
  const detail = await conversationTitled(url, "leaves");
  expect(detail).toMatchObject({
    status: "cancelled",
    toolExecutions: [{ toolName: "never", error: "cancelled" }],
  });
  expect(detail.rounds).toMatchObject([{ status: "completed", tokensEstimated: false }]);
  expect(upstream.requests).toHaveLength(1);
}

describe("a stream that goes on for more than 10 s", () => {
  it("has a comment between two events while a tool runs, none while text comes, and tells workerd that its client has left", async () => {
    const runtimes: Runtime[] = ["node", "workerd"];
    const [slow, long] = await Promise.all([
      Promise.all(runtimes.map(slowTool)),
      Promise.all(runtimes.map(longText)),
      leavingWorkerd(),
    ]);
    expect(slow).toEqual(runtimes.map(() => ["the text before", "a beat", "the text after"]));
    expect(long).toEqual([[], []]);
  });
});
