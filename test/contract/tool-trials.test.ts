import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";

const EVERYTHING = "npx @modelcontextprotocol/server-everything";

describe("discovering an MCP server's tools", () => {
  it("lists them as they can be imported", async () => {
    const answer = await proxy.admin("/tools/discover", { json: { mcpServerCommand: EVERYTHING } });
    const body = (await answer.json()) as {
      tools: {
        name: string;
        suggestedName: string;
        description: string;
        parameters: Record<string, unknown>;
      }[];
    };
    expect(answer.status, JSON.stringify(body)).toBe(200);
    const echo = body.tools.find(({ name }) => name === "echo");
    expect(echo).toMatchObject({
      description: expect.any(String) as unknown,
      parameters: { type: "object", properties: { message: {} } },
    });
    expect(echo?.suggestedName).toBe("server-everything__echo");
    const { suggestedName: name = "", ...described } = echo ?? {};
    const tool = await proxy.createTool({
      ...described,
      name,
      type: "mcp",
      mcpToolName: "echo",
      mcpServerCommand: EVERYTHING,
    });
    const tried = await proxy.admin(`/tools/${tool.id}/try`, {
      json: { arguments: { message: "héllo" } },
    });
    expect(await tried.json()).toEqual({
      result: "Echo: héllo",
      error: null,
      logs: [],
      durationMs: expect.any(Number) as unknown,
    });
  });

  it("says why a server cannot be asked", async () => {
    for (const [json, status] of [
      [{ mcpServerCommand: "bash -c ls" }, 400],
      [{}, 400],
      [{ mcpServerCommand: EVERYTHING, mcpServerUrl: "http://127.0.0.1:9/mcp" }, 400],
      [{ mcpServerUrl: "http://127.0.0.1:9/mcp" }, 502],
    ] as const) {
      const answer = await proxy.admin("/tools/discover", { json });
      expect(answer.status, JSON.stringify(json)).toBe(status);
      expect(await answer.json()).toEqual({
        error: {
          message: expect.any(String) as unknown,
          type: expect.any(String) as unknown,
          param: status === 400 ? "mcpServerCommand" : null,
          code: expect.any(String) as unknown,
        },
      });
    }
  });
});

describe("trying a tool", () => {
  it("gives its result and console, or what went wrong", async () => {
    const tool = await proxy.createTool({
      name: "sum",
      type: "function",
      parameters: { type: "object", properties: { a: { type: "number" } }, required: ["a"] },
      implementation:
        "console.log('got', args.a); if (args.a < 0) throw new RangeError('too small'); return args.a + 1;",
    });
    const attempt = async (args: unknown) =>
      (await proxy.admin(`/tools/${tool.id}/try`, { json: { arguments: args } })).json();
    expect(await attempt({ a: 1 })).toMatchObject({ result: "2", error: null, logs: ["got 1"] });
    expect(await attempt({ a: -1 })).toMatchObject({
      result: null,
      error: expect.stringContaining("too small") as unknown,
      logs: ["got -1"],
    });
    expect(await attempt({ a: "x" })).toMatchObject({
      result: null,
      error: expect.stringContaining("#/a") as unknown,
    });
  });
});
