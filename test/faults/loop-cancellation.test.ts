/**
 * On Node, where the proxy hears of it at once that a client has left. See also heartbeat.test.ts
 * and loop-cancelled.test.ts.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startRounds, tokensOf } from "../helpers/mixed-upstream.ts";
import { conversationTitled } from "../helpers/own-client.ts";
import { faultyTool, keyWithTools, tryTool } from "../helpers/own-tools.ts";
import { startReplicas, type Replicas } from "../helpers/replicas.ts";
import {
  makeWorkplace,
  runSidecar,
  TOKEN,
  until,
  type RunningSidecar,
} from "../sidecar/run-sidecar.ts";

let sidecar: RunningSidecar;
let started: Replicas<"proxy">;
let url: string;

beforeAll(async () => {
  sidecar = await runSidecar();
  const env = { MCP_SIDECAR_URL: sidecar.url, MCP_SIDECAR_TOKEN: TOKEN };
  started = await startReplicas({ proxy: { runtime: "node", env } });
  url = started.at.proxy.url;
});
afterAll(async () => {
  await started.stop();
  await sidecar.end();
});

/** It takes some 10 ms. A machine that runs all tests at once may stall for longer. */
const AT_ONCE_MS = 300;

/**
 * The sandbox starts its eight threads in 1.7 s while those that run keep two cores busy (2026-11).
 */
const ALL_BUSY_MS = 3000;

/** Asks; `leave` breaks the request off, and gives the time. */
function askAndLeave(
  key: string,
  content: string,
  stream: boolean,
): { leave(): number; left: Promise<string> } {
  const leave = new AbortController();
  const init = {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "gpt-4o", stream, messages: [{ role: "user", content }] }),
    signal: leave.signal,
  };
  const left = fetch(`${url}/v1/chat/completions`, init)
    .then((response) => response.text())
    .catch((error: Error) => error.name);
  return {
    left,
    leave: () => {
      leave.abort();
      return Date.now();
    },
  };
}

describe("a client that leaves while an MCP tool runs", () => {
  it.each([true, false])(
    "cancels it at its server at once, and the record says so (streamed: %s)",
    async (streamed) => {
      const heard = join(makeWorkplace(), "heard");
      const [title, name] = [`leaves (${streamed})`, `never_${streamed}`];
      const upstream = await startRounds(
        { text: "Let me look.", calls: [{ id: "c1", name, arguments: "{}" }] },
        { text: "Too late." },
      );
      const command = `cancel "${heard}"`;
      const tools = [
        faultyTool(name, command, { mcpToolName: "never" }),
        faultyTool(`echo_${streamed}`, command, { mcpToolName: "echo" }),
      ];
      const { key, toolIds } = await keyWithTools(url, tools, { openaiBaseUrl: upstream.url });
      // The server runs: a call that is cancelled before it does never gets there.
      expect(await tryTool(url, toolIds[1])).toBe("{}");
      const { left, leave } = askAndLeave(key, title, streamed);
      await until(
        "the call arrived",
        async () => (await sidecar.servers()).some(({ callsInFlight }) => callsInFlight === 1),
        15_000,
      );
      await new Promise((resolve) => setTimeout(resolve, 100));
      const leftAt = leave();
      expect(await left).toBe("AbortError");
      await until("the server heard of it", () => existsSync(heard));
      expect(Number(readFileSync(heard, "utf8").split(" ")[0]) - leftAt).toBeLessThan(AT_ONCE_MS);
      expect(readFileSync(heard, "utf8").trim().split("\n")).toHaveLength(1);

      const detail = await conversationTitled(url, title);
      expect(detail).toMatchObject({ status: "cancelled", turns: [{ status: "cancelled" }] });
      expect(detail.toolExecutions).toMatchObject([
        { toolName: name, round: 1, error: "cancelled", result: null },
      ]);
      expect(detail.rounds).toMatchObject([
        { round: 1, status: "completed", totalTokens: tokensOf(0).total, tokensEstimated: false },
      ]);
      expect(upstream.requests, "the model was not asked again").toHaveLength(1);
    },
  );
});

describe("a client that leaves while functions loop for ever", () => {
  const endless = (name: string) => ({
    name,
    type: "function",
    implementation: `while (true) {} // ${name}`,
    timeoutMs: 20_000,
  });

  it("has them ended at once, and the key's threads are free again", async () => {
    // One implementation can hold half of the threads only, and one key six of eight.
    const names = ["endless_one", "endless_other"];
    const callsOf = (count: number, nameOf: (index: number) => string) =>
      Array.from({ length: count }, (_, index) => ({
        id: `c${index}`,
        name: nameOf(index),
        arguments: "{}",
      }));
    const calls = callsOf(8, (index) => names[index % 2] ?? "");
    const quickCalls = callsOf(6, () => "quick");
    const rounds = [{ calls }, { calls: quickCalls }, { text: "Done." }];
    const upstream = await startRounds(...rounds);
    const quick = { name: "quick", type: "function", implementation: "return 'quick';" };
    const tools = [...names.map(endless), quick];
    const { key, toolIds } = await keyWithTools(url, tools, { openaiBaseUrl: upstream.url });
    expect(await tryTool(url, toolIds[2])).toBe("quick");

    const { left, leave } = askAndLeave(key, "loops", true);
    await expect.poll(() => upstream.requests.length).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, ALL_BUSY_MS));
    const leftAt = leave();
    expect(await left).toBe("AbortError");
    expect(await askAndLeave(key, "once more", false).left).toContain("Done.");
    expect(Date.now() - leftAt).toBeLessThan(3000);

    const { status, toolExecutions } = await conversationTitled(url, "loops");
    expect([status, toolExecutions.map(({ error }) => error)]).toEqual([
      "cancelled",
      calls.map(() => "cancelled"),
    ]);
    for (const { durationMs } of toolExecutions) expect(durationMs).toBeLessThan(10_000);
    expect(upstream.requests).toHaveLength(rounds.length);
  });
});
