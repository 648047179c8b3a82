/**
 * `node bench/sidecar.ts [calls]`: what a warm call of an MCP tool takes at the server itself,
 * through the sidecar, and as the proxy makes it. All in turns in one run; see README.md.
 */
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { Memory } from "../src/memory.ts";
import { startSidecar } from "../src/node/sidecar-process.ts";
import { callMcpTool, type McpPlatform } from "../src/tools/mcp/mcp-client.ts";
import { identifyServer, parseServerCommand } from "../src/tools/mcp/server-command.ts";
import { describeMachine } from "./print-report.ts";

const ROOT = join(import.meta.dirname, "..");
const COMMAND = "npx @modelcontextprotocol/server-everything";
const SCRIPT = join(ROOT, "node_modules/@modelcontextprotocol/server-everything/dist/index.js");
const WARM_UP = 100;
const GOAL_MS = 3;
const ECHO = { name: "echo", arguments: { message: "hello" } };

const silent = { error() {}, warn() {}, info() {}, debug() {} };
const newClient = () => new Client({ name: "bench", version: "1" });
const percentile = (values: number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? NaN;

/** A way to make one call. */
type Way = () => Promise<unknown>;

async function openWays(
  sidecar: ReturnType<typeof startSidecar>,
): Promise<{ ways: Record<string, Way>; close(): Promise<void> }> {
  const direct = newClient();
  await direct.connect(
    new StdioClientTransport({ command: process.execPath, args: [SCRIPT], stderr: "ignore" }),
  );
  const { url, token } = await sidecar.endpoint();
  const definition = { ...parseServerCommand(COMMAND), env: {}, owner: "" };
  const server = `${url}/servers/${await identifyServer(definition)}`;
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  await fetch(server, { method: "PUT", headers, body: JSON.stringify(definition) });
  const through = newClient();
  await through.connect(
    new StreamableHTTPClientTransport(new URL(`${server}/mcp`), { requestInit: { headers } }),
  );
  const platform = platformOf(sidecar);
  const call = {
    target: { kind: "command", command: COMMAND, env: {}, owner: "" },
    toolName: ECHO.name,
    args: ECHO.arguments,
    signal: new AbortController().signal,
    timeoutMs: 10_000,
  } as const;
  const ways = {
    "SDK at the server (stdio)": () => direct.callTool(ECHO),
    "SDK through the sidecar": () => through.callTool(ECHO),
    "as the proxy calls it": () => callMcpTool(platform, call),
  };
  return { ways, close: async () => void (await Promise.all([direct.close(), through.close()])) };
}

/** The parts of the proxy's platform that a call of a tool takes. */
function platformOf(sidecar: ReturnType<typeof startSidecar>): McpPlatform {
  const memory = new Memory();
  return {
    config: { host: "127.0.0.1", environment: "development", mcpAllowedPrivateHosts: [] },
    fetch: globalThis.fetch,
    fetchGuarded: globalThis.fetch,
    sidecar: () => sidecar.endpoint(),
    connections: memory,
    logger: silent,
    memory,
  };
}

async function measure(ways: Record<string, Way>, calls: number): Promise<Map<string, number[]>> {
  const times = new Map(Object.keys(ways).map((name) => [name, [] as number[]]));
  for (let count = 0; count < WARM_UP + calls; count += 1) {
    for (const [name, way] of Object.entries(ways)) {
      const startedAt = performance.now();
      await way();
      if (count >= WARM_UP) times.get(name)?.push(performance.now() - startedAt);
    }
  }
  return times;
}

function print(times: Map<string, number[]>): void {
  const [alone = []] = times.values();
  const { date, node, cpu } = describeMachine();
  console.log(`${date} · Node ${node} · ${cpu}\n`);
  console.log(
    `| call | p50 ms | p90 ms | added, p50 ms | goal: < ${GOAL_MS} |\n| --- | ---: | ---: | ---: | --- |`,
  );
  for (const [name, taken] of times) {
    const added = percentile(
      taken.map((time, index) => time - (alone[index] ?? NaN)),
      0.5,
    );
    const verdict = added < GOAL_MS ? "met" : "MISSED";
    const figures = [percentile(taken, 0.5), percentile(taken, 0.9), added].map((figure) =>
      figure.toFixed(2),
    );
    console.log(`| ${name} | ${figures.join(" | ")} | ${taken === alone ? "" : verdict} |`);
  }
}

const sidecar = startSidecar({ sidecarUrl: null, sidecarToken: null, logLevel: "error" }, silent);
try {
  const { ways, close } = await openWays(sidecar);
  print(await measure(ways, Number(process.argv[2] ?? 1_000)));
  await close();
} finally {
  await sidecar.close();
}
