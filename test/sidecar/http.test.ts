import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readSidecarConfig } from "../../mcp-sidecar/config.ts";
import { identifyServer } from "../../src/tools/mcp/server-command.ts";
import { MEASURED } from "../helpers/measured.ts";
import {
  makeWorkplace,
  membersOf,
  runSidecar,
  TOKEN,
  until,
  type RunningSidecar,
} from "./run-sidecar.ts";

let sidecar: RunningSidecar;

beforeAll(async () => {
  sidecar = await runSidecar({
    MCP_SIDECAR_MAX_PROCESSES: "2",
    MCP_SIDECAR_IDLE_STOP_MS: "1500",
    MCP_SIDECAR_MAX_SESSIONS: "3",
  });
});
afterAll(() => sidecar.end());

async function define(
  args: string[],
  { env = {}, owner = "" }: { env?: Record<string, string>; owner?: string } = {},
): Promise<string> {
  const definition = { command: "npx", args, env, owner };
  const id = await identifyServer(definition);
  const response = await sidecar.request(`/servers/${id}`, {
    method: "PUT",
    body: JSON.stringify(definition),
  });
  expect(response.status).toBe(200);
  return id;
}

async function connect(id: string): Promise<Client> {
  const client = new Client({ name: "test", version: "1" });
  const headers = { authorization: `Bearer ${TOKEN}` };
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${sidecar.url}/servers/${id}/mcp`), {
      requestInit: { headers },
    }),
  );
  return client;
}

const stateOf = async (id: string) =>
  (await sidecar.servers()).find((server) => server["id"] === id);

describe("the sidecar's door", () => {
  it.each([undefined, "Bearer wrong", `Bearer ${TOKEN}x`, TOKEN, `bearer ${TOKEN}`])(
    "stays shut for the authorization %s, on every path",
    async (authorization) => {
      for (const path of ["/health", "/servers", "/servers/x/mcp", "/nothing"]) {
        const response = await fetch(
          sidecar.url + path,
          authorization === undefined ? {} : { headers: { authorization } },
        );
        expect(response.status).toBe(401);
        expect(await response.json()).toEqual({
          error: {
            message: expect.stringContaining("MCP_SIDECAR_TOKEN"),
            type: "invalid_request_error",
            param: null,
            code: "invalid_sidecar_token",
          },
        });
      }
    },
  );

  it("stays shut for what a browser sends from some page, even with the token", async () => {
    for (const origin of ["https://evil.example", "null", `http://127.0.0.1:1`])
      expect((await sidecar.request("/health", { headers: { origin } })).status).toBe(403);
    expect((await sidecar.request("/health", { headers: { origin: sidecar.url } })).status).toBe(
      200,
    );
    const statusAs = (host: string) =>
      new Promise((resolve, reject) => {
        const headers = { host, authorization: `Bearer ${TOKEN}` };
        get(`${sidecar.url}/health`, { headers }, (answer) =>
          resolve(answer.resume().statusCode),
        ).on("error", reject);
      });
    expect([
      await statusAs("evil.example"),
      await statusAs("localhost:1"),
      await statusAs("[::1]"),
    ]).toEqual([403, 200, 200]);
  });

  it("is not opened at all without a token", async () => {
    expect(() => readSidecarConfig({})).toThrow("MCP_SIDECAR_TOKEN is not set");
    expect(() =>
      readSidecarConfig({ MCP_SIDECAR_TOKEN: " ", PORT: "70000", LOG_LEVEL: "loud" }),
    ).toThrow(/MCP_SIDECAR_TOKEN[\s\S]*PORT is "70000"|PORT is "70000"[\s\S]*MCP_SIDECAR_TOKEN/);
    await expect(runSidecar({ MCP_SIDECAR_TOKEN: "" })).rejects.toThrow(
      /code 1: [\s\S]*MCP_SIDECAR_TOKEN is not set/,
    );
  });

  it("takes its token from a file, as Docker secrets come", () => {
    const file = join(makeWorkplace(), "token");
    writeFileSync(file, "from-a-file\n");
    expect(readSidecarConfig({ MCP_SIDECAR_TOKEN_FILE: file })).toMatchObject({
      token: "from-a-file",
      port: 3001,
      host: "127.0.0.1",
      maxProcesses: 32,
      idleStopMs: 300_000,
    });
    expect(() => readSidecarConfig({ MCP_SIDECAR_TOKEN_FILE: `${file}-missing` })).toThrow(
      "cannot be read",
    );
  });

  it("lets only allowed commands be defined, under their own id", async () => {
    const marker = join(makeWorkplace(), "marker");
    const bad = [
      { command: "sh", args: ["-c", `touch ${marker}`], env: {}, owner: "" },
      { command: "npx", args: ["-c", `touch ${marker}`], env: {}, owner: "" },
      { command: "npx", args: ["a"], env: { "A=B": "x" }, owner: "" },
      { command: "npx", args: ["a"], env: {}, owner: "", cwd: "/" },
      { command: "npx", args: "a", env: {}, owner: "" },
    ];
    for (const definition of bad) {
      const id = await identifyServer({ ...definition, args: [definition.args].flat() });
      const response = await sidecar.request(`/servers/${id}`, {
        method: "PUT",
        body: JSON.stringify(definition),
      });
      expect([response.status, await response.json()]).toMatchObject([
        400,
        { error: { code: "invalid_definition" } },
      ]);
    }
    const misnamed = await sidecar.request(`/servers/${"0".repeat(64)}`, {
      method: "PUT",
      body: JSON.stringify({ command: "npx", args: ["a"], env: {}, owner: "" }),
    });
    expect(misnamed.status).toBe(400);
    expect((await sidecar.request(`/servers/x`, { method: "PUT", body: "{" })).status).toBe(400);
    expect(await sidecar.servers()).toEqual([]);
    expect(existsSync(marker)).toBe(false);
  });

  it("says by a code that it does not know a server, a session or a path", async () => {
    const unknown = await sidecar.request("/servers/abc/mcp", { method: "POST", body: "{}" });
    expect([unknown.status, await unknown.json()]).toMatchObject([
      404,
      { error: { code: "unknown_server" } },
    ]);
    const id = await define(["faulty-server", "unknown-session"]);
    const init = {
      method: "POST",
      headers: { "mcp-session-id": "gone", accept: "application/json, text/event-stream" },
      body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
    };
    expect((await sidecar.request(`/servers/${id}/mcp`, init)).status).toBe(404);
    expect(
      (await sidecar.request(`/servers/${id}/mcp`, { method: "POST", body: "{" })).status,
    ).toBe(400);
    expect((await sidecar.request("/nothing")).status).toBe(404);
    expect((await stateOf(id))?.["state"]).toBe("stopped");
  });
});

