import { describe, expect, it } from "vitest";
import { CALCULATOR } from "../helpers/calculator.ts";
import { proxy } from "../helpers/proxy.ts";

interface Tool {
  id: string;
  name: string;
  [field: string]: unknown;
}

const unique = (start: string) => `${start}_${crypto.randomUUID().slice(0, 8)}`;
const post = (json: unknown) => proxy.admin("/tools", { json });
const patch = (id: string, json: unknown) => proxy.admin(`/tools/${id}`, { method: "PATCH", json });
const create = async (fields: Record<string, unknown>): Promise<Tool> => {
  const answer = await post(fields);
  const text = await answer.text();
  expect(answer.status, text).toBe(201);
  return JSON.parse(text) as Tool;
};

const FUNCTION = { type: "function", implementation: "return args;" };
const MCP = {
  type: "mcp",
  mcpServerCommand: "npx @modelcontextprotocol/server-filesystem /srv/data",
};
const URL_TOOL = { type: "mcp", mcpServerUrl: "https://mcp.example/mcp" };
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

async function refusal(
  answer: Response,
): Promise<{ status: number; code: string; param: string | null; message: string }> {
  const { error } = (await answer.json()) as {
    error: { code: string; param: string | null; message: string };
  };
  return { status: answer.status, ...error };
}

/** The other tool of the product brief. */
const READ_FILE = {
  name: "read_file",
  description: "Read file contents",
  type: "mcp",
  parameters: {
    type: "object",
    properties: { path: { type: "string", description: "File path to read" } },
    required: ["path"],
  },
  mcpServerCommand: "npx @modelcontextprotocol/server-filesystem /path/to/allowed/directory",
};

