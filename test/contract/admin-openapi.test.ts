import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { createApp } from "../../src/app.ts";
import { TAGS } from "../../src/routes/describe-route.ts";
import { SHAPES } from "../../src/routes/openapi-shapes.ts";
import { servedTool, startChangeableServer } from "../helpers/changeable-server.ts";
import { proxy } from "../helpers/proxy.ts";
import { startRecorder } from "../helpers/recorded.ts";
import { completion, toolCall } from "../helpers/upstream.ts";
import { importTool } from "../helpers/watched-tool.ts";

interface Operation {
  operationId: string;
  tags: string[];
  summary: string;
  security?: unknown[];
  parameters?: { name: string; in: string; required: boolean; schema: Record<string, unknown> }[];
  requestBody?: { content: Record<string, { schema: Record<string, unknown> }> };
  responses: Record<
    string,
    { description: string; content?: Record<string, { schema: { $ref: string } }> }
  >;
}

interface Document {
  openapi: string;
  info: { title: string; version: string };
  servers: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, unknown>; securitySchemes: Record<string, unknown> };
}

let document: Document;
beforeAll(async () => {
  document = (await (await proxy.admin("/openapi.json")).json()) as Document;
});

/** Method and path of every route of the admin API, as the app itself has them. */
const routes = () => [
  ...new Set(
    createApp()
      .routes.filter(({ method, path }) => method !== "ALL" && path.startsWith("/api/admin/"))
      .map(({ method, path }) => `${method} ${path.slice("/api/admin".length)}`),
  ),
];

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      path,
      operation,
    })),
  );

describe("the OpenAPI document of the admin API", () => {
  it("has every route, and no other", () => {
    const described = operations().map(({ name }) => name.replace(/\{(\w+)\}/g, ":$1"));
    expect(described.toSorted()).toEqual(routes().toSorted());
  });

  it("says of every route what it is for, as the route itself does", () => {
    for (const { name, operation } of operations()) {
      expect(TAGS, name).toContain(operation.tags[0]);
      expect(operation.summary, name).not.toContain("/api-keys");
      expect(operation.summary.length, name).toBeGreaterThan(5);
    }
    const open = operations().filter(({ operation }) => operation.security !== undefined);
    expect(open.map(({ name }) => name)).toEqual(["POST /login", "POST /logout"]);
  });

  it("is a document of OpenAPI 3.1 that can be read without knowing us", () => {
    expect(document.openapi).toMatch(/^3\.1\.\d$/);
    expect(document.info).toMatchObject({
      title: expect.any(String) as unknown,
      version: expect.any(String) as unknown,
    });
    expect(document.servers).toEqual([{ url: "/api/admin" }]);
    const ids = operations().map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { name, path, operation } of operations()) {
      const named = (operation.parameters ?? [])
        .filter((parameter) => parameter.in === "path")
        .map((parameter) => parameter.name);
      expect(named, name).toEqual(
        [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter),
      );
      expect(
        new Set(
          (operation.parameters ?? []).map((parameter) => `${parameter.in} ${parameter.name}`),
        ).size,
        name,
      ).toBe((operation.parameters ?? []).length);
      for (const [status, { description, content }] of Object.entries(operation.responses)) {
        expect(status, name).toMatch(/^(?:[1-5]\d\d|default)$/);
        expect(description, name).not.toBe("");
        for (const { schema } of Object.values(content ?? {}))
          expect(document.components.schemas, name).toHaveProperty(
            schema.$ref.replace("#/components/schemas/", ""),
          );
      }
    }
  });

  it("has only schemas that a validator of JSON Schema 2020-12 takes", () => {
    const ajv = new Ajv2020({ strict: false });
    addFormats.default(ajv);
    const schemas = [
      ...Object.values(document.components.schemas),
      ...operations().flatMap(({ operation }) => [
        ...(operation.parameters ?? []).map(({ schema }) => schema),
        ...Object.values(operation.requestBody?.content ?? {}).map(({ schema }) => schema),
      ]),
    ];
    for (const schema of schemas)
      expect(() => ajv.compile(schema as object), JSON.stringify(schema)).not.toThrow();
  });

  it("says what the routes themselves check", () => {
    const list = document.paths["/conversations"]?.["get"];
    expect(list?.parameters?.map(({ name }) => name).toSorted()).toEqual(
      [
        "apiKeyId",
        "cursor",
        "endpoint",
        "from",
        "kind",
        "limit",
        "minDurationMs",
        "model",
        "q",
        "status",
        "to",
        "tool",
        "toolStatus",
      ].toSorted(),
    );
    expect(list?.parameters?.find(({ name }) => name === "status")?.schema).toMatchObject({
      enum: ["completed", "failed", "cancelled", "refused"],
    });
    expect(list?.parameters?.find(({ name }) => name === "limit")?.schema).toMatchObject({
      type: "integer",
      minimum: 1,
      maximum: 200,
    });
    expect(list?.parameters?.every(({ required }) => !required)).toBe(true);
    const create =
      document.paths["/tools"]?.["post"]?.requestBody?.content["application/json"]?.schema;
    expect(create).toMatchObject({
      type: "object",
      required: ["name", "type"],
      additionalProperties: false,
    });
  });

  it("is the operator's alone", async () => {
    expect((await fetch(`${proxy.url}/api/admin/openapi.json`)).status).toBe(401);
  });
});

