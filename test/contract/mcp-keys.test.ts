/** What holds for a key over HTTP holds for it here: limits, allowed models, the record. */
import { describe, expect, it } from "vitest";
import { ADD } from "../helpers/mcp-clients.ts";
import { callTool, HEADERS, message, send } from "../helpers/mcp-http.ts";
import { proxy } from "../helpers/proxy.ts";
import {
  chunk,
  completion,
  events,
  startUpstream,
  toolCall,
  usageChunk,
} from "../helpers/upstream.ts";

interface Turn {
  id: string;
  apiKeyId: string;
}

async function conversationsOf(keyId: string): Promise<Turn[]> {
  const answer = await proxy.admin(`/conversations?apiKeyId=${keyId}`);
  return ((await answer.json()) as { data: Turn[] }).data;
}

async function endpointsOf(keyId: string): Promise<unknown> {
  const answer = await proxy.admin(`/stats?groupBy=endpoint&apiKeyId=${keyId}`);
  return answer.json();
}

describe("a key with limits", () => {
  it("has calls refused by a result that says when to come back, the tools of the key as well", async () => {
    const upstream = await startUpstream(completion({ content: "Hi." }));
    const { id, name } = await proxy.createTool(ADD);
    const { key } = await proxy.createKey({
      openaiBaseUrl: upstream.url,
      toolIds: [id],
      requestsPerMinute: 2,
    });
    expect(await callTool(key, name, { a: 1, b: 2 })).toMatchObject({ content: [{ text: "3" }] });
    expect(await callTool(key, "chat", { prompt: "hello" })).toMatchObject({
      content: [{ text: "Hi." }],
    });
    for (const [tool, args] of [
      ["chat", { prompt: "hello" }],
      ["list_models", {}],
      ["embed", { input: "a" }],
      [name, { a: 1, b: 2 }],
    ] as const) {
      expect(await callTool(key, tool, args), tool).toMatchObject({
        isError: true,
        content: [{ text: expect.stringContaining("may use 2 requests per minute") }],
        _meta: {
          "openai-proxy-server/error": {
            status: 429,
            code: "rate_limit_exceeded",
            retry_after: expect.any(Number),
          },
        },
      });
    }
    expect(upstream.requests).toHaveLength(1);
    // To look costs nothing: a client that cannot list its tools could not say what is wrong.
    expect(await send({ key, body: message("tools/list") })).toMatchObject({
      status: 200,
      json: { result: { tools: expect.any(Array) } },
    });
  });

  it("may use its models only, is told which, and has one of them as its default", async () => {
    const upstream = await startUpstream(completion({ content: "Hi." }));
    const { key } = await proxy.createKey({
      openaiBaseUrl: upstream.url,
      allowedModels: ["gpt-small", "gpt-tiny"],
    });
    expect(await callTool(key, "chat", { prompt: "hello", model: "gpt-huge" })).toMatchObject({
      isError: true,
      content: [
        { text: 'This API key may not use the model "gpt-huge". It may use: gpt-small, gpt-tiny.' },
      ],
    });
    expect(await callTool(key, "embed", { input: "a" })).toMatchObject({ isError: true });
    expect(upstream.requests).toHaveLength(0);
    await callTool(key, "chat", { prompt: "hello" });
    expect(upstream.requests[0]?.json()["model"]).toBe("gpt-small");
  });
});

