import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callMcpTool, listMcpTools, type McpPlatform } from "../../src/tools/mcp/mcp-client.ts";
import { MEASURED } from "../helpers/measured.ts";
import { command, messageOf, platformWith } from "./mcp-platform.ts";
import {
  FAULTY_SERVER,
  makeWorkplace,
  membersOf,
  processesWith,
  runSidecar,
  until,
  type RunningSidecar,
} from "./run-sidecar.ts";

const signal = new AbortController().signal;
let sidecar: RunningSidecar;
let platform: McpPlatform;

beforeAll(async () => {
  sidecar = await runSidecar({
    MCP_SIDECAR_START_LIMIT_MS: "1500",
    MCP_SIDECAR_MAX_MESSAGE_BYTES: "1000000",
  });
  platform = platformWith(() => Promise.resolve(sidecar));
});
afterAll(() => sidecar.end());

const call = (
  fault: string,
  toolName: string,
  more: Partial<Parameters<typeof callMcpTool>[1]> = {},
) =>
  callMcpTool(platform, {
    target: command(`npx faulty-server ${fault}`),
    toolName,
    args: {},
    signal,
    timeoutMs: 10_000,
    ...more,
  });

describe("an MCP server that fails", () => {
  it("by exiting at once is reported with its exit code, its last output, and when it is tried again, never with its secrets", async () => {
    const target = command("npx faulty-server exit-at-once", { SECRET: "hunter2" });
    const message = await messageOf(call("", "echo", { target }));
    expect(message).toMatch(
      /^The MCP server `npx faulty-server` could not be started: exit code 3\. It will be tried again in 0\.\d s\. Its last output: config: \[SECRET\]\ncannot open the database$/,
    );
    const server = (await sidecar.servers()).find(({ state }) => state === "failed");
    expect(server).toMatchObject({
      command: "npx faulty-server",
      pid: null,
      lastError: expect.stringContaining("exit code 3"),
    });
    expect(JSON.stringify(await sidecar.servers())).not.toContain("hunter2");
  });

  it("again and again is left alone for longer each time", MEASURED, async () => {
    const target = command("npx faulty-server exit-at-once again");
    await messageOf(call("", "echo", { target }));
    await messageOf(call("", "echo", { target }));
    await messageOf(call("", "echo", { target }));
    const startedAt = performance.now();
    expect(await messageOf(call("", "echo", { target }))).toMatch(
      /exit code 3\. It will be tried again in (?:1\.[5-9]|2\.0) s\./,
    );
    expect(performance.now() - startedAt).toBeLessThan(500);
  });

  it("by saying nothing is given up at the start limit", async () => {
    expect(await messageOf(call("silent", "echo"))).toContain(
      "could not be started: it did not answer within 1.5 s.",
    );
    await until(
      "the silent server is gone",
      () => processesWith("faulty-server.js silent").length === 0,
    );
  });

  it("to keep its standard output clean still works, and the lines are counted", async () => {
    expect((await call("banner", "echo", { args: { a: 1 } })).text).toBe('{"a":1}');
    expect(
      (await sidecar.servers()).some(({ ignoredOutputLines }) => ignoredOutputLines === 3),
    ).toBe(true);
  });

  it("in the middle of a call fails that call at once, and serves the next one", async () => {
    const startedAt = performance.now();
    const waiting = messageOf(call("", "never"));
    await until("the server runs", async () =>
      (await sidecar.servers()).some(({ callsInFlight }) => callsInFlight === 1),
    );
    const message = await messageOf(call("", "crash"));
    expect(message).toBe(
      "The MCP server `npx faulty-server` ended during the call: exit code 7. Its last output: out of cheese",
    );
    expect(await waiting).toBe(message);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    expect((await call("", "echo", { args: { back: true } })).text).toBe('{"back":true}');
  });

  it("to be killed from outside is an error that names the signal", async () => {
    const { text: pid } = await call("killed", "pid");
    const waiting = messageOf(call("killed", "never"));
    await until("the call arrived", async () =>
      (await sidecar.servers()).some(
        ({ pid: known, callsInFlight }) => known === Number(pid) && callsInFlight === 1,
      ),
    );
    process.kill(Number(pid), "SIGKILL");
    expect(await waiting).toContain("ended during the call: signal SIGKILL.");
  });

  it("with a protocol error is quoted", async () => {
    expect(await messageOf(call("", "refuse"))).toBe(
      "The MCP server `npx faulty-server` answered with an error: not today",
    );
  });

  it("with an answer over the size limit fails that call only", async () => {
    const { text: pid } = await call("", "pid");
    expect(await messageOf(call("", "huge"))).toContain("the answer is larger than 1000000 bytes");
    expect((await call("", "pid")).text).toBe(pid);
  });

  it("with one tool in its list that nobody can read does not hide the others, on whichever page they are", async () => {
    const tools = await listMcpTools(platform, {
      target: command("npx faulty-server"),
      signal,
      timeoutMs: 5_000,
    });
    expect(tools.map(({ name }) => name)).toEqual(["one", "no_schema", "two", "three"]);
    expect(tools.map(({ inputSchema }) => inputSchema["type"])).toEqual([
      "object",
      "object",
      "object",
      "object",
    ]);
  });

  it("to be installed is reported with the installer's own words", async () => {
    const target = command("uvx --offline no-such-mcp-server-for-tests");
    const message = await messageOf(call("", "echo", { target }));
    expect(message).toMatch(
      /^The MCP server `uvx no-such-mcp-server-for-tests` could not be started: exit code \d/,
    );
    expect(message).toContain("no-such-mcp-server-for-tests");
  });

  it("for want of the launcher says what to install", async () => {
    const bare = await runSidecar({ PATH: makeWorkplace() });
    const failing = callMcpTool(
      platformWith(() => Promise.resolve(bare)),
      { target: command("uvx some-server"), toolName: "x", args: {}, signal, timeoutMs: 5_000 },
    );
    expect(await messageOf(failing)).toContain(
      "uvx is not installed where the MCP sidecar runs (it comes with `pip install uv`).",
    );
    await bare.end();
  });

  it("to heed SIGTERM is killed with all its descendants, below npx too", async () => {
    const own = await runSidecar();
    const reach = platformWith(() => Promise.resolve(own));
    const target = command(`npx ${FAULTY_SERVER} immortal`);
    expect(
      (
        await callMcpTool(reach, {
          target,
          toolName: "echo",
          args: { x: 1 },
          signal,
          timeoutMs: 30_000,
        })
      ).text,
    ).toBe('{"x":1}');
    const [server] = await own.servers();
    const group = Number(server?.["pid"]);
    expect(membersOf(group).length).toBeGreaterThanOrEqual(3);
    await own.end();
    expect(membersOf(group)).toEqual([]);
  });
});

