import { describe, expect, it } from "vitest";
import { ask, post } from "../helpers/chat-turn.ts";
import { MEASURED } from "../helpers/measured.ts";
import { proxy } from "../helpers/proxy.ts";
import {
  serveRaw,
  serve,
  startRemote,
  tool,
  type RemoteTools,
  type Spoken,
} from "../helpers/remote-mcp.ts";
import { discovered, keyWith } from "../helpers/remote-tool.ts";
import { sentMessages } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const ECHO: RemoteTools = { tools: [tool("echo")] };
const TOKEN = "Bearer a-token-that-nobody-may-see";
const ERAS: Spoken[] = ["modern", "both", "stateless", "stateful"];

/** A tool that answers when its call is cancelled: when it is called, and when that was. */
function waiting() {
  const arrival = Promise.withResolvers<void>();
  const cancellation = Promise.withResolvers<number>();
  const call: RemoteTools["call"] = ({ signal }) => {
    arrival.resolve();
    const { promise, resolve } = Promise.withResolvers<Json>();
    signal.addEventListener("abort", () => {
      cancellation.resolve(Date.now());
      resolve({ content: [] });
    });
    return promise;
  };
  return { offer: { ...ECHO, call }, arrived: arrival.promise, cancelled: cancellation.promise };
}

