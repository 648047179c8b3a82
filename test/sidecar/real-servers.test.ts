import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSidecar, type Sidecar } from "../../src/node/sidecar-process.ts";
import { callMcpTool, listMcpTools, type McpPlatform } from "../../src/tools/mcp/mcp-client.ts";
import { command, platformWith, SILENT } from "./mcp-platform.ts";
import { makeWorkplace, membersOf, UVX_CLOCK } from "./run-sidecar.ts";

const SECRETS = {
  OPENAI_API_KEY: "sk-upstream",
  JWT_SECRET: "jwt-secret-value",
  DATABASE_URL: "postgres://u:p@h/d",
  AWS_SECRET_ACCESS_KEY: "aws",
  npm_config__authToken: "npm-token",
};
const EVERYTHING = "npx @modelcontextprotocol/server-everything";
const signal = new AbortController().signal;
const timeoutMs = 30_000;

let sidecar: Sidecar;
let platform: McpPlatform;

beforeAll(() => {
  Object.assign(process.env, SECRETS);
  sidecar = startSidecar({ sidecarUrl: null, sidecarToken: null, logLevel: "info" }, SILENT);
  platform = platformWith(() => sidecar.endpoint());
});

afterAll(async () => {
  for (const name of Object.keys(SECRETS)) delete process.env[name];
  const { url, token } = await sidecar.endpoint();
  const { servers } = (await (
    await fetch(`${url}/servers`, { headers: { authorization: `Bearer ${token}` } })
  ).json()) as {
    servers: { pid: number }[];
  };
  await sidecar.close();
  expect(servers.length).toBeGreaterThan(2);
  for (const { pid } of servers) expect(membersOf(pid)).toEqual([]);
});

