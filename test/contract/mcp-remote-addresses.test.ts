import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { serve, startRemote, tool, type RemoteTools } from "../helpers/remote-mcp.ts";
import { discovered, keyWith } from "../helpers/remote-tool.ts";

const ECHO: RemoteTools = { tools: [tool("echo")] };
const TOKEN = "Bearer a-token-that-nobody-may-see";

/** A place that answers every request with a redirect. */
const redirecting = (to: (url: URL) => string, status = 307) =>
  serve(
    async (request) =>
      new Response(null, { status, headers: { location: to(new URL(request.url)) } }),
  );

describe("a redirect of a remote server", () => {
  it("is followed within its origin, with the credentials", async () => {
    const server = await startRemote("both", ECHO, TOKEN);
    const moved = await serve(async (request) => {
      const url = new URL(request.url);
      if (url.pathname === "/mcp")
        return new Response(null, { status: 308, headers: { location: "/here" } });
      const { method, headers, signal } = request;
      return fetch(server.url, {
        method,
        headers,
        body: method === "POST" ? await request.text() : null,
        signal,
      });
    });
    const key = await keyWith(moved.url, { mcpHeaders: { authorization: TOKEN } });
    expect(await key.say()).toBe('echo: {"n":1}');
  });

  it("is followed to another origin, without the credentials", async () => {
    const server = await startRemote("both", ECHO);
    const moved = await redirecting(() => server.url);
    const key = await keyWith(moved.url, {
      mcpHeaders: { authorization: TOKEN, "x-key": "another secret" },
    });
    expect(await key.say()).toBe('echo: {"n":1}');
    expect(moved.heard[0]?.headers).toMatchObject({
      authorization: TOKEN,
      "x-key": "another secret",
    });
    for (const { headers } of server.heard) {
      expect(headers).not.toHaveProperty("authorization");
      expect(headers).not.toHaveProperty("x-key");
      expect(headers).toHaveProperty("content-type", "application/json");
    }
  });

  it("back to the first origin brings no credentials back", async () => {
    const server = await startRemote("both", ECHO);
    const other = await redirecting(() => first.url.replace("/mcp", "/back"));
    const first = await serve(async (request) => {
      if (new URL(request.url).pathname === "/mcp")
        return new Response(null, { status: 307, headers: { location: other.url } });
      const { method, headers } = request;
      return fetch(server.url, {
        method,
        headers,
        body: method === "POST" ? await request.text() : null,
      });
    });
    const key = await keyWith(first.url, { mcpHeaders: { authorization: TOKEN } });
    expect(await key.say()).toBe('echo: {"n":1}');
    const sentBack = first.heard.filter(({ path }) => path === "/back");
    expect(sentBack.length).toBeGreaterThan(0);
    for (const { headers } of sentBack) expect(headers).not.toHaveProperty("authorization");
  });

  it.each([
    ["http://169.254.169.254/latest/meta-data/", "link-local"],
    ["https://10.1.2.3/mcp", "private"],
    ["https://[::1]/mcp", "loopback"],
    ["https://0x7f.2/mcp", "loopback"],
    ["https://localhost/mcp", "this machine"],
    ["http://example.com/mcp", "plain http"],
    ["ftp://127.0.0.1/mcp", "https://"],
  ])("to %s is refused", async (location, reason) => {
    const moved = await redirecting(() => location);
    const text = await (await keyWith(moved.url)).say();
    expect(text).toContain(`is refused: it redirects to`);
    expect(text).toContain(reason);
    expect((await discovered({ mcpServerUrl: moved.url })).status).toBe(502);
  });

  it("that never ends, or that loses the message, is refused", async () => {
    const round = await redirecting((url) => url.href);
    expect(await (await keyWith(round.url)).say()).toContain("more than 5 times");
    expect(round.heard).toHaveLength(6);
    const lossy = await redirecting(() => "/there", 302);
    expect(await (await keyWith(lossy.url)).say()).toContain("status 302");
  });
});

describe("an address that the policy refuses", () => {
  it.each([
    "https://127.0.0.2/mcp",
    "https://localhost/mcp",
    "https://192.168.1.1/mcp",
    "https://[fd00::1]/mcp",
    "https://metadata.google.internal/",
    "http://mcp.example/mcp",
  ])(
    "%s can be neither stored nor asked, and the answer names the variable that allows it",
    async (mcpServerUrl) => {
      const stored = await proxy.admin("/tools", {
        json: { name: `t_${crypto.randomUUID().slice(0, 8)}`, type: "mcp", mcpServerUrl },
      });
      const { error } = (await stored.json()) as { error: { message: string } };
      expect([stored.status, error]).toMatchObject([
        400,
        { code: "invalid_value", param: "mcpServerUrl" },
      ]);
      expect(error.message).toContain("MCP_ALLOWED_PRIVATE_HOSTS");
      const { status, body } = await discovered({ mcpServerUrl });
      expect(status).toBe(502);
      expect(body.error.message).toContain("MCP_ALLOWED_PRIVATE_HOSTS");
    },
  );
});
