import { describe, expect, it, vi } from "vitest";
import { CLIENTS } from "../helpers/mcp-clients.ts";
import { proxy } from "../helpers/proxy.ts";

const EVERYTHING = "npx @modelcontextprotocol/server-everything";

interface Discovered {
  name: string;
  tools?: { name: string }[];
  error?: string;
  mcpServerCommand?: string;
}

interface Server {
  id: string;
  command: string;
  owner: { id: string; name: string } | null;
  state: string;
  calls: number;
  pid?: number;
  startedAt?: string;
  lastError?: string;
  stderr: string[];
  tools: string[];
}

const servers = async () =>
  ((await (await proxy.admin("/tools/servers")).json()) as { data: Server[] }).data;
const restart = (command: string) => proxy.admin("/tools/servers/restart", { json: { command } });

describe("discovery by a desktop client's mcpServers", () => {
  it("lists the tools of each server, and says of each other one why it has none", async () => {
    const answer = await proxy.admin("/tools/discover", {
      json: {
        mcpServers: {
          everything: {
            command: "npx",
            args: ["-y", "@modelcontextprotocol/server-everything", "stdio"],
            env: { SOME: "value" },
            disabled: false,
          },
          "a shell": { command: "bash", args: ["-c", "ls"] },
          "nobody there": { type: "http", url: "http://127.0.0.1:9/mcp" },
          nothing: {},
        },
      },
    });
    const body = (await answer.json()) as { servers: Discovered[] };
    expect(answer.status, JSON.stringify(body)).toBe(200);
    const [everything, shell, nobody, nothing] = body.servers;
    expect(everything?.tools?.map(({ name }) => name)).toContain("echo");
    expect(everything).toMatchObject({
      mcpServerCommand: "npx -y @modelcontextprotocol/server-everything stdio",
    });
    expect(shell).toEqual({
      name: "a shell",
      mcpServerCommand: "bash -c ls",
      error: expect.stringContaining("npx or uvx") as unknown,
    });
    expect(nobody).toEqual({
      name: "nobody there",
      mcpServerUrl: "http://127.0.0.1:9/mcp",
      error: expect.stringContaining("reached") as unknown,
    });
    expect(nothing).toMatchObject({ name: "nothing", error: expect.any(String) as unknown });
  });

  it("keeps words of arguments together, whatever is in them", async () => {
    const args = [
      "@modelcontextprotocol/server-everything",
      "two words",
      "it's $HOME",
      "#",
      "a\\b",
      '"',
      "",
      "*",
      "; ls",
    ];
    const answer = await proxy.admin("/tools/discover", {
      json: { mcpServers: { odd: { command: "npx", args } } },
    });
    const {
      servers: [odd],
    } = (await answer.json()) as { servers: [Discovered] };
    // Its command can be taken over into a tool as it stands.
    const tool = { type: "mcp", mcpServerCommand: odd.mcpServerCommand, description: "odd" };
    await expect(proxy.createTool({ name: "odd", ...tool })).resolves.toHaveProperty("id");
    expect(odd.error ?? "").not.toMatch(/shell|quotation|operator/);
  });

  it("refuses what is neither one server nor several", async () => {
    for (const json of [
      { mcpServers: { a: { command: "npx x" } }, mcpServerUrl: "http://127.0.0.1:9/mcp" },
      { mcpServers: "npx" },
      {
        mcpServers: Object.fromEntries(
          Array.from({ length: 17 }, (_, index) => [
            `server ${index}`,
            { url: "http://127.0.0.1:9/" },
          ]),
        ),
      },
      { mcpServers: { a: { url: "file:///etc/passwd" } } },
    ]) {
      expect((await proxy.admin("/tools/discover", { json })).status, JSON.stringify(json)).toBe(
        400,
      );
    }
  });
});