describe("a tool of a remote MCP server", () => {
  it.each(ERAS)("is called by the model with the operator's headers (%s)", async (spoken) => {
    const server = await startRemote(spoken, ECHO, TOKEN);
    const key = await keyWith(server.url, {
      mcpHeaders: { authorization: TOKEN, "x-team": "blue" },
    });
    expect(await key.say()).toBe('echo: {"n":1}');
    for (const { headers } of server.heard)
      expect(headers).toMatchObject({ authorization: TOKEN, "x-team": "blue" });
  });

  it.each(ERAS)(
    "whose credentials are wrong says so, and never what they are (%s)",
    async (spoken) => {
      const server = await startRemote(spoken, ECHO, "Bearer something else");
      const key = await keyWith(server.url, { mcpHeaders: { authorization: TOKEN } });
      const text = await key.say();
      expect(text).toContain("answered with HTTP status 401");
      expect(text).toContain("mcpHeaders");
      expect(text).not.toContain("a-token-that-nobody-may-see");
    },
  );

  it.each(["key", "shared"])(
    "has a session for each owner (mcpIsolation: %s)",
    async (isolation) => {
      const server = await startRemote("stateful", ECHO);
      const tool = await keyWith(server.url, { mcpIsolation: isolation });
      const owners = [await tool.make(), await tool.make()];
      for (const { key } of [...owners, ...owners]) {
        const response = await post(key, ask());
        expect(response.status, await response.text()).toBe(200);
      }
      const calls = server.heard.filter(({ rpc }) => rpc === "tools/call");
      const sessions = calls.map(({ headers }) => headers["mcp-session-id"]);
      expect(sessions).toHaveLength(2);
      // On workerd a connection, and its session, belong to one request.
      const isShared = isolation === "shared" && proxy.target !== "workerd";
      expect(new Set(sessions).size).toBe(isShared ? 1 : 2);
    },
  );

  it("is asked once which protocol it speaks, in either era", async () => {
    for (const [spoken, first, later] of [
      ["modern", ["server/discover", "tools/call"], ["tools/call"]],
      [
        "stateless",
        ["server/discover", "initialize", "notifications/initialized", "tools/call"],
        ["tools/call"],
      ],
    ] as const) {
      const server = await startRemote(spoken, ECHO);
      const key = await keyWith(server.url);
      await key.say();
      expect(server.methods().slice(0, first.length), spoken).toEqual(first);
      server.heard.length = 0;
      await key.say();
      expect(server.methods(), spoken).not.toContain("server/discover");
      expect(server.methods(), spoken).toEqual(expect.arrayContaining([...later]));
    }
  });

  it.each([
    ["stateless", "modern"],
    ["stateful", "modern"],
    ["modern", "stateless"],
    ["modern", "stateful"],
    ["stateful", "both"],
  ] as const)(
    "goes on when the server comes to speak another protocol: %s, then %s",
    async (before, after) => {
      const server = await startRemote(before, ECHO);
      const key = await keyWith(server.url);
      expect(await key.say()).toBe('echo: {"n":1}');
      server.become(after);
      expect(await key.say()).toBe('echo: {"n":1}');
      server.heard.length = 0;
      expect(await key.say()).toBe('echo: {"n":1}');
      expect(server.methods()).not.toContain("server/discover");
    },
  );

  it.each([500, 400, 404, 406])(
    "may break on the question for its protocol, if it shakes hands (status %d)",
    async (status) => {
      const server = await startRemote("stateful", ECHO);
      const { url } = await serve(async (request) => {
        const { method, headers } = request;
        const body = method === "POST" ? await request.text() : null;
        if (body?.includes("server/discover")) return new Response("a stack trace", { status });
        return fetch(server.url, { method, headers, body });
      });
      expect(await (await keyWith(url)).say()).toBe('echo: {"n":1}');
    },
  );

  it("goes on when a server has forgotten its sessions", async () => {
    const server = await startRemote("stateful", ECHO);
    const key = await keyWith(server.url);
    await key.say();
    server.become("stateful");
    expect(await key.say()).toBe('echo: {"n":1}');
  });

  it.each(ERAS)("hears within 100 ms that its call was given up (%s)", MEASURED, async (spoken) => {
    const { offer, cancelled } = waiting();
    const server = await startRemote(spoken, offer);
    const { key, upstream } = await (await keyWith(server.url, { timeoutMs: 700 })).make();
    await (await post(key, ask())).text();
    const toldAt = Date.now();
    expect(sentMessages(upstream, 1).at(-1)?.content).toContain(
      "took longer than 0.7 s and was cancelled",
    );
    expect((await cancelled) - toldAt).toBeLessThan(100);
  });

  // On workerd that takes 20 s, and does not depend on the server.
  it.each(proxy.target === "workerd" ? (["modern"] as const) : (["modern", "stateful"] as const))(
    "hears that its caller has left (%s)",
    { timeout: 40_000, ...MEASURED },
    async (spoken) => {
      const { offer, arrived, cancelled } = waiting();
      const server = await startRemote(spoken, offer);
      const { key } = await (await keyWith(server.url)).make();
      const leave = new AbortController();
      const request = {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify(ask({ stream: true })),
        signal: leave.signal,
      };
      const asking = fetch(`${proxy.url}/v1/chat/completions`, request).then(
        (response) => response.text().catch((error: unknown) => error),
        (error: unknown) => error,
      );
      await arrived;
      const leftAt = Date.now();
      leave.abort();
      // workerd learns of a client that has left when it writes to it, which is every 10 s while a
      // tool runs.
      expect((await cancelled) - leftAt).toBeLessThan(proxy.target === "workerd" ? 25_000 : 100);
      await asking;
    },
  );

  it.each(["modern", "stateful"] as const)(
    "may take longer than its time limit while it reports progress (%s)",
    async (spoken) => {
      const slow: RemoteTools = {
        ...ECHO,
        call: async ({ progress }) => {
          for (let step = 1; step <= 6; step += 1) {
            await progress(step);
            await new Promise((resolve) => setTimeout(resolve, 150));
          }
          return { content: [{ type: "text", text: "at last" }] };
        },
      };
      const server = await startRemote(spoken, slow);
      expect(await (await keyWith(server.url, { timeoutMs: 500 })).say()).toBe("at last");
      const silent = await startRemote(spoken, { ...ECHO, call: () => new Promise(() => {}) });
      expect(await (await keyWith(silent.url, { timeoutMs: 500 })).say()).toContain(
        "took longer than 0.5 s and was cancelled",
      );
    },
  );

  it.each(["modern", "legacy"] as const)(
    "may answer with content that nobody knows yet (%s)",
    async (speaks) => {
      const content = [
        { type: "hologram", data: "x" },
        { type: "text", text: "seen" },
      ];
      const { url } = await serveRaw(speaks, () => ({
        result: { content, structuredContent: [1], _meta: { own: 1 } },
      }));
      const text = await (await keyWith(url)).say();
      expect(text).toContain("hologram");
      expect(text).toContain("seen");
    },
  );

  it("gets the headers that its schema asks for (2026-07-28)", async () => {
    const inputSchema = {
      type: "object",
      properties: { n: { type: "integer", "x-mcp-header": "N" } },
    };
    const { url, heard } = await serveRaw("modern", ({ method, params }, headers) => {
      const isFirst = params["cursor"] === undefined;
      if (method === "tools/list")
        return {
          result: isFirst
            ? { tools: [tool("other")], nextCursor: "2" }
            : { tools: [tool("echo", { inputSchema })] },
        };
      if (headers["mcp-param-n"] === "1")
        return { result: { content: [{ type: "text", text: "both agree" }] } };
      return {
        status: 400,
        error: { code: -32020, message: "HeaderMismatch: Mcp-Param-N is missing" },
      };
    });
    expect(await (await keyWith(url)).say()).toBe("both agree");
    expect(heard.map(({ rpc }) => rpc)).toEqual([
      "server/discover",
      "tools/call",
      "tools/list",
      "tools/list",
      "tools/call",
    ]);
  });

  it("that asks a question back is told to the model as such", async () => {
    const { url } = await serveRaw("modern", () => ({
      result: { resultType: "input_required", requestState: "s", inputRequests: {} },
    }));
    expect(await (await keyWith(url)).say()).toContain("asks a question back");
  });
});

