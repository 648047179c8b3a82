/** What servers list and send that others cannot cope with. */
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callMcpTool, listMcpTools, type McpPlatform } from "../../src/tools/mcp/mcp-client.ts";
import { command, messageOf, platformWith } from "./mcp-platform.ts";
import {
  makeWorkplace,
  memoryOf,
  processesWith,
  runSidecar,
  until,
  type RunningSidecar,
} from "./run-sidecar.ts";

const signal = new AbortController().signal;
let sidecar: RunningSidecar;
let platform: McpPlatform;

beforeAll(async () => {
  // A small heap: left alone, the collector lets garbage lie that says nothing of what is kept.
  sidecar = await runSidecar({ NODE_OPTIONS: "--max-semi-space-size=2 --max-old-space-size=64" });
  platform = platformWith(() => Promise.resolve(sidecar));
});
afterAll(() => sidecar.end());

const call = (fault: string, toolName: string, args: Record<string, unknown> = {}) =>
  callMcpTool(platform, {
    target: command(`npx faulty-server ${fault}`),
    toolName,
    args,
    signal,
    timeoutMs: 20_000,
  });
const list = async (line: string, more: { mustBeOfNow?: boolean } = {}) =>
  (await listMcpTools(platform, { target: command(line), signal, timeoutMs: 20_000, ...more })).map(
    ({ name }) => name,
  );

describe("a list of tools", () => {
  it("keeps the first of two tools of one name, long and odd names, and leaves out what runs as a task only", async () => {
    const names = ["twice", "a".repeat(100), "dotted.and/slashed name"];
    const tools = await listMcpTools(platform, {
      target: command("npx faulty-server names"),
      signal,
      timeoutMs: 5_000,
    });
    expect(tools.map(({ name }) => name)).toEqual(names);
    expect(tools[0]?.description).toBe("the first");
    for (const name of names.slice(1)) expect((await call("names", name)).text).toBe(name);
  });

  it("is still there when its server cannot be asked any more", async () => {
    const broken = join(makeWorkplace(), "broken");
    const line = `npx faulty-server exits-with "${broken}"`;
    const before = await list(line);
    expect(before).toContain("one");
    writeFileSync(broken, "");
    const running = (await sidecar.servers()).find(
      ({ state, calls }) => state === "running" && calls === 0,
    );
    process.kill(Number(running?.["pid"]), "SIGKILL");
    await until("its death is noticed", async () =>
      (await sidecar.servers()).some(
        ({ id, state }) => id === running?.["id"] && state === "failed",
      ),
    );
    expect(await list(line)).toEqual(before);
    // Who asks whether the server has changed must not be told that it has not.
    expect(await messageOf(list(line, { mustBeOfNow: true }))).toContain(
      "The MCP server `npx faulty-server` ",
    );
    rmSync(broken);
  });

  it("is served from memory after 5 s, when its server does not answer", async () => {
    const answers = join(makeWorkplace(), "answers");
    writeFileSync(answers, "");
    const line = `npx faulty-server deaf-list "${answers}"`;
    const before = await list(line);
    rmSync(answers);
    const startedAt = performance.now();
    expect(await list(line)).toEqual(before);
    expect(performance.now() - startedAt).toBeGreaterThan(4_500);
    expect(performance.now() - startedAt).toBeLessThan(8_000);
  });
});

describe("a server that writes too much", () => {
  it("in one answer of 50 MB loses that answer, and nothing else", async () => {
    const { text: pid } = await call("big", "pid");
    expect(await messageOf(call("big", "huge", { bytes: 50_000_000 }))).toContain(
      "the answer is larger than 10485760 bytes",
    );
    expect((await call("big", "pid")).text).toBe(pid);
  });

  it.each([
    [
      "chatter",
      "flooded its standard output, which is for MCP messages alone, with other lines (a log belongs to standard error)",
    ],
    ["spam", "flooded its clients with notifications or requests"],
    ["endless", "wrote a line of more than 167772160 bytes to its standard output"],
  ])("by %s is ended, and the error says why", async (tool, reason) => {
    await call(tool, "pid");
    const before = memoryOf(sidecar.child.pid ?? 0);
    const message = await messageOf(call(tool, tool));
    expect(message).toContain(
      `The MCP server \`npx faulty-server\` ended during the call: the sidecar ended it because it ${reason}.`,
    );
    expect(message.length).toBeLessThan(1_500);
    await until("it is gone", () => processesWith(`faulty-server.js ${tool}`).length === 0);
    // Megabytes: 160 MB came in, and what is kept is a message's limit and a few chunks that are
    // not collected yet.
    expect(memoryOf(sidecar.child.pid ?? 0) - before).toBeLessThan(60);
    expect((await call(tool, "pid")).text).toMatch(/^\d+$/);
  });
});

describe("a launcher", () => {
  it("that is slow is waited for, and nobody starts it twice", async () => {
    const startedAt = performance.now();
    const pids = await Promise.all([1, 2, 3].map(() => call("slow-start", "pid")));
    expect(performance.now() - startedAt).toBeGreaterThan(800);
    expect(new Set(pids.map(({ text }) => text)).size).toBe(1);
  });

  it("named uvx is found on the path, and gets its arguments as they were written", async () => {
    const directory = makeWorkplace();
    const seen = join(directory, "seen");
    const uvx = join(directory, "uvx");
    const server = join(directory, "node_modules/faulty-server/faulty-server.js");
    writeFileSync(
      uvx,
      `#!/bin/sh\nprintf '%s\\n' "$@" > "${seen}"\nexec "${process.execPath}" "${server}" uvx\n`,
    );
    chmodSync(uvx, 0o755);
    const own = await runSidecar({ PATH: `${directory}:${process.env["PATH"]}` });
    const target = command(`uvx --from "a package" run-it 'x; touch ${seen}-2'`);
    const reach = platformWith(() => Promise.resolve(own));
    expect(
      (await callMcpTool(reach, { target, toolName: "pid", args: {}, signal, timeoutMs: 5_000 }))
        .text,
    ).toMatch(/^\d+$/);
    expect(readFileSync(seen, "utf8")).toBe(`--from\na package\nrun-it\nx; touch ${seen}-2\n`);
    expect(existsSync(`${seen}-2`)).toBe(false);
    await own.end();
  });
});