describe("the MCP servers of tools", () => {
  it("are shown with their state and tools, and start again when told to", async () => {
    const command = `${EVERYTHING} stdio ${crypto.randomUUID()}`;
    const env = { TOKEN_OF_SERVER: "a value that must not be shown" };
    const tool = await proxy.createTool({
      name: "echo",
      type: "mcp",
      mcpToolName: "echo",
      mcpServerCommand: command,
      env,
    });
    const mine = async () => (await servers()).find((server) => server.command === command);
    expect(await mine()).toEqual({
      id: expect.any(String) as unknown,
      command,
      owner: null,
      state: "stopped",
      restarts: 0,
      calls: 0,
      callsInFlight: 0,
      queued: 0,
      stderr: [],
      tools: [tool.name],
    });

    const tried = await proxy.admin(`/tools/${tool.id}/try`, {
      json: { arguments: { message: "hi" } },
    });
    expect(await tried.json()).toMatchObject({ result: "Echo: hi" });
    const running = await mine();
    expect(running).toMatchObject({
      state: "running",
      pid: expect.any(Number) as unknown,
      owner: { id: "operator", name: "operator" },
      calls: 1,
      tools: [tool.name],
    });
    expect(Date.parse(running?.startedAt ?? "")).toBeGreaterThan(Date.now() - 60_000);
    expect(Array.isArray(running?.stderr)).toBe(true);

    expect((await restart(command)).status).toBe(204);
    const again = await mine();
    expect(again?.state).toBe("running");
    expect(again?.pid).not.toBe(running?.pid);
    expect(
      await (
        await proxy.admin(`/tools/${tool.id}/try`, { json: { arguments: { message: "hi" } } })
      ).json(),
    ).toMatchObject({
      result: "Echo: hi",
    });
    const text = await (await proxy.admin("/tools/servers")).text();
    expect(text).not.toContain("a value that must not be shown");
    const audit = (await (
      await proxy.admin(`/audit?action=server.restart&targetId=${again?.id}`)
    ).json()) as { data: unknown[] };
    expect(audit.data).toHaveLength(1);
    await proxy.admin(`/tools/${tool.id}`, { method: "DELETE" });
  });

  it("are one process for each key, or one for all, as the tool says; and each can be restarted by itself", async () => {
    const command = `${EVERYTHING} stdio ${crypto.randomUUID()}`;
    const tool = await proxy.createTool({
      name: "echo",
      type: "mcp",
      mcpToolName: "echo",
      mcpServerCommand: command,
    });
    const keys = [
      await proxy.createKey({ toolIds: [tool.id] }),
      await proxy.createKey({ toolIds: [tool.id] }),
    ];
    const connect = CLIENTS[0]?.[1];
    const call = async ({ key }: { key: string }) => {
      const result = await (await connect?.(key))?.call(tool.name, { message: "hi" });
      expect(result).toMatchObject({ content: [{ text: "Echo: hi" }] });
    };
    for (const key of [...keys, ...keys]) await call(key);
    const mine = async () => (await servers()).filter((server) => server.command === command);
    const before = await mine();
    expect(
      before
        .map(({ owner, calls }) => ({ id: owner?.id, calls }))
        .toSorted((a, b) => String(a.id).localeCompare(String(b.id))),
    ).toEqual(
      keys.map(({ id }) => ({ id, calls: 2 })).toSorted((a, b) => a.id.localeCompare(b.id)),
    );
    const [first, second] = before;
    expect((await proxy.admin("/tools/servers/restart", { json: { id: first?.id } })).status).toBe(
      204,
    );
    const after = await mine();
    expect(after.find(({ id }) => id === first?.id)?.pid).not.toBe(first?.pid);
    expect(after.find(({ id }) => id === second?.id)?.pid).toBe(second?.pid);
    await proxy.admin(`/tools/${tool.id}`, { method: "PATCH", json: { mcpIsolation: "shared" } });
    await vi.waitFor(
      async () => {
        for (const key of keys) await call(key);
        expect((await mine()).filter(({ owner }) => owner === null)).toMatchObject([
          { state: "running" },
        ]);
      },
      { timeout: 15_000, interval: 500 },
    );
    await proxy.admin(`/tools/${tool.id}`, { method: "DELETE" });
  });

  it("say why they do not start", async () => {
    const command = `npx --offline no-such-mcp-server-${crypto.randomUUID()}`;
    const tool = await proxy.createTool({
      name: "nothing",
      type: "mcp",
      mcpServerCommand: command,
    });
    const answer = await restart(command);
    expect([
      answer.status,
      ((await answer.json()) as { error: { code: string } }).error.code,
    ]).toEqual([502, "mcp_server_failed"]);
    const server = (await servers()).find((shown) => shown.command === command);
    expect(server).toMatchObject({
      state: "failed",
      lastError: expect.stringContaining("could not be started") as unknown,
    });
    await proxy.admin(`/tools/${tool.id}`, { method: "DELETE" });
  });

  it("are started by no command but those of tools", async () => {
    for (const command of ["npx some-other-server", "bash -c ls"])
      expect((await restart(command)).status, command).toBe(404);
    expect(
      (await proxy.admin("/tools/servers/restart", { json: { id: "0".repeat(64) } })).status,
    ).toBe(404);
    for (const json of [{}, { id: "a", command: "b" }])
      expect((await proxy.admin("/tools/servers/restart", { json })).status).toBe(400);
    expect((await fetch(`${proxy.url}/api/admin/tools/servers`)).status).toBe(401);
  });
});