describe("MCP servers from npm and PyPI", () => {
  it("a file is read by server-filesystem, by the command of its README", async () => {
    const directory = join(makeWorkplace(), "with space");
    mkdirSync(directory);
    writeFileSync(join(directory, "a.txt"), "content of a");
    const target = command(`npx @modelcontextprotocol/server-filesystem "${directory}"`);
    const read = (path: string) =>
      callMcpTool(platform, { target, toolName: "read_file", args: { path }, signal, timeoutMs });
    expect(await read(join(directory, "a.txt"))).toMatchObject({
      text: "content of a",
      isError: false,
    });
    const outside = await read("/etc/passwd");
    expect(outside.isError).toBe(true);
    expect(outside.text).toContain("Access denied");
  });

  it("server-everything lists its tools, and every kind of content becomes text", async () => {
    const target = command(EVERYTHING);
    const tools = await listMcpTools(platform, { target, signal, timeoutMs });
    expect(tools.map(({ name }) => name)).toContain("get-structured-content");
    expect(tools.find(({ name }) => name === "echo")?.inputSchema).toMatchObject({
      type: "object",
      required: ["message"],
    });
    const call = async (toolName: string, args: Record<string, unknown> = {}) =>
      (await callMcpTool(platform, { target, toolName, args, signal, timeoutMs })).text;
    expect(await call("echo", { message: "hello" })).toBe("Echo: hello");
    expect(await call("get-tiny-image")).toMatch(/\[image 2: image\/png, \d/);
    expect(await call("get-structured-content", { location: "New York" })).toContain(
      '"temperature"',
    );
    expect(await call("get-resource-links", { count: 2 })).toContain("[resource_link ");
  });

  it("a server gets the variables that its tool declares and a few of the system's, and none of the proxy's secrets", async () => {
    const result = await callMcpTool(platform, {
      target: command(EVERYTHING, { MY_TOKEN: "declared" }),
      toolName: "get-env",
      args: {},
      signal,
      timeoutMs,
    });
    const environment = JSON.parse(result.text) as Record<string, string>;
    // What it is given is there, and is masked where a result repeats it.
    expect(environment).toMatchObject({ MY_TOKEN: "[secret]", HOME: process.env["HOME"] });
    for (const secret of [...Object.values(SECRETS), (await sidecar.endpoint()).token])
      expect(result.text).not.toContain(secret);
    const allowed =
      /^(?:PATH|HOME|LANG|TZ|TMPDIR|NODE_EXTRA_CA_CERTS|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|PIP_CERT|PIP_INDEX_URL|(?:HTTPS?|NO)_PROXY|npm_config_.*|UV_.*|OPENAI_PROXY_MCP_SERVER|MY_TOKEN)$/i;
    expect(Object.keys(environment).filter((name) => !allowed.test(name))).toEqual([]);
  });

  it("a Python server is started by uvx", async () => {
    try {
      execFileSync("uvx", ["--version"]);
    } catch (error) {
      throw new Error("uvx is not installed, and this test needs it: pip install uv", {
        cause: error,
      });
    }
    const target = command(`uvx --from "${UVX_CLOCK}" uvx-clock`, { CLOCK: "on" });
    const result = await callMcpTool(platform, {
      target,
      toolName: "now",
      args: {},
      signal,
      timeoutMs,
    });
    const seen = JSON.parse(result.text) as { now: string; environment: string[] };
    expect(Math.abs(Date.parse(seen.now) - Date.now())).toBeLessThan(60_000);
    expect(seen.environment).toContain("CLOCK");
    for (const name of Object.keys(SECRETS)) expect(seen.environment).not.toContain(name);
  });

  it("where connections cannot be shared, each call makes its own and leaves no session behind", async () => {
    const alone = { ...platform, connections: null };
    const sessions = async () => (await sidecar.health())["sessions"];
    const before = await sessions();
    const results = await Promise.all(
      ["a", "b", "c"].map((message) =>
        callMcpTool(alone, {
          target: command(EVERYTHING),
          toolName: "echo",
          args: { message },
          signal,
          timeoutMs,
        }),
      ),
    );
    expect(results.map(({ text }) => text)).toEqual(["Echo: a", "Echo: b", "Echo: c"]);
    expect(await sessions()).toBe(before);
  });

  it("a server that is reached by its URL is called the same way, with the operator's headers", async () => {
    const { url, token } = await sidecar.endpoint();
    const { servers } = (await (
      await fetch(`${url}/servers`, { headers: { authorization: `Bearer ${token}` } })
    ).json()) as {
      servers: { id: string; command: string }[];
    };
    const id = servers.find((server) => server.command === EVERYTHING)?.id;
    const target = {
      kind: "url",
      owner: "",
      url: `${url}/servers/${id}/mcp`,
      headers: { authorization: `Bearer ${token}` },
    } as const;
    const remote = platformWith(() => Promise.resolve(null));
    expect(
      (
        await callMcpTool(remote, {
          target,
          toolName: "echo",
          args: { message: "far" },
          signal,
          timeoutMs,
        })
      ).text,
    ).toBe("Echo: far");
    const refused = callMcpTool(remote, {
      target: { ...target, headers: {} },
      toolName: "echo",
      args: {},
      signal,
      timeoutMs,
    });
    await expect(refused).rejects.toThrow("answered with HTTP status 401");
    const nowhere = callMcpTool(remote, {
      target: { kind: "url", url: "http://127.0.0.1:9/mcp?key=secret", headers: {}, owner: "" },
      toolName: "x",
      args: {},
      signal,
      timeoutMs,
    });
    await expect(nowhere).rejects.toThrow(
      /^The MCP server http:\/\/127\.0\.0\.1:9\/mcp cannot be reached: /,
    );
    const commandless = callMcpTool(remote, {
      target: command(EVERYTHING),
      toolName: "echo",
      args: {},
      signal,
      timeoutMs,
    });
    await expect(commandless).rejects.toThrow(
      "none is configured: set MCP_SIDECAR_URL and MCP_SIDECAR_TOKEN",
    );
  });
});