describe("a tool", () => {
  it("of the type function is accepted as it is documented", async () => {
    const tool = await create({ ...CALCULATOR, name: unique("calculator") });
    expect(tool).toEqual({
      ...CALCULATOR,
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: tool.name,
      mcpServerCommand: null,
      mcpServerUrl: null,
      mcpToolName: null,
      envNames: [],
      mcpHeaderNames: [],
      mcpIsolation: "key",
      timeoutMs: null,
      maxConcurrency: null,
      onMcpChange: "keep",
      mcpChange: null,
      mcpChangedAt: null,
      mcpCheckedAt: null,
      isActive: true,
      createdAt: expect.stringMatching(ISO),
      updatedAt: expect.stringMatching(ISO),
    });
    expect(await (await proxy.admin(`/tools/${tool.id}`)).json()).toEqual(tool);
  });

  it("of the type mcp is accepted as it is documented, and is called by its own name at its server", async () => {
    const tool = await create({ ...READ_FILE, name: unique("read_file") });
    expect(tool).toMatchObject({
      ...READ_FILE,
      name: tool.name,
      mcpToolName: tool.name,
      mcpServerUrl: null,
      implementation: null,
      envNames: [],
    });
    const renamed = (await (await patch(tool.id, { name: unique("read") })).json()) as Tool;
    expect(renamed["mcpToolName"]).toBe(tool.name);
  });

  it("needs no parameters and no description", async () => {
    expect(await create({ ...FUNCTION, name: unique("t") })).toMatchObject({
      parameters: { type: "object", properties: {} },
      description: "",
    });
  });

  it("may be at a URL, has a time limit and can be made inactive", async () => {
    const tool = {
      type: "mcp",
      mcpServerUrl: "https://mcp.example/mcp",
      mcpToolName: "search",
      timeoutMs: 600_000,
      isActive: false,
    };
    expect(await create({ ...tool, name: unique("search") })).toMatchObject(tool);
  });

  it("shows the names of its environment variables, never their values", async () => {
    const tool = await create({
      ...MCP,
      name: unique("env"),
      env: { API_TOKEN: "very-secret-value", MODE: "x" },
    });
    expect(tool["envNames"]).toEqual(["API_TOKEN", "MODE"]);
    for (const text of [
      JSON.stringify(tool),
      await (await proxy.admin("/tools?limit=200")).text(),
      await (await proxy.admin(`/tools/${tool.id}`)).text(),
    ]) {
      expect(text).not.toContain("very-secret-value");
    }
    expect(await (await patch(tool.id, { description: "x" })).json()).toMatchObject({
      envNames: ["API_TOKEN", "MODE"],
    });
    expect(await (await patch(tool.id, { env: { OTHER: "y" } })).json()).toMatchObject({
      envNames: ["OTHER"],
    });
    expect(await (await patch(tool.id, { env: null })).json()).toMatchObject({ envNames: [] });
  });

  it("shows the names of its server's headers, never their values", async () => {
    const mcpServerUrl = "https://mcp.example/mcp";
    const mcpHeaders = { Authorization: "Bearer very-secret-header", "X-Team": "ünï" };
    const tool = await create({ type: "mcp", mcpServerUrl, name: unique("headers"), mcpHeaders });
    expect(tool).toMatchObject({ mcpHeaderNames: ["Authorization", "X-Team"], envNames: [] });
    const read = async () => (await proxy.admin(`/tools/${tool.id}`)).text();
    for (const text of [
      JSON.stringify(tool),
      await read(),
      await (await proxy.admin("/tools?limit=200")).text(),
    ]) {
      expect(text).not.toMatch(/very-secret-header|"mcpHeaders"/);
    }
    expect(await (await patch(tool.id, { description: "x" })).json()).toMatchObject({
      mcpHeaderNames: ["Authorization", "X-Team"],
    });
    expect(await refusal(await patch(tool.id, { mcpServerUrl: null, ...MCP }))).toMatchObject({
      status: 400,
      param: "mcpHeaders",
    });
    expect(await (await patch(tool.id, { mcpHeaders: { "x-other": "y" } })).json()).toMatchObject({
      mcpHeaderNames: ["x-other"],
    });
    expect(await (await patch(tool.id, { mcpHeaders: {} })).json()).toMatchObject({
      mcpHeaderNames: [],
    });
    const moved = await patch(tool.id, { mcpServerUrl: null, mcpHeaders: null, ...MCP });
    expect(await moved.json()).toMatchObject({ ...MCP, mcpHeaderNames: [] });
  });

  it("says whose process runs it, how often at the same time, and what becomes of it when its server changes it", async () => {
    const tool = await create({
      ...MCP,
      name: unique("rules"),
      mcpIsolation: "shared",
      maxConcurrency: 3,
      onMcpChange: "disable",
    });
    expect(tool).toMatchObject({
      mcpIsolation: "shared",
      maxConcurrency: 3,
      onMcpChange: "disable",
    });
    const other = { mcpIsolation: "key", maxConcurrency: null, onMcpChange: "keep" };
    expect(await (await patch(tool.id, other)).json()).toMatchObject(other);
  });

  it("has a name that no other tool has", async () => {
    const [name, other] = [unique("taken"), unique("free")];
    await create({ ...FUNCTION, name });
    expect(await refusal(await post({ ...MCP, name }))).toMatchObject({
      status: 409,
      code: "conflict",
      param: "name",
    });
    const { id } = await create({ ...FUNCTION, name: other });
    expect(await refusal(await patch(id, { name }))).toMatchObject({
      status: 409,
      code: "conflict",
      param: "name",
    });
    expect((await patch(id, { name: other })).status).toBe(200);
  });

  it("is gone when it is deleted, and is a 404 where there is none", async () => {
    const { id } = await create({ ...FUNCTION, name: unique("gone") });
    expect((await proxy.admin(`/tools/${id}`, { method: "DELETE" })).status).toBe(204);
    for (const missing of [id, "nonsense"]) {
      expect((await proxy.admin(`/tools/${missing}`)).status).toBe(404);
      expect((await proxy.admin(`/tools/${missing}`, { method: "DELETE" })).status).toBe(404);
      expect((await patch(missing, { description: "x" })).status).toBe(404);
    }
  });
});

