/**
 * What the MCP client promises to those who call it, on connections that are shared and on others.
 */
import { describe, expect, it } from "vitest";
import { callMcpTool, listMcpTools, type McpPlatform } from "../../src/tools/mcp/mcp-client.ts";
import { mcpConnections } from "../../src/tools/mcp/mcp-lease.ts";
import { serve, serveRaw, startRemote, tool, type RemoteTools } from "../helpers/remote-mcp.ts";
import { platformWith } from "../sidecar/mcp-platform.ts";

const ECHO: RemoteTools = { tools: [tool("echo")] };
const signal = new AbortController().signal;
const remote = (url: string) => ({ kind: "url", url, headers: {}, owner: "" }) as const;
const noSidecar = (changes: Partial<McpPlatform> = {}) =>
  platformWith(() => Promise.resolve(null), changes);

const call = (
  platform: McpPlatform,
  url: string,
  more: Partial<Parameters<typeof callMcpTool>[1]> = {},
) =>
  callMcpTool(platform, {
    target: remote(url),
    toolName: "echo",
    args: {},
    signal,
    timeoutMs: 5_000,
    ...more,
  });
const list = (platform: McpPlatform, url: string) =>
  listMcpTools(platform, { target: remote(url), signal, timeoutMs: 5_000 });

const failure = async (asking: Promise<unknown>): Promise<string> =>
  asking.then(
    () => "nothing failed",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );

describe.each([true, false])("a call of a remote tool (shared connections: %s)", (isShared) => {
  const platform = () => (isShared ? noSidecar() : noSidecar({ connections: null }));

  it.each(["modern", "stateful"] as const)("tells how far it has come (%s)", async (spoken) => {
    const reports: RemoteTools = {
      ...ECHO,
      call: async ({ progress }) => {
        for (const step of [1, 2, 3]) await progress(step);
        return { content: [] };
      },
    };
    const server = await startRemote(spoken, reports);
    const seen: unknown[] = [];
    await call(platform(), server.url, {
      onProgress: ({ progress }) => seen.push(progress),
    });
    expect(seen).toEqual([1, 2, 3]);
  });

  it("tells when its server says meanwhile that its tools have changed, and afterwards no more", async () => {
    const changed = { jsonrpc: "2.0", method: "notifications/tools/list_changed" };
    const result = { content: [{ type: "text", text: "done" }] };
    const { url } = await serve(async (request) => {
      if (request.method !== "POST") return new Response(null, { status: 405 });
      const { id, method } = (await request.json()) as { id?: unknown; method: string };
      if (method === "server/discover")
        return Response.json({ jsonrpc: "2.0", id, error: { code: -32601, message: "no" } });
      if (id === undefined) return new Response(null, { status: 202 });
      const shaken = {
        protocolVersion: "2025-11-25",
        capabilities: { tools: { listChanged: true } },
        serverInfo: { name: "x", version: "1" },
      };
      const messages =
        method === "initialize" ? [{ id, result: shaken }] : [changed, { id, result }];
      const text = messages
        .map((message) => `data: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`)
        .join("");
      return new Response(text, { headers: { "content-type": "text/event-stream" } });
    });
    const reach = platform();
    let told = 0;
    await call(reach, url, { onToolsChanged: () => (told += 1) });
    expect(told).toBe(1);
    await call(reach, url);
    expect(told).toBe(1);
  });

  it.each(["modern", "stateful"] as const)(
    "asks for the protocol once, however many connections it takes (%s)",
    async (spoken) => {
      const server = await startRemote(spoken, ECHO);
      const reach = platform();
      await call(reach, server.url);
      if (reach.connections !== null) mcpConnections.of(reach.connections).clear();
      await call(reach, server.url);
      expect(server.methods().filter((method) => method === "server/discover")).toHaveLength(1);
    },
  );

  it("ends when its server breaks off, answers without an end, or with no MCP", async () => {
    const reach = platform();
    const sse = { headers: { "content-type": "text/event-stream" } };
    const answering = async (body: (id: unknown) => BodyInit, init: ResponseInit) =>
      serve(async (request) => {
        if (request.method !== "POST") return new Response(null, { status: 405 });
        const { id, method } = (await request.json()) as { id?: unknown; method: string };
        if (method === "tools/call") return new Response(body(id), init);
        const discovered = {
          resultType: "complete",
          supportedVersions: ["2026-07-28"],
          capabilities: { tools: {} },
        };
        return Response.json({ jsonrpc: "2.0", id, result: discovered });
      });
    const cut = await answering(() => ": nothing more\n\n", sse);
    expect(await failure(call(reach, cut.url))).toContain(
      "did not finish its answer: the connection ended before the answer.",
    );
    const huge = await answering(() => `data: ${"x".repeat(17 * 1024 * 1024)}`, sse);
    expect(await failure(call(reach, huge.url))).toContain(
      "the answer is larger than 16777216 bytes",
    );
    const page = await answering(() => "<html>", { headers: { "content-type": "text/html" } });
    expect(await failure(call(reach, page.url))).toContain("answered with what cannot be used");
  });
});

describe("a connection that is not shared", () => {
  it("leaves no session behind, and does not wait for a server that will not say goodbye", async () => {
    const server = await startRemote("stateful", ECHO);
    const platform = noSidecar({ connections: null });
    await call(platform, server.url);
    expect(server.heard.at(-1)).toMatchObject({ method: "DELETE" });
    const deaf = await serve(async (request) => {
      const { method, headers } = request;
      if (method === "DELETE") return new Promise<Response>(() => {});
      return fetch(server.url, { method, headers, body: await request.text() });
    });
    const startedAt = performance.now();
    await call(platform, deaf.url);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });
});

describe("a list of tools", () => {
  it("ends after 64 pages or 1,000 tools, whatever the server says", async () => {
    const endless = (count: number) =>
      serveRaw("modern", ({ params }) => {
        const page = Number(params["cursor"] ?? 0);
        return {
          result: {
            tools: Array.from({ length: count }, (_, index) => tool(`t${page}_${index}`)),
            nextCursor: String(page + 1),
          },
        };
      });
    const [few, many] = await Promise.all([endless(2), endless(300)]);
    const platform = noSidecar();
    expect(await list(platform, few.url)).toHaveLength(128);
    expect(await list(platform, many.url)).toHaveLength(1_000);
    expect(many.heard.filter(({ rpc }) => rpc === "tools/list")).toHaveLength(4);
  });
});