describe("answers of the admin API", () => {
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv);
  const validators = new Map<string, ValidateFunction>();

  /**
   * What is wrong with an answer by the document's shape. It may have no more than the document
   * says.
   */
  async function faultsOf(
    path: string,
    shape: keyof typeof SHAPES,
    init: Parameters<typeof proxy.admin>[1] = {},
  ): Promise<string[]> {
    const body = (await (await proxy.admin(path, init)).json()) as unknown;
    // The document's shapes are open to what is added later; ours are all that there is now.
    const closed = z.toJSONSchema(SHAPES[shape], { io: "output", unrepresentable: "any" });
    const validate = validators.get(shape) ?? ajv.compile(closed);
    validators.set(shape, validate);
    return validate(body)
      ? []
      : (validate.errors ?? []).map(
          (error) =>
            `${path}${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`,
        );
  }

  it("have the shapes that the document gives them", async () => {
    const tool = await proxy.createTool({
      name: "shape",
      type: "function",
      implementation: "return 1;",
    });
    const { keyId, converse } = await startRecorder(
      { toolIds: [tool.id] },
      completion({ content: "Let me see.", tool_calls: [toolCall("call_1", tool.name, {})] }),
      completion({ content: "hello" }),
    );
    const id = await converse("hi");
    const server = await startChangeableServer(servedTool("shaped"));
    const changing = await importTool(server, { mcpHeaders: { "x-secret": "value" } });
    server.tools = [servedTool("shaped", "changed")];
    const answers: Parameters<typeof faultsOf>[] = [
      ["/api-keys", "KeyPage"],
      [`/api-keys/${keyId}`, "Key"],
      [`/api-keys/${keyId}/tools`, "KeyTools"],
      [`/api-keys/${keyId}/preview`, "KeyPreview"],
      ["/api-keys", "NewKey", { json: { name: "shaped" } }],
      [`/api-keys/${keyId}/rotate`, "NewKey", { json: {} }],
      ["/tools", "ToolPage"],
      [`/tools/${tool.id}`, "Tool"],
      [`/tools/${tool.id}/try`, "ToolTrial", { json: {} }],
      [`/tools/${changing.id}/check`, "Tool", { method: "POST" }],
      ["/tools?changed=true", "ToolPage"],
      [`/tools/${changing.id}/change`, "Tool", { json: { action: "dismiss" } }],
      ["/tools/servers", "ServerList"],
      ["/conversations", "ConversationPage"],
      [`/conversations/${id}`, "ConversationDetail"],
      ["/audit", "AuditPage"],
      ["/settings", "Settings"],
      ["/conversations?limit=0", "Error"],
      ...["none", "key", "model", "tool", "endpoint"].map(
        (groupBy): Parameters<typeof faultsOf> => [`/stats?groupBy=${groupBy}`, "Statistics"],
      ),
    ];
    for (const answer of answers) expect(await faultsOf(...answer)).toEqual([]);
  });
});