describe("what cannot be a tool is refused with a 400 that says why", () => {
  const properties = (schema: unknown) => ({
    ...FUNCTION,
    parameters: { type: "object", properties: { a: schema } },
  });
  const faults: [string, Record<string, unknown>, string, RegExp][] = [
    ["a name with a space", { ...FUNCTION, name: "a b" }, "name", /letters/],
    ["an empty name", { ...FUNCTION, name: "" }, "name", /letters/],
    ["a name of 65 characters", { ...FUNCTION, name: "x".repeat(65) }, "name", /64/],
    ["a name that is not ASCII", { ...FUNCTION, name: "größe" }, "name", /letters/],
    ["an unknown type", { ...FUNCTION, type: "http" }, "type", /function/],
    ["an unknown field", { ...FUNCTION, implementaton: "x" }, "implementaton", /no field/],
    ["no implementation", { type: "function" }, "implementation", /missing/],
    [
      "an implementation that does not parse",
      { ...FUNCTION, implementation: "return {;" },
      "implementation",
      /does not parse: \S+/,
    ],
    [
      "an implementation that leaves its function",
      { ...FUNCTION, implementation: "} {" },
      "implementation",
      /does not parse/,
    ],
    [
      "a function with a command",
      { ...FUNCTION, mcpServerCommand: "npx x" },
      "mcpServerCommand",
      /type "mcp"/,
    ],
    [
      "an mcp tool with an implementation",
      { ...MCP, implementation: "return 1;" },
      "implementation",
      /type "function"/,
    ],
    ["an mcp tool without a server", { type: "mcp" }, "mcpServerCommand", /mcpServerUrl/],
    [
      "an mcp tool with two servers",
      { ...MCP, mcpServerUrl: "https://x/mcp" },
      "mcpServerUrl",
      /not both/,
    ],
    ["a URL of another kind", { type: "mcp", mcpServerUrl: "file:///etc" }, "mcpServerUrl", /http/],
    [
      "a command that is not allowed",
      { type: "mcp", mcpServerCommand: "bash -c id" },
      "mcpServerCommand",
      /bash/,
    ],
    [
      "a command with a shell operator",
      { type: "mcp", mcpServerCommand: "npx x; id" },
      "mcpServerCommand",
      /;/,
    ],
    [
      "a command that evaluates code",
      { type: "mcp", mcpServerCommand: "npx -c id" },
      "mcpServerCommand",
      /-c/,
    ],
    [
      "variables for a remote server",
      { type: "mcp", mcpServerUrl: "https://x/mcp", env: { A: "b" } },
      "env",
      /mcpServerCommand/,
    ],
    ["a variable whose name is none", { ...MCP, env: { "A B": "x" } }, "env.A B", /./],
    ["a variable whose value is no text", { ...MCP, env: { A: 1 } }, "env.A", /string/],
    [
      "headers for a server that a command starts",
      { ...MCP, mcpHeaders: { a: "b" } },
      "mcpHeaders",
      /env/,
    ],
    ["headers for a function", { ...FUNCTION, mcpHeaders: { a: "b" } }, "mcpHeaders", /type "mcp"/],
    [
      "a header whose name is none",
      { ...URL_TOOL, mcpHeaders: { "a b": "x" } },
      "mcpHeaders.a b",
      /./,
    ],
    [
      "a header with a line break",
      { ...URL_TOOL, mcpHeaders: { a: "x\r\ny: z" } },
      "mcpHeaders.a",
      /header/,
    ],
    ["an unknown isolation", { ...MCP, mcpIsolation: "none" }, "mcpIsolation", /"key" or "shared"/],
    ["no calls at the same time", { ...MCP, maxConcurrency: 0 }, "maxConcurrency", /./],
    ["half a call", { ...MCP, maxConcurrency: 1.5 }, "maxConcurrency", /./],
    [
      "an unknown rule for changes",
      { ...MCP, onMcpChange: "ask" },
      "onMcpChange",
      /"keep" or "disable"/,
    ],
    ["what the server says of it", { ...MCP, mcpApproved: "{}" }, "mcpApproved", /no field/],
    ["a time limit of 0", { ...FUNCTION, timeoutMs: 0 }, "timeoutMs", /./],
    ["a time limit above 10 minutes", { ...FUNCTION, timeoutMs: 600_001 }, "timeoutMs", /./],
    ["parameters that are a list", { ...FUNCTION, parameters: [] }, "parameters", /JSON Schema/],
    [
      "parameters of no object",
      { ...FUNCTION, parameters: { type: "string" } },
      "parameters",
      /"object"/,
    ],
    [
      "parameters without a type",
      { ...FUNCTION, parameters: { properties: {} } },
      "parameters",
      /"object"/,
    ],
    [
      "properties that are a list",
      { ...FUNCTION, parameters: { type: "object", properties: [] } },
      "parameters",
      /parameters\.properties must/,
    ],
    [
      "a property that is no schema",
      properties("string"),
      "parameters",
      /parameters\.properties\.a must/,
    ],
    [
      "an unknown type of a property",
      properties({ type: "text" }),
      "parameters",
      /parameters\.properties\.a\.type must/,
    ],
    [
      "a fault deep inside",
      properties({ anyOf: [{ items: { enum: 5 } }] }),
      "parameters",
      /parameters\.properties\.a\.anyOf\.0\.items\.enum must/,
    ],
    [
      "a required that is no list",
      { ...FUNCTION, parameters: { type: "object", required: "a" } },
      "parameters",
      /parameters\.required must/,
    ],
    [
      "a pattern that does not parse",
      properties({ pattern: "(" }),
      "parameters",
      /regular expression/,
    ],
    [
      "a reference that leads nowhere",
      properties({ $ref: "#/$defs/x" }),
      "parameters",
      /not there/,
    ],
    [
      "a reference to elsewhere",
      properties({ $ref: "https://x/schema" }),
      "parameters",
      /into this schema/,
    ],
  ];
  it.each(faults)("%s", async (...[, fields, param, reason]) => {
    const {
      status,
      code,
      param: named,
      message,
    } = await refusal(await post({ name: unique("bad"), ...fields }));
    expect({ status, code, param: named }).toEqual({ status: 400, code: "invalid_value", param });
    expect(message).toMatch(reason);
  });

  it("while schemas that servers really send are accepted", async () => {
    const parameters = {
      $schema: "http://json-schema.org/draft-07/schema#",
      type: "object",
      properties: {
        edits: {
          type: "array",
          items: {
            type: "object",
            properties: { oldText: { type: "string" } },
            additionalProperties: false,
          },
        },
        count: { type: ["integer", "null"], minimum: 0, default: 5 },
        anything: true,
        mode: { $ref: "#/$defs/Mode", description: "x" },
        properties: { type: "object", additionalProperties: { type: "string" } },
      },
      required: ["edits"],
      additionalProperties: false,
      $defs: { Mode: { enum: ["a", "b", null], title: "Mode" } },
      "x-vendor": { anything: 1 },
    };
    const tool = await create({ ...FUNCTION, name: unique("schema"), parameters });
    expect(tool["parameters"]).toEqual(parameters);
  });
});

