import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BusyFailure } from "../../src/tools/limit-calls.ts";
import { callMcpTool, type McpPlatform } from "../../src/tools/mcp/mcp-client.ts";
import { command, messageOf, platformWith } from "./mcp-platform.ts";
import { makeWorkplace, runSidecar, until, type RunningSidecar } from "./run-sidecar.ts";

const signal = new AbortController().signal;
let sidecar: RunningSidecar;
let platform: McpPlatform;

beforeAll(async () => {
  sidecar = await runSidecar({
    MCP_SIDECAR_MAX_CALLS: "2",
    MCP_SIDECAR_MAX_QUEUE: "2",
    MCP_SIDECAR_CALL_LIMIT_MS: "1500",
  });
  platform = platformWith(() => Promise.resolve(sidecar));
});
afterAll(() => sidecar.end());

type Call = Partial<Omit<Parameters<typeof callMcpTool>[1], "target">>;
const call = (line: string, more: Call) =>
  callMcpTool(platform, {
    target: command(`npx faulty-server ${line}`),
    toolName: "slow",
    args: { ms: 400 },
    signal,
    timeoutMs: 10_000,
    ...more,
  });
const busiest = async () =>
  (await sidecar.servers()).toSorted((a, b) => Number(b["queued"]) - Number(a["queued"]))[0];

describe("a server that has enough to do", () => {
  it("gets no more than its calls at a time; the next ones wait, and over the queue's end the error says busy", async () => {
    await call("busy", { toolName: "pid" });
    const calls = [1, 2, 3, 4].map(() => call("busy", {}));
    await until("two are waiting", async () => (await busiest())?.["queued"] === 2);
    expect(await busiest()).toMatchObject({ callsInFlight: 2, queued: 2 });
    const refused: unknown = await call("busy", {}).catch((error: unknown) => error);
    // As no failure of the tool: a tool that fails three times is withdrawn from its turn.
    expect(refused).toBeInstanceOf(BusyFailure);
    expect((refused as Error).message).toBe(
      "The MCP server `npx faulty-server` is busy: 2 calls are running and 2 are waiting, which is the limit. Try again later.",
    );
    const spans = (await Promise.all(calls)).map(
      ({ text }) => JSON.parse(text) as { from: number; to: number },
    );
    for (const { from } of spans)
      expect(
        spans.filter((other) => other.from <= from && other.to > from).length,
      ).toBeLessThanOrEqual(2);
    expect(await busiest()).toMatchObject({ callsInFlight: 0, queued: 0, calls: 6 });
  });

  it("does not hold up another owner's", async () => {
    const calls = [1, 2].map(() => messageOf(call("held", { toolName: "never" })));
    const target = command("npx faulty-server held", {}, "somebody-else");
    expect(
      (
        await callMcpTool(platform, {
          target,
          toolName: "echo",
          args: { free: 1 },
          signal,
          timeoutMs: 1_000,
        })
      ).text,
    ).toBe('{"free":1}');
    await Promise.all(calls);
  });

  it("never hears of a call that was taken back while it waited", async () => {
    const heard = join(makeWorkplace(), "heard");
    const line = `left "${heard}"`;
    await call(line, { toolName: "pid" });
    const running = [1, 2].map(() => call(line, {}));
    await until("two are running", async () =>
      (await sidecar.servers()).some(({ callsInFlight }) => callsInFlight === 2),
    );
    const caller = new AbortController();
    const waiting = messageOf(call(line, { toolName: "crash", signal: caller.signal }));
    await until("one is waiting", async () => (await busiest())?.["queued"] === 1);
    caller.abort(new Error("the client left"));
    expect(await waiting).toBe("the client left");
    await until("nobody is waiting", async () => (await busiest())?.["queued"] === 0);
    await Promise.all(running);
    expect((await call(line, { toolName: "pid" })).text).toMatch(/^\d+$/);
    expect(existsSync(heard)).toBe(false);
  });

  it("is busy for whoever waits longer than a call may take", async () => {
    await call("full", { toolName: "pid" });
    const running = [1, 2].map(() => messageOf(call("full", { toolName: "never" })));
    await until("two are running", async () =>
      (await sidecar.servers()).some(({ callsInFlight }) => callsInFlight === 2),
    );
    const [first, second] = await Promise.all([
      messageOf(call("full", { args: { ms: 1_400 } })),
      messageOf(call("full", { args: { ms: 1_400 } })),
    ]);
    expect([first, second]).toEqual(
      [1, 2].map(() =>
        expect.stringMatching(/is busy: the call waited 1\.5 s for its turn|timed out/),
      ),
    );
    expect(await Promise.all(running)).toEqual(
      [1, 2].map(() => expect.stringContaining("timed out")),
    );
  });
});
