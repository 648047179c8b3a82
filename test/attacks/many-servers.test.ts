/**
 * More MCP servers at once than may run, some of which hang, flood, crash or do not want to end.
 */
import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { callMcpTool } from "../../src/tools/mcp/mcp-client.ts";
import { stormLength } from "../helpers/storm-length.ts";
import { command, platformWith } from "../sidecar/mcp-platform.ts";
import { processesWith, runSidecar } from "../sidecar/run-sidecar.ts";

const signal = new AbortController().signal;
const MAX_PROCESSES = 4;

/** Children of a process that have ended, and that it has not reaped. */
function zombiesOf(parent: number): number {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const [state, itsParent] = readFileSync(`/proc/${name}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      return state === "Z" && Number(itsParent) === parent;
    } catch {
      // It has ended since it was listed.
      return false;
    }
  }).length;
}

it("each call has its outcome in time, and no process is left, alive or dead", async () => {
  const sidecar = await runSidecar({
    MCP_SIDECAR_MAX_PROCESSES: String(MAX_PROCESSES),
    MCP_SIDECAR_START_LIMIT_MS: "20000",
  });
  const platform = platformWith(() => Promise.resolve(sidecar));
  const ways = ["echo", "never", "endless", "crash", "spam"] as const;
  const call = async (index: number): Promise<string> => {
    const toolName = ways[index % ways.length] ?? "echo";
    // Every third one leaves children that do not heed SIGTERM.
    const kind = index % 3 === 0 ? "immortal" : "storm";
    const target = command(`npx faulty-server ${kind} ${index}`);
    try {
      await callMcpTool(platform, { target, toolName, args: {}, signal, timeoutMs: 15_000 });
      return "result";
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  const count = stormLength({ ci: 12, soak: 100 });
  const startedAt = performance.now();
  const outcomes = await Promise.all(Array.from({ length: count }, (_, index) => call(index)));
  expect(outcomes).toContain("result");
  expect(outcomes.filter((outcome) => outcome === "")).toEqual([]);
  expect(performance.now() - startedAt).toBeLessThan(60_000);
  expect((await sidecar.servers()).filter(({ pid }) => pid !== null).length).toBeLessThanOrEqual(
    MAX_PROCESSES,
  );
  expect(zombiesOf(sidecar.child.pid ?? 0)).toBe(0);
  const alive = command("npx faulty-server storm afterwards");
  const answer = await callMcpTool(platform, {
    target: alive,
    toolName: "echo",
    args: { x: 1 },
    signal,
    timeoutMs: 30_000,
  });
  expect(answer.text).toBe('{"x":1}');
  await sidecar.end();
  expect(processesWith(`${sidecar.cwd}/`)).toEqual([]);
});