describe("a call that is given up", () => {
  it.each([true, false])(
    "reaches the server as a cancellation within 100 ms (shared connections: %s)",
    MEASURED,
    async (isShared) => {
      const heard = join(makeWorkplace(), "heard");
      const target = command(`npx faulty-server cancel "${heard}"`);
      const reach = isShared ? platform : { ...platform, connections: null };
      await callMcpTool(reach, { target, toolName: "pid", args: {}, signal, timeoutMs: 5_000 });
      const caller = new AbortController();
      const cancelled = messageOf(
        callMcpTool(reach, {
          target,
          toolName: "never",
          args: {},
          signal: caller.signal,
          timeoutMs: 5_000,
        }),
      );
      await until("the call arrived", async () =>
        (await sidecar.servers()).some(({ callsInFlight }) => callsInFlight === 1),
      );
      await new Promise((resolve) => setTimeout(resolve, 50));
      const abortedAt = Date.now();
      caller.abort(new Error("the client left"));
      expect(await cancelled).toBe("the client left");
      await until("the server heard of it", () => existsSync(heard));
      expect(Number(readFileSync(heard, "utf8").split(" ")[0]) - abortedAt).toBeLessThan(100);
      rmSync(heard);
    },
  );

  it("for its time limit says so, and is cancelled at the server", MEASURED, async () => {
    const heard = join(makeWorkplace(), "heard");
    const target = command(`npx faulty-server limit "${heard}"`);
    const startedAt = performance.now();
    expect(await messageOf(call("", "never", { target, timeoutMs: 700 }))).toBe(
      "The tool never of the MCP server `npx faulty-server` took longer than 0.7 s and was cancelled.",
    );
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    await until("the server heard of it", () => existsSync(heard));
  });

  it("before it began is not made", async () => {
    expect(
      await messageOf(call("", "echo", { signal: AbortSignal.abort(new Error("too late")) })),
    ).toBe("too late");
  });
});