describe("changing a tool", () => {
  it("checks the tool that results, not the change alone", async () => {
    const { id } = await create({ ...MCP, name: unique("server") });
    expect(await refusal(await patch(id, { mcpServerUrl: "https://x/mcp" }))).toMatchObject({
      status: 400,
      param: "mcpServerUrl",
    });
    expect(await refusal(await patch(id, { mcpServerCommand: null }))).toMatchObject({
      status: 400,
      param: "mcpServerCommand",
    });
    expect(await refusal(await patch(id, { implementation: "return 1;" }))).toMatchObject({
      status: 400,
      param: "implementation",
    });
    const moved = await patch(id, { mcpServerUrl: "https://x/mcp", mcpServerCommand: null });
    expect(await moved.json()).toMatchObject({
      mcpServerUrl: "https://x/mcp",
      mcpServerCommand: null,
    });
  });

  it("can make it another type, which drops what only the old type had", async () => {
    const { id } = await create({ ...MCP, name: unique("both"), env: { A: "b" } });
    expect(await refusal(await patch(id, { type: "function" }))).toMatchObject({
      status: 400,
      param: "implementation",
    });
    expect(
      await (await patch(id, { type: "function", implementation: "return 1;" })).json(),
    ).toMatchObject({
      type: "function",
      implementation: "return 1;",
      mcpServerCommand: null,
      mcpServerUrl: null,
      mcpToolName: null,
      envNames: [],
    });
  });

  it("leaves alone what it does not name", async () => {
    const tool = await create({ ...CALCULATOR, name: unique("calculator"), timeoutMs: 100 });
    const { updatedAt: _updatedAt, ...before } = tool;
    expect(await (await patch(tool.id, { isActive: false })).json()).toMatchObject({
      ...before,
      isActive: false,
    });
    expect(await (await patch(tool.id, { timeoutMs: null })).json()).toMatchObject({
      ...before,
      isActive: false,
      timeoutMs: null,
    });
    expect(await refusal(await patch(tool.id, { parameters: { type: "array" } }))).toMatchObject({
      status: 400,
      param: "parameters",
    });
    expect(await refusal(await patch(tool.id, { isActiv: true }))).toMatchObject({
      status: 400,
      param: "isActiv",
    });
  });
});

describe("the list of tools", () => {
  it("comes newest first, in pages", async () => {
    const made: string[] = [];
    for (let index = 0; index < 4; index++)
      made.unshift((await create({ ...FUNCTION, name: unique("page") })).id);
    const seen: string[] = [];
    let path: string | null = "/tools?limit=3";
    while (path !== null) {
      const page: { data: Tool[]; nextCursor: string | null } = await (
        await proxy.admin(path)
      ).json();
      seen.push(...page.data.map(({ id }) => id));
      path = page.nextCursor === null ? null : `/tools?limit=3&cursor=${page.nextCursor}`;
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((id) => made.includes(id))).toEqual(made);
    expect((await refusal(await proxy.admin("/tools?cursor=x"))).param).toBe("cursor");
  });
});
