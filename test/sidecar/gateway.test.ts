/**
 * The sidecar's endpoint is the MCP server behind it: nothing is lost, and each session gets what
 * is meant for it.
 */
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  type ClientCapabilities,
  type Notification,
} from "@modelcontextprotocol/sdk/types.js";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { identifyServer } from "../../src/tools/mcp/server-command.ts";
import { runSidecar, TOKEN, until, type RunningSidecar } from "./run-sidecar.ts";

let sidecar: RunningSidecar;
beforeAll(async () => {
  sidecar = await runSidecar();
});
afterAll(() => sidecar.end());

const opened: Client[] = [];
afterEach(async () => {
  for (const client of opened.splice(0)) await client.close();
});

/** A client, and what it was told without having asked. */
interface Heard {
  /** Of the server. */
  id: string;
  client: Client;
  heard: Notification[];
}

async function connect(args: string[], capabilities: ClientCapabilities = {}): Promise<Heard> {
  const definition = { command: "npx", args, env: {}, owner: "" };
  const id = await identifyServer(definition);
  const path = `/servers/${id}`;
  await sidecar.request(path, { method: "PUT", body: JSON.stringify(definition) });
  const client = new Client({ name: "test", version: "1" }, { capabilities });
  const heard: Notification[] = [];
  client.fallbackNotificationHandler = (notification) =>
    Promise.resolve(void heard.push(notification));
  const requestInit = { headers: { authorization: `Bearer ${TOKEN}` } };
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${sidecar.url}${path}/mcp`), { requestInit }),
  );
  opened.push(client);
  return { id, client, heard };
}

const serverNamed = (name: string) => ["conformance-server", name];

async function callText(
  client: Client,
  name: string,
  args: Record<string, unknown> = {},
): Promise<string> {
  const result = await client.callTool({ name, arguments: args });
  return (result["content"] as { text: string }[]).map(({ text }) => text).join("");
}

const change = (client: Client, method: string, params?: object) =>
  callText(client, "change", { method, ...(params && { params }) });
const methodsOf = ({ heard }: Heard) => heard.map(({ method }) => method);

describe("a session with a server behind the sidecar", () => {
  it("begins with what the server says of itself", async () => {
    const { client } = await connect(serverNamed("itself"));
    expect(client.getServerVersion()).toEqual({
      name: "conformance-server",
      title: "A server with everything",
      version: "1.2.3",
    });
    expect(client.getInstructions()).toBe("Use it for conformance only.");
    expect(client.getServerCapabilities()).toEqual({
      tools: { listChanged: true },
      resources: { subscribe: true, listChanged: true },
      prompts: { listChanged: true },
      completions: {},
      logging: {},
    });
  });

  it("passes schemas, results and errors as they are", async () => {
    const { client } = await connect(serverNamed("raw"));
    const Any = z.looseObject({});
    const { tools } = (await client.request({ method: "tools/list" }, Any)) as unknown as {
      tools: Record<string, unknown>[];
    };
    expect(tools.find(({ name }) => name === "json_schema_2020_12_tool")).toMatchObject({
      inputSchema: {
        $schema: "https://json-schema.org/draft/2020-12/schema",
        if: {},
        $defs: { address: { $anchor: "addressDef" } },
      },
      _meta: { "test/kept": "json_schema_2020_12_tool" },
    });
    await expect(client.callTool({ name: "no_such_tool" })).rejects.toMatchObject({
      code: -32602,
      message: "MCP error -32602: Unknown tool: no_such_tool",
    });
    await expect(client.readResource({ uri: "test://nowhere" })).rejects.toMatchObject({
      code: -32002,
    });
    await expect(client.request({ method: "x/unknown" as "ping" }, Any)).rejects.toMatchObject({
      code: -32601,
    });
  });

  it("fails at once, and says why, where the server cannot be started", async () => {
    await expect(connect(["faulty-server", "exit-at-once"])).rejects.toMatchObject({
      code: -32603,
      message: expect.stringContaining(
        "The MCP server `npx faulty-server` could not be started: exit code 3.",
      ),
      data: { origin: "mcp-sidecar" },
    });
  });

  it("hears of changed lists, whichever session changed them", async () => {
    const name = serverNamed("lists");
    const [one, two] = [await connect(name), await connect(name)];
    const methods = ["tools", "resources", "prompts"].map(
      (list) => `notifications/${list}/list_changed`,
    );
    for (const method of methods) await change(one.client, method);
    await until("both heard", () => methodsOf(one).length === 3 && methodsOf(two).length === 3);
    expect([methodsOf(one), methodsOf(two)]).toEqual([methods, methods]);
  });

  it("hears of the resources that it subscribed to, and of no others", async () => {
    const name = serverNamed("subscriptions");
    const uri = "test://watched-resource";
    const updated = { method: "notifications/resources/updated", params: { uri } };
    const [one, two] = [await connect(name), await connect(name)];
    await one.client.subscribeResource({ uri });
    await change(two.client, updated.method, updated.params);
    await until("the subscriber heard", () => one.heard.length === 1);
    expect([one.heard, two.heard]).toEqual([[expect.objectContaining(updated)], []]);
    await two.client.subscribeResource({ uri });
    await one.client.unsubscribeResource({ uri });
    expect(JSON.parse(await callText(two.client, "told"))).toMatchObject({ subscriptions: [uri] });
    await change(one.client, updated.method, updated.params);
    await until("the other one heard", () => two.heard.length === 1);
    expect(one.heard).toHaveLength(1);
    await two.client.unsubscribeResource({ uri });
    expect(JSON.parse(await callText(two.client, "told"))).toMatchObject({ subscriptions: [] });
  });

  it("gets log messages of its own level, though the process has one for all", async () => {
    const name = serverNamed("levels");
    const [talkative, quiet] = [await connect(name), await connect(name)];
    await quiet.client.setLoggingLevel("error");
    await talkative.client.setLoggingLevel("debug");
    await quiet.client.setLoggingLevel("error");
    expect(JSON.parse(await callText(quiet.client, "told"))).toMatchObject({ level: "debug" });
    for (const client of [talkative.client, quiet.client]) {
      for (const level of ["info", "critical"])
        await change(client, "notifications/message", { level, data: level });
    }
    expect(talkative.heard.map(({ params }) => params?.["data"])).toEqual(["info", "critical"]);
    expect(quiet.heard.map(({ params }) => params?.["data"])).toEqual(["critical"]);
  });

  it("finds what it had told the server, when that had to be started again", async () => {
    const { id, client } = await connect(serverNamed("restored"));
    const server = async () => (await sidecar.servers()).find((known) => known["id"] === id);
    await client.subscribeResource({ uri: "test://watched-resource" });
    await client.setLoggingLevel("notice");
    process.kill(Number((await server())?.["pid"]), "SIGKILL");
    await until("its death is noticed", async () => (await server())?.["state"] === "failed");
    expect(JSON.parse(await callText(client, "told"))).toMatchObject({
      level: "notice",
      subscriptions: ["test://watched-resource"],
    });
  });
});

describe("a server that asks its client", () => {
  it("gets the answer of the session whose call it is working on", async () => {
    const { client } = await connect(serverNamed("asks"), {
      sampling: {},
      elicitation: {},
      roots: {},
    });
    client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => ({
      role: "assistant",
      model: "a-model",
      content: { type: "text", text: `${params.messages.length} message read` },
    }));
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: "decline" }));
    client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: "file:///work" }] }));
    expect(await callText(client, "test_sampling", { prompt: "hello" })).toBe(
      "LLM response: 1 message read",
    );
    expect(await callText(client, "test_elicitation", { message: "who?" })).toBe(
      "Elicitation completed: action=decline, content={}",
    );
    expect(await callText(client, "test_list_roots")).toBe('[{"uri":"file:///work"}]');
  });

  it("is not told that it may, where the client cannot: the process of another client is another one", async () => {
    const name = serverNamed("able");
    const [able, plain] = [await connect(name, { sampling: {} }), await connect(name)];
    expect(JSON.parse(await callText(able.client, "told"))).toMatchObject({
      client: { sampling: {} },
    });
    expect(JSON.parse(await callText(plain.client, "told"))).toMatchObject({ client: {} });
    expect(await callText(plain.client, "test_sampling", { prompt: "hello" })).toBe(
      "The client has no model.",
    );
    expect(await callText(plain.client, "test_list_roots")).toBe(
      "-32601: No client that is waiting for this server can do roots.",
    );
  });

  it("is told so where two clients are waiting, and it cannot be known which of them is meant", async () => {
    const name = serverNamed("ambiguous");
    const [one, two] = [await connect(name, { roots: {} }), await connect(name, { roots: {} })];
    let ask = () => {};
    const asked = new Promise<void>((resolve) => (ask = resolve));
    let answer = () => {};
    const answered = new Promise<void>((resolve) => (answer = resolve));
    one.client.setRequestHandler(ListRootsRequestSchema, async () => {
      ask();
      await answered;
      return { roots: [] };
    });
    const first = callText(one.client, "test_list_roots");
    await asked;
    expect(await callText(two.client, "test_list_roots")).toMatch(
      /^-32603: 2 clients share this server and are waiting for it/,
    );
    answer();
    expect(await first).toBe("[]");
  });
});