describe("the life of a server", () => {
  it("begins with the first session, is shared by all of them, and ends when it is idle", async () => {
    const id = await define(["faulty-server", "life"], { env: { HIDDEN: "hidden-value" } });
    expect((await stateOf(id))?.["state"]).toBe("stopped");
    const [one, two] = await Promise.all([connect(id), connect(id)]);
    const pids = await Promise.all(
      [one, two, one].map((client) => client.callTool({ name: "pid", arguments: {} })),
    );
    expect(new Set(pids.map((result) => JSON.stringify(result["content"]))).size).toBe(1);
    const running = await stateOf(id);
    expect(running).toMatchObject({
      state: "running",
      command: "npx faulty-server",
      owner: "",
      sharedId: id,
      calls: 3,
      callsInFlight: 0,
      queued: 0,
      restarts: 0,
      lastError: null,
      retryAt: null,
    });
    expect(JSON.stringify(running)).not.toContain("hidden-value");
    expect(await (await sidecar.request("/health")).json()).toMatchObject({
      status: "ok",
      servers: { running: 1 },
    });
    await until(
      "the idle server is stopped",
      async () => (await stateOf(id))?.["state"] === "stopped",
    );
    await until("its process is gone", () => membersOf(Number(running?.["pid"])).length === 0);
    expect(JSON.stringify(await one.callTool({ name: "echo", arguments: { again: 1 } }))).toContain(
      "again",
    );
    expect(await stateOf(id)).toMatchObject({ state: "running", restarts: 1 });
    await Promise.all([one.close(), two.close()]);
  });

  it("relays progress under the caller's own token", async () => {
    const client = await connect(await define(["faulty-server", "progress"]));
    const seen: unknown[] = [];
    await client.callTool({ name: "progress", arguments: {} }, undefined, {
      onprogress: (progress) => seen.push(progress),
    });
    expect(seen).toEqual([1, 2, 3].map((progress) => ({ progress, total: 3 })));
    await client.close();
  });

  it(
    "is cancelled like a call that was taken back, when a caller just hangs up",
    MEASURED,
    async () => {
      const heard = join(makeWorkplace(), "heard");
      const id = await define(["faulty-server", "hang-up", heard]);
      const client = await connect(id);
      const transport = client.transport as StreamableHTTPClientTransport;
      const hangUp = new AbortController();
      const headers = {
        "mcp-session-id": transport.sessionId ?? "",
        accept: "application/json, text/event-stream",
      };
      const body =
        '{"jsonrpc":"2.0","id":99,"method":"tools/call","params":{"name":"never","arguments":{}}}';
      const response = await sidecar.request(`/servers/${id}/mcp`, {
        method: "POST",
        headers,
        body,
        signal: hangUp.signal,
      });
      await until("the call is in flight", async () =>
        (await sidecar.servers()).some(
          ({ callsInFlight, state }) => callsInFlight === 1 && state === "running",
        ),
      );
      const abortedAt = Date.now();
      hangUp.abort();
      await expect(response.text()).rejects.toThrow(/abort/);
      await until("the server heard of it", () => existsSync(heard));
      expect(Number(readFileSync(heard, "utf8").split(" ")[0]) - abortedAt).toBeLessThan(100);
      await client.close();
    },
  );

  it("can be started afresh by an operator", async () => {
    const id = await define(["faulty-server", "restart"]);
    const restart = async () =>
      (await (await sidecar.request(`/servers/${id}/restart`, { method: "POST" })).json()) as {
        pid: number;
        state: string;
      };
    const first = await restart();
    const second = await restart();
    expect([first.state, second.state]).toEqual(["running", "running"]);
    expect(second.pid).not.toBe(first.pid);
    expect(membersOf(first.pid)).toEqual([]);
    const broken = await define(["faulty-server", "exit-at-once"]);
    const response = await sidecar.request(`/servers/${broken}/restart`, { method: "POST" });
    expect([response.status, await response.json()]).toMatchObject([
      502,
      { error: { code: "server_failed", message: expect.stringContaining("exit code 3") } },
    ]);
  });

  it("is lived twice for two owners, and once for one", async () => {
    const args = ["faulty-server", "owned"];
    const [shared, ann, annAgain, bob] = await Promise.all(
      ["", "ann", "ann", "bob"].map((owner) => define(args, { owner })),
    );
    expect(annAgain).toBe(ann);
    expect(new Set([shared, ann, bob]).size).toBe(3);
    const clients = await Promise.all([ann, ann, bob].map((id) => connect(id ?? "")));
    const pids = await Promise.all(
      clients.map(async (client) =>
        JSON.stringify(await client.callTool({ name: "pid", arguments: {} })),
      ),
    );
    expect(pids[0]).toBe(pids[1]);
    expect(pids[0]).not.toBe(pids[2]);
    expect(await stateOf(ann ?? "")).toMatchObject({ owner: "ann", sharedId: shared, calls: 2 });
    expect(await stateOf(bob ?? "")).toMatchObject({ owner: "bob", sharedId: shared, calls: 1 });
    await Promise.all(clients.map((client) => client.close()));
  });

  it("ends early to make room, but never in the middle of a call", async () => {
    const ids = await Promise.all(
      ["room-1", "room-2", "room-3"].map((name) => define(["faulty-server", name])),
    );
    const [one, two] = (await Promise.all(ids.slice(0, 2).map(connect))) as [Client, Client];
    const busy = new AbortController();
    const waiting = [one, two].map((client) =>
      client
        .callTool({ name: "never", arguments: {} }, undefined, { signal: busy.signal })
        .catch((error: unknown) => error),
    );
    await until(
      "both run",
      async () =>
        (await sidecar.servers()).filter(
          ({ callsInFlight, state }) => callsInFlight === 1 && state === "running",
        ).length === 2,
    );
    await expect(connect(ids[2] ?? "")).rejects.toThrow(
      "runs 2 servers already, and all of them are in use",
    );
    busy.abort();
    await Promise.all(waiting);
    await until("one is free", async () =>
      (await sidecar.servers()).every(({ callsInFlight }) => callsInFlight === 0),
    );
    const three = await connect(ids[2] ?? "");
    await three.callTool({ name: "pid", arguments: {} });
    expect((await sidecar.servers()).filter(({ state }) => state === "running").length).toBe(2);
    await Promise.all([one, two, three].map((client) => client.close()));
  });

  it("keeps no more sessions than allowed", async () => {
    const id = await define(["faulty-server", "sessions"]);
    const clients = [];
    for (let count = 0; count < 5; count += 1) clients.push(await connect(id));
    expect((await (await sidecar.request("/health")).json()) as { sessions: number }).toMatchObject(
      { sessions: 3 },
    );
    await expect(clients[0]?.callTool({ name: "pid", arguments: {} })).rejects.toThrow(
      "Session not found",
    );
    await clients[4]?.callTool({ name: "pid", arguments: {} });
    await Promise.all(clients.map((client) => client.close()));
  });
});

