import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { servedTool, startChangeableServer } from "../helpers/changeable-server.ts";
import { startRounds } from "../helpers/mixed-upstream.ts";
import { askOfficially } from "../helpers/own-client.ts";
import { adminCall } from "../helpers/own-proxy.ts";
import { faultyTool, keyWithTools } from "../helpers/own-tools.ts";
import { startReplicas, type Replicas } from "../helpers/replicas.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";
import { processesWith, runSidecar, TOKEN, type RunningSidecar } from "../sidecar/run-sidecar.ts";

let sidecar: RunningSidecar;
let started: Replicas<"one" | "other">;

beforeAll(async () => {
  sidecar = await runSidecar();
  const env = { MCP_SIDECAR_URL: sidecar.url, MCP_SIDECAR_TOKEN: TOKEN };
  started = await startReplicas({ one: { runtime: "node", env }, other: { runtime: "node", env } });
});
afterAll(async () => {
  await started.stop();
  await sidecar.end();
});

interface Shown {
  mcpChange: { to: { description: string } | null } | null;
  mcpCheckedAt: string | null;
}

const go = { messages: [{ role: "user", content: "go" }] };
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const read = (id = "") => adminCall<Shown>(started.at.one.url, `/tools/${id}`);
const isChecked = async (id = "") => (await read(id)).mcpCheckedAt !== null;

/** One turn in which the model calls these tools. */
async function turnWith(url: string, tools: Parameters<typeof keyWithTools>[1]) {
  const calls = tools.map(({ name }, index) => ({ id: `c${index}`, name, arguments: "{}" }));
  const upstream = await startRounds({ calls }, { text: "done" });
  const { key, toolIds } = await keyWithTools(url, tools, { openaiBaseUrl: upstream.url });
  await askOfficially({ url, key }, go, false);
  return { key, toolIds, upstream };
}

describe("looking whether an MCP server has changed a tool", () => {
  it("starts no server that has died in the call", async () => {
    const { toolIds } = await turnWith(started.at.one.url, [
      faultyTool("crash", "dies-of-its-call", { mcpToolName: "crash" }),
    ]);
    await wait(2500);
    expect(processesWith("faulty-server.js dies-of-its-call")).toEqual([]);
    expect(await isChecked(toolIds[0])).toBe(false);
  });

  it("asks the process of the key that used it, and no other", async () => {
    const { toolIds } = await turnWith(started.at.one.url, [
      faultyTool("pid", "of-one-key", { mcpToolName: "pid" }),
    ]);
    await expect
      .poll(async () => (await read(toolIds[0])).mcpChange, { timeout: 10_000 })
      .toMatchObject({ to: null });
    expect(processesWith("faulty-server.js of-one-key")).toHaveLength(1);
  });

  it("reaches every replica: what is off on one is off on all within 5 s", async () => {
    const server = await startChangeableServer(servedTool("echo"));
    const { one, other } = started.at;
    const tool = {
      name: "replicated",
      type: "mcp",
      mcpServerUrl: server.url,
      mcpToolName: "echo",
      onMcpChange: "disable",
    };
    const { inputSchema: parameters, description } = servedTool("echo");
    const upstream = await startUpstream(completion({ content: "done" }));
    const { key, toolIds } = await keyWithTools(one.url, [{ ...tool, parameters, description }], {
      openaiBaseUrl: upstream.url,
    });
    const isOffered = async (url: string) => {
      await askOfficially({ url, key }, go, false);
      return upstream.requests.at(-1)?.json()["tools"] !== undefined;
    };
    expect([await isOffered(one.url), await isOffered(other.url)]).toEqual([true, true]);
    server.tools = [servedTool("echo", "changed")];
    const answer = await adminCall<Shown>(other.url, `/tools/${toolIds[0]}/check`, {});
    expect(answer.mcpChange).toMatchObject({ to: { description: "changed" } });
    expect(await isOffered(other.url)).toBe(false);
    await expect.poll(() => isOffered(one.url), { timeout: 5000, interval: 250 }).toBe(false);
  });

  it("fails no call while the database is away", async () => {
    const server = await startChangeableServer(servedTool("echo"));
    const { url, wire } = started.at.other;
    const tool = {
      name: "without_database",
      type: "mcp",
      mcpServerUrl: server.url,
      mcpToolName: "echo",
    };
    const call = { id: "c0", name: tool.name, arguments: "{}" };
    const upstream = await startRounds({ text: "hello" }, { calls: [call] }, { text: "done" });
    const { key, toolIds } = await keyWithTools(url, [tool], { openaiBaseUrl: upstream.url });
    await askOfficially({ url, key }, go, false);
    wire.cut();
    const turn = await askOfficially({ url, key }, go, false);
    expect(turn.message.content).toBe("done");
    await wait(2000);
    const isNoted = await isChecked(toolIds[0]);
    wire.mend();
    expect(isNoted).toBe(false);
  });
});