describe("the list of a remote server", () => {
  it.each(ERAS)(
    "is read to its last page, and one malformed tool hides no other (%s)",
    async (spoken) => {
      const tools = Array.from({ length: 25 }, (_, index) =>
        tool(`tool_${index}`, { outputSchema: { type: "object", properties: {} } }),
      );
      const bad = [
        { name: "no_schema" },
        { name: "odd_schema", inputSchema: { type: "string" } },
        { description: "no name" },
        null,
        7,
      ];
      const taskOnly = tool("task_only", { execution: { taskSupport: "required" } });
      const server = await startRemote(spoken, {
        tools: [...bad, ...tools, taskOnly] as Json[],
        pageSize: 12,
      });
      const { status, body } = await discovered({ mcpServerUrl: server.url });
      expect(status, JSON.stringify(body)).toBe(200);
      // 2026-07-28 has no word for tasks: the SDK's server takes it out.
      const extra = spoken === "modern" || spoken === "both" ? ["task_only"] : [];
      expect(body.tools.map(({ name }) => name)).toEqual([
        "no_schema",
        "odd_schema",
        ...tools.map(({ name }) => name),
        ...extra,
      ]);
      for (const { parameters } of body.tools) expect(parameters).toMatchObject({ type: "object" });
      expect(server.methods().filter((method) => method === "tools/list")).toHaveLength(3);
    },
  );

  it("is empty where a server has no tools", async () => {
    const { url } = await serve(async (request) => {
      const { id, method } = (await request.json()) as { id?: number; method: string };
      if (id === undefined) return new Response(null, { status: 202 });
      const result = {
        protocolVersion: "2025-11-25",
        capabilities: { prompts: {} },
        serverInfo: { name: "no tools", version: "1" },
      };
      const error = { code: -32601, message: "Method not found" };
      return Response.json({
        jsonrpc: "2.0",
        id,
        ...(method === "initialize" ? { result } : { error }),
      });
    });
    expect(await discovered({ mcpServerUrl: url })).toEqual({ status: 200, body: { tools: [] } });
  });

  it.each([404, 200])(
    "is empty where a server of 2026-07-28 has no tools (status %d)",
    async (status) => {
      const { url } = await serveRaw("modern", () => ({
        status,
        error: { code: -32601, message: "Method not found" },
      }));
      expect(await discovered({ mcpServerUrl: url })).toEqual({ status: 200, body: { tools: [] } });
    },
  );

  it("is asked for with the operator's headers, which nobody gets to see", async () => {
    const server = await startRemote("both", ECHO, TOKEN);
    const headers = { Authorization: TOKEN };
    expect(
      (await discovered({ mcpServerUrl: server.url, mcpHeaders: headers })).body.tools,
    ).toMatchObject([{ name: "echo" }]);
    const several = await proxy.admin("/tools/discover", {
      json: { mcpServers: { one: { type: "http", url: server.url, headers } } },
    });
    const text = await several.text();
    expect(JSON.parse(text)).toMatchObject({
      servers: [{ name: "one", mcpServerUrl: server.url, tools: [{ name: "echo" }] }],
    });
    expect(text).not.toContain("a-token-that-nobody-may-see");
    const { status, body } = await discovered({
      mcpServerUrl: server.url,
      mcpHeaders: { authorization: `${TOKEN}-but-wrong` },
    });
    expect(status).toBe(502);
    expect(body.error.message).toContain("401");
    expect(body.error.message).not.toContain("a-token-that-nobody-may-see");
    const misplaced = await discovered({
      mcpServerCommand: "npx some-server",
      mcpHeaders: headers,
    });
    expect([misplaced.status, misplaced.body.error]).toMatchObject([400, { param: "mcpHeaders" }]);
  });
});