describe("what a killed sidecar leaves behind", () => {
  it("is ended by the next one, and nobody else's processes are", async () => {
    const first = await runSidecar();
    const definition = { command: "npx", args: ["faulty-server", "immortal"], env: {}, owner: "" };
    const id = await identifyServer(definition);
    await first.request(`/servers/${id}`, { method: "PUT", body: JSON.stringify(definition) });
    const { pid } = (await (
      await first.request(`/servers/${id}/restart`, { method: "POST" })
    ).json()) as { pid: number };
    await first.end("SIGKILL");
    expect(membersOf(pid).length).toBeGreaterThan(0);
    const bystander = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], {
      detached: true,
      stdio: "ignore",
    });
    const page = {
      sidecar: { pid: 999_999_999, startedAt: "1" },
      groups: [{ pid: bystander.pid, startedAt: "12345" }],
    };
    writeFileSync(join(first.stateDir, "999999999-1.json"), JSON.stringify(page));
    writeFileSync(join(first.stateDir, "cut.json"), '{"sidecar":');
    const second = await runSidecar({ MCP_SIDECAR_STATE_DIR: first.stateDir });
    expect(membersOf(pid)).toEqual([]);
    expect(membersOf(bystander.pid ?? 0)).toHaveLength(1);
    bystander.kill("SIGKILL");
    await second.end();
  });
});