describe("the record", () => {
  it("has a chat under /mcp, with its conversation, which later calls go on from", async () => {
    const upstream = await startUpstream(
      completion({ content: "Paris." }),
      completion({ content: "Rome." }),
    );
    const { id, key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const first = await callTool(key, "chat", { prompt: "Capital of France?" });
    const conversationId = String(first.structuredContent?.["conversation_id"]);
    const second = await callTool(key, "chat", {
      prompt: "And of Italy?",
      conversation_id: conversationId,
    });
    expect(second.structuredContent?.["conversation_id"]).toBe(conversationId);
    await expect
      .poll(async () => (await proxy.conversation(conversationId)).messages.length)
      .toBe(4);
    const detail = await proxy.conversation(conversationId);
    expect(detail).toMatchObject({
      status: "completed",
      title: "Capital of France?",
      totalTokens: 30,
    });
    expect(await conversationsOf(id)).toHaveLength(1);
    expect(JSON.stringify(await endpointsOf(id))).toContain('"/mcp"');
    expect(JSON.stringify(await endpointsOf(id))).not.toContain("/v1/chat/completions");
  });

  it("has each run of a key's tool with its arguments, its result and its failure", async () => {
    const { id: toolId, name } = await proxy.createTool(ADD);
    const { id, key } = await proxy.createKey({ toolIds: [toolId] });
    await callTool(key, name, { a: 40, b: 2 });
    await callTool(key, name, { a: "x" });
    await expect.poll(async () => (await conversationsOf(id)).length).toBe(2);
    const details = await Promise.all(
      (await conversationsOf(id)).map((conversation) => proxy.conversation(conversation.id)),
    );
    const [failed, added] = details
      .toSorted((a, b) => a.status.localeCompare(b.status))
      .toReversed();
    expect(added).toMatchObject({
      status: "completed",
      toolExecutions: [{ toolName: name, arguments: { a: 40, b: 2 }, result: "42", error: null }],
    });
    expect(failed).toMatchObject({
      status: "failed",
      toolExecutions: [
        { toolName: name, result: null, error: expect.stringContaining("do not fit") },
      ],
    });
  });

  it("has no arguments and results where its key logs none", async () => {
    const { id: toolId, name } = await proxy.createTool(ADD);
    const { id, key } = await proxy.createKey({ toolIds: [toolId], logContent: "metadata" });
    await callTool(key, name, { a: 40_400, b: 2 });
    await expect.poll(async () => (await conversationsOf(id)).length).toBe(1);
    const detail = await proxy.conversation((await conversationsOf(id))[0]?.id ?? "");
    expect(detail.toolExecutions).toMatchObject([{ toolName: name, error: null }]);
    expect(JSON.stringify(detail)).not.toMatch(/40_?40[02]/);
  });
});

it("keeps the router's names for its own tools, and an operator's tool of such a name under key__", async () => {
  const create = async (name: string) => {
    const answer = await proxy.admin("/tools", {
      json: { ...ADD, name, implementation: `return ${JSON.stringify(name)};` },
    });
    return ((await answer.json()) as { id: string }).id;
  };
  const toolIds = [await create("chat"), await create("key__chat")];
  const { key } = await proxy.createKey({ toolIds });
  const { json } = await send({ key, headers: HEADERS, body: message("tools/list") });
  const { tools = [] } = (json.result ?? {}) as { tools?: { name: string }[] };
  const names = tools.map(({ name }) => name);
  expect(names).toEqual(["chat", "list_models", "embed", "key__key__chat", "key__chat"]);
  expect(await callTool(key, "key__key__chat", { a: 1, b: 2 })).toMatchObject({
    content: [{ text: "chat" }],
  });
  expect(await callTool(key, "key__chat", { a: 1, b: 2 })).toMatchObject({
    content: [{ text: "key__chat" }],
  });
  for (const id of toolIds) await proxy.admin(`/tools/${id}`, { method: "DELETE" });
});

it("passes a client's own tools on, and gives their calls to it", async () => {
  const call = toolCall("c1", "mine", { x: 1 });
  const upstream = await startUpstream(completion({ tool_calls: [call] }));
  const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
  const tools = [
    {
      type: "function",
      function: { name: "mine", parameters: { type: "object", properties: {} } },
    },
  ];
  expect(await callTool(key, "chat", { prompt: "Use it.", tools })).toMatchObject({
    content: [{ type: "text", text: "" }],
    structuredContent: { text: "", finish_reason: "tool_calls", tool_calls: [call] },
  });
  expect(upstream.requests[0]?.json()["tools"]).toEqual(tools);
});

it("says so where a stream breaks off in the midst of an answer", async () => {
  const upstream = await startUpstream(
    (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`data: ${JSON.stringify(chunk({ role: "assistant", content: "One" }))}\n\n`);
      setTimeout(() => response.destroy(), 100);
    },
    events(chunk({ content: "x" }), usageChunk()),
  );
  const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
  const body = message("tools/call", {
    name: "chat",
    arguments: { prompt: "Count." },
    _meta: { progressToken: "t" },
  });
  const answer = await send({ key, body });
  expect(answer.text).toContain('"message":"One"');
  expect(answer.json.result).toMatchObject({
    isError: true,
    content: [{ text: expect.stringContaining("broke off") }],
  });
});
