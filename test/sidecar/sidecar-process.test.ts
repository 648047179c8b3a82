import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { startSidecar } from "../../src/node/sidecar-process.ts";
import { callMcpTool } from "../../src/tools/mcp/mcp-client.ts";
import { command, platformWith, SILENT } from "./mcp-platform.ts";
import { membersOf, runSidecar, TOKEN, until } from "./run-sidecar.ts";

const signal = new AbortController().signal;
const EVERYTHING = command("npx @modelcontextprotocol/server-everything");
const OWN = { sidecarUrl: null, sidecarToken: null, logLevel: "info" } as const;
const echo = (platform: Parameters<typeof callMcpTool>[0], message: string) =>
  callMcpTool(platform, {
    target: EVERYTHING,
    toolName: "echo",
    args: { message },
    signal,
    timeoutMs: 20_000,
  });

describe("a sidecar of the server's own", () => {
  it("is not told the server's secrets, and writes to the server's log", async () => {
    process.env["JWT_SECRET"] = "never-to-be-seen";
    const lines: string[] = [];
    const sidecar = startSidecar(OWN, { ...SILENT, info: (message) => lines.push(message) });
    await sidecar.endpoint();
    delete process.env["JWT_SECRET"];
    const { pid, status } = await sidecar.health();
    expect(status).toBe("ok");
    const environment = readFileSync(`/proc/${String(pid)}/environ`, "utf8");
    expect(environment).toContain("MCP_SIDECAR_TOKEN=by-channel");
    for (const secret of ["never-to-be-seen", (await sidecar.endpoint()).token])
      expect(environment).not.toContain(secret);
    await until("its log arrives", () => lines.includes("The MCP sidecar listens"));
    await sidecar.close();
    expect(await sidecar.health()).toMatchObject({ status: "down" });
  });

  it("is started again when it dies, and calls go on", async () => {
    const sidecar = startSidecar(OWN, SILENT);
    const platform = platformWith(() => sidecar.endpoint());
    expect((await echo(platform, "before")).text).toBe("Echo: before");
    const first = await sidecar.endpoint();
    process.kill(Number((await sidecar.health())["pid"]), "SIGKILL");
    await until(
      "its death is noticed",
      async () =>
        (await sidecar.health()).message?.includes(
          "it ended with signal SIGKILL and is being restarted",
        ) === true,
    );
    expect((await echo(platform, "after")).text).toBe("Echo: after");
    expect((await sidecar.endpoint()).token).not.toBe(first.token);
    await sidecar.close();
  });

  it("ends, and all its servers with it, when the server is killed", async () => {
    const module = (path: string) => JSON.stringify(fileURLToPath(new URL(path, import.meta.url)));
    const script = `
      import { startSidecar } from ${module("../../src/node/sidecar-process.ts")};
      import { callMcpTool } from ${module("../../src/tools/mcp/mcp-client.ts")};
      import { platformWith, SILENT } from ${module("./mcp-platform.ts")};
      const sidecar = startSidecar(${JSON.stringify(OWN)}, SILENT);
      const platform = platformWith(() => sidecar.endpoint());
      const target = ${JSON.stringify(EVERYTHING)};
      await callMcpTool(platform, { target, toolName: "echo", args: { message: "x" }, signal: new AbortController().signal, timeoutMs: 20000 });
      const { url, token } = await sidecar.endpoint();
      const { servers } = await (await fetch(url + "/servers", { headers: { authorization: "Bearer " + token } })).json();
      console.log(JSON.stringify({ sidecar: (await sidecar.health()).pid, server: servers[0].pid }));`;
    const server = spawn(process.execPath, ["--input-type=module-typescript", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const line = await new Promise<string>((resolve) =>
      createInterface({ input: server.stdout }).once("line", resolve),
    );
    const pids = JSON.parse(line) as { sidecar: number; server: number };
    expect(membersOf(pids.server)).toHaveLength(1);
    server.kill("SIGKILL");
    await until("the sidecar's servers are gone", () => membersOf(pids.server).length === 0);
    await until("the sidecar is gone", () => {
      try {
        return !readFileSync(`/proc/${pids.sidecar}/stat`, "utf8").includes(") S ");
      } catch {
        return true;
      }
    });
  });
});

describe("a sidecar that runs elsewhere", () => {
  it("is asked for its health, and the answer says what is wrong", async () => {
    const running = await runSidecar();
    const at = (sidecarUrl: string, sidecarToken: string) =>
      startSidecar({ ...OWN, sidecarUrl, sidecarToken }, SILENT);
    expect(await at(running.url, TOKEN).health()).toMatchObject({
      status: "ok",
      servers: { running: 0 },
    });
    expect(await at(running.url, "wrong").health()).toEqual({
      status: "down",
      message: expect.stringContaining("refuses the token"),
    });
    await running.end();
    expect(await at(running.url, TOKEN).health()).toEqual({
      status: "down",
      message: expect.stringContaining("cannot be reached"),
    });
  });

  it("may forget everything in a restart: the next call defines its server again", async () => {
    const first = await runSidecar();
    const sidecar = startSidecar({ ...OWN, sidecarUrl: first.url, sidecarToken: TOKEN }, SILENT);
    const platform = platformWith(() => sidecar.endpoint());
    expect((await echo(platform, "before")).text).toBe("Echo: before");
    await first.end();
    const failing = echo(platform, "meanwhile");
    await expect(failing).rejects.toThrow(
      /^The MCP server `npx @modelcontextprotocol\/server-everything` cannot be reached: /,
    );
    const second = await runSidecar({ PORT: new URL(first.url).port });
    expect((await echo(platform, "after")).text).toBe("Echo: after");
    await second.end();
  });
});
