import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { Circuit } from "../../mcp-sidecar/circuit.ts";
import { readSidecarConfig } from "../../mcp-sidecar/config.ts";
import { createLog } from "../../mcp-sidecar/log.ts";
import { ProcessLedger } from "../../mcp-sidecar/process-ledger.ts";
import { ServerRegistry } from "../../mcp-sidecar/server-registry.ts";
import { callMcpTool, type McpPlatform } from "../../src/tools/mcp/mcp-client.ts";
import { identifyServer } from "../../src/tools/mcp/server-command.ts";
import { command, messageOf, platformWith } from "./mcp-platform.ts";
import {
  FAULTY_SERVER,
  makeWorkplace,
  runSidecar,
  until,
  type RunningSidecar,
} from "./run-sidecar.ts";

describe("a circuit", () => {
  let now = 0;
  const after = (ms: number) => (now += ms);
  const fresh = () => new Circuit(() => now);
  const failTimes = (circuit: Circuit, times: number) => {
    for (let count = 0; count < times; count += 1) circuit.failed(0);
  };

  it("lets wait for twice as long after each failure, less up to a fifth by chance", () => {
    const waits = new Set<number>();
    for (let round = 0; round < 50; round += 1) {
      const circuit = fresh();
      expect([circuit.waitMs, circuit.retryAt]).toEqual([0, null]);
      for (const most of [500, 1_000, 2_000, 4_000]) {
        circuit.failed(0);
        expect(circuit.waitMs).toBeLessThanOrEqual(most);
        expect(circuit.waitMs).toBeGreaterThanOrEqual(most * 0.8);
      }
      waits.add(circuit.waitMs);
    }
    expect(waits.size).toBeGreaterThan(1);
  });

  it("opens after 5 failures within 5 minutes, for a minute, after which one try decides", () => {
    const circuit = fresh();
    failTimes(circuit, 4);
    expect(circuit.isOpen).toBe(false);
    circuit.failed(0);
    expect(circuit.isOpen).toBe(true);
    expect(circuit.waitMs).toBeGreaterThanOrEqual(48_000);
    after(60_000);
    expect([circuit.waitMs, circuit.isOpen]).toEqual([0, true]);
    circuit.failed(29_000);
    expect(circuit.waitMs).toBeGreaterThanOrEqual(48_000);
    after(60_000);
    circuit.failed(30_000);
    expect([circuit.isOpen, circuit.failures]).toEqual([false, 1]);
    expect(circuit.waitMs).toBeLessThanOrEqual(500);
  });

  it("forgets failures after 5 minutes", () => {
    const circuit = fresh();
    failTimes(circuit, 4);
    after(300_000);
    circuit.failed(0);
    expect([circuit.isOpen, circuit.failures]).toEqual([false, 1]);
  });
});

describe("a server whose circuit is half open", () => {
  afterEach(() => vi.useRealTimers());

  it("is tried by one, while all others are told so at once; and serves everybody when that was a success", async () => {
    const workplace = makeWorkplace();
    const broken = join(workplace, "broken");
    writeFileSync(broken, "");
    const log = createLog("silent");
    const config = readSidecarConfig({ MCP_SIDECAR_TOKEN: "unused" });
    const ledger = new ProcessLedger(join(workplace, "state"), log);
    const registry = new ServerRegistry({ config, log, ledger, users: null });
    const definition = {
      command: "npx",
      args: [FAULTY_SERVER, "exits-with", broken],
      env: {},
      owner: "",
    };
    const server = await registry.define(await identifyServer(definition), definition);
    vi.useFakeTimers({ toFake: ["performance"] });
    for (let failures = 1; failures <= 5; failures += 1) {
      vi.advanceTimersByTime(6_000);
      await expect(server.introduce()).rejects.toThrow("exit code 3");
    }
    await expect(server.introduce()).rejects.toThrow(
      /It will be tried again in (?:4[89]|5\d|60)\.\d s/,
    );
    vi.advanceTimersByTime(60_000);
    await expect(server.introduce()).rejects.toThrow("exit code 3");
    await expect(server.introduce()).rejects.toThrow("It will be tried again in");
    vi.advanceTimersByTime(60_000);
    rmSync(broken);
    const first = server.introduce();
    const others = await Promise.allSettled([server.introduce(), server.introduce()]);
    for (const other of others)
      expect(other).toMatchObject({
        reason: { message: expect.stringContaining("is just being tried again") },
      });
    await first;
    await Promise.all([server.introduce(), server.introduce()]);
    expect(server.state).toBe("running");
    await registry.close();
  });
});

describe("a server that fails 5 times", () => {
  const signal = new AbortController().signal;
  let sidecar: RunningSidecar;
  let platform: McpPlatform;
  beforeAll(async () => {
    sidecar = await runSidecar();
    platform = platformWith(() => Promise.resolve(sidecar));
  });
  afterAll(() => sidecar.end());

  it(
    "is left alone for a minute, the others meanwhile work, and an operator's restart ends it",
    { timeout: 40_000 },
    async () => {
      const broken = join(makeWorkplace(), "broken");
      writeFileSync(broken, "");
      const target = command(`npx faulty-server exits-with "${broken}"`);
      const call = () =>
        messageOf(
          callMcpTool(platform, { target, toolName: "pid", args: {}, signal, timeoutMs: 5_000 }),
        );
      const server = async () =>
        (await sidecar.servers()).find(({ lastError }) => lastError !== null);
      const mayBeTried = async () => {
        const retryAt = (await server())?.["retryAt"];
        return typeof retryAt !== "string" || Date.parse(retryAt) <= Date.now();
      };
      for (let failures = 1; failures <= 5; failures += 1) {
        await until("it may be tried again", mayBeTried, 10_000);
        expect(await call()).toContain("exit code 3");
      }
      const startedAt = performance.now();
      expect(await call()).toMatch(
        /exit code 3\. It will be tried again in (?:4[89]|5\d|60)\.\d s\./,
      );
      expect(performance.now() - startedAt).toBeLessThan(500);
      const open = await server();
      expect(Date.parse(String(open?.["retryAt"])) - Date.now()).toBeGreaterThan(45_000);
      const other = {
        target: command("npx faulty-server other"),
        toolName: "echo",
        args: { fine: 1 },
        signal,
        timeoutMs: 5_000,
      };
      expect((await callMcpTool(platform, other)).text).toBe('{"fine":1}');
      rmSync(broken);
      expect(
        (await sidecar.request(`/servers/${String(open?.["id"])}/restart`, { method: "POST" }))
          .status,
      ).toBe(200);
      expect(
        (
          await callMcpTool(platform, {
            target,
            toolName: "pid",
            args: {},
            signal,
            timeoutMs: 5_000,
          })
        ).text,
      ).toMatch(/^\d+$/);
    },
  );
});
