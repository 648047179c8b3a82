/** The router as MCP clients see it. */
import { describe, expect, it } from "vitest";
import { ADD, CLIENTS } from "../helpers/mcp-clients.ts";
import { proxy } from "../helpers/proxy.ts";
import {
  chunk,
  completion,
  events,
  json,
  startUpstream,
  toolCall,
  usageChunk,
  type Answer,
} from "../helpers/upstream.ts";

/** A key with the tool `add`, whose upstream follows the script. */
async function addingKey(...script: Answer[]) {
  const tool = await proxy.createTool(ADD);
  const upstream = await startUpstream(...script);
  return {
    tool,
    upstream,
    ...(await proxy.createKey({ toolIds: [tool.id], openaiBaseUrl: upstream.url })),
  };
}

describe.each(CLIENTS)("%s", (_name, connect) => {
  it("lists the router's tools and the key's, with the key's schema as the operator wrote it", async () => {
    const { key, tool } = await addingKey();
    const tools = await (await connect(key)).tools();
    expect(tools.map(({ name }) => name)).toEqual(["chat", "list_models", "embed", tool.name]);
    expect(tools.at(-1)?.inputSchema).toEqual(ADD.parameters);
    expect(tools[0]?.outputSchema).toMatchObject({ type: "object" });
  });

  it("asks a model by its prompt alone, and gets the answer with its facts", async () => {
    const upstream = await startUpstream(completion({ content: "Paris." }));
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const client = await connect(key);
    await client.tools();
    const result = await client.call("chat", {
      prompt: "Capital of France?",
      temperature: 0.5,
      seed: 7,
    });
    expect(result).toMatchObject({
      content: [{ type: "text", text: "Paris." }],
      structuredContent: {
        text: "Paris.",
        model: "gpt-test",
        finish_reason: "stop",
        usage: { total_tokens: 15 },
        response_id: "chatcmpl-1",
        conversation_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      },
    });
    expect(result.isError).toBeFalsy();
    expect(upstream.requests[0]?.url).toBe("/v1/chat/completions");
    expect(upstream.requests[0]?.json()).toEqual({
      model: "gpt-4.1-mini",
      temperature: 0.5,
      seed: 7,
      messages: [{ role: "user", content: "Capital of France?" }],
    });
  });

  it("is told the text while it streams, before the answer has ended", async () => {
    let finish = () => {};
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const upstream = await startUpstream(async (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const send = (payload: unknown) => response.write(`data: ${JSON.stringify(payload)}\n\n`);
      send(chunk({ role: "assistant", content: "One" }));
      await finished;
      send(chunk({ content: ", two" }));
      await new Promise((resolve) => setTimeout(resolve, 100));
      send(chunk({}, "stop"));
      send(usageChunk());
      response.end("data: [DONE]\n\n");
    });
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const seen: { progress: number; message?: string | undefined }[] = [];
    const result = await (
      await connect(key)
    ).call(
      "chat",
      { prompt: "Count." },
      {
        onprogress: (progress) => {
          seen.push(progress);
          finish();
        },
      },
    );
    expect(seen.map(({ message }) => message).join("")).toBe("One, two");
    expect(seen.map(({ progress }) => progress)).toEqual([3, 8]);
    expect(result).toMatchObject({
      content: [{ text: "One, two" }],
      structuredContent: { finish_reason: "stop", usage: { total_tokens: 15 } },
    });
    expect(upstream.requests[0]?.json()).toMatchObject({
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  it("cancels a call, and upstream is cancelled with it", async () => {
    const upstream = await startUpstream(() => {});
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const client = await connect(key);
    const cancel = new AbortController();
    const call = client
      .call("chat", { prompt: "Think." }, { signal: cancel.signal })
      .catch((error: Error) => error);
    await expect.poll(() => upstream.requests.length).toBe(1);
    const startedAt = Date.now();
    cancel.abort();
    await upstream.requests[0]?.aborted;
    expect(Date.now() - startedAt).toBeLessThan(proxy.target === "workerd" ? 4000 : 500);
    expect(await call).toBeInstanceOf(Error);
  });

  it("runs the key's tool, and the model runs it inside chat", async () => {
    const { key, tool, upstream } = await addingKey(
      (...parts) =>
        completion({ tool_calls: [toolCall("c1", tool.name, { a: 2, b: 3 })] })(...parts),
      completion({ content: "It is 5." }),
    );
    const client = await connect(key);
    expect(await client.call(tool.name, { a: 40, b: 2 })).toMatchObject({
      content: [{ type: "text", text: "42" }],
    });
    const wrong = await client.call(tool.name, { a: "x" });
    expect(wrong).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining("do not fit") }],
    });
    const result = await client.call("chat", { prompt: "2+3?" });
    expect(result).toMatchObject({
      content: [{ text: "It is 5." }],
      structuredContent: { usage: { total_tokens: 30 } },
    });
    expect(upstream.requests).toHaveLength(2);
  });

  it("lists models and embeds texts", async () => {
    const upstream = await startUpstream(
      json({ object: "list", data: [{ id: "gpt-b" }, { id: "gpt-a" }] }),
      json({
        object: "list",
        model: "text-embedding-3-small",
        data: [
          { index: 1, embedding: [3, 4] },
          { index: 0, embedding: [1, 2] },
        ],
        usage: { prompt_tokens: 2, total_tokens: 2 },
      }),
    );
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const client = await connect(key);
    expect(await client.call("list_models", {})).toMatchObject({
      content: [{ text: "gpt-a\ngpt-b" }],
      structuredContent: { models: ["gpt-a", "gpt-b"], default_model: "gpt-4.1-mini" },
    });
    const embedded = await client.call("embed", { input: ["a", "b"], dimensions: 2 });
    expect(embedded.structuredContent).toEqual({
      embeddings: [
        [1, 2],
        [3, 4],
      ],
      model: "text-embedding-3-small",
      usage: { prompt_tokens: 2, total_tokens: 2 },
      cached: false,
    });
    expect(upstream.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      "GET /v1/models",
      "POST /v1/embeddings",
    ]);
    expect(upstream.requests[1]?.json()).toEqual({
      model: "text-embedding-3-small",
      input: ["a", "b"],
      dimensions: 2,
      encoding_format: "float",
    });
  });

  it("is told by the protocol of a tool that there is not, and by a result of arguments that do not fit", async () => {
    const { key } = await proxy.createKey();
    const client = await connect(key);
    await expect(client.call("nothing", {})).rejects.toMatchObject({
      code: -32602,
      message: expect.stringContaining("Unknown tool: nothing"),
    });
    expect(await client.call("chat", { messages: "hello" })).toMatchObject({ isError: true });
    expect(await client.call("chat", {})).toMatchObject({
      isError: true,
      content: [{ text: "Give a prompt, or messages." }],
    });
  });

  it("gets what upstream says of a failure as the result's error", async () => {
    const upstream = await startUpstream(
      json(
        {
          error: { message: "The model is overloaded.", type: "server_error", code: "overloaded" },
        },
        503,
      ),
    );
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    expect(await (await connect(key)).call("chat", { prompt: "hello" })).toMatchObject({
      isError: true,
      content: [{ type: "text", text: "The model is overloaded." }],
      _meta: { "openai-proxy-server/error": { status: 503, code: "overloaded" } },
    });
    expect(upstream.requests).toHaveLength(1);
  });
});

it("gets the text of a stream that a model with tools answers", async () => {
  const { key, tool } = await addingKey(
    (...parts) =>
      events(
        chunk({ role: "assistant", content: null }),
        chunk({ tool_calls: [{ index: 0, ...toolCall("c1", tool.name, { a: 2, b: 3 }) }] }),
        chunk({}, "tool_calls"),
        usageChunk(),
      )(...parts),
    events(chunk({ role: "assistant", content: "It is 5." }), chunk({}, "stop"), usageChunk()),
  );
  const seen: string[] = [];
  const connect = CLIENTS[2]?.[1];
  if (connect === undefined) throw new Error("There is no third client");
  const result = await (
    await connect(key)
  ).call("chat", { prompt: "2+3?" }, { onprogress: ({ message = "" }) => seen.push(message) });
  expect(seen.join("")).toBe("It is 5.");
  expect(result).toMatchObject({
    structuredContent: { text: "It is 5.", usage: { total_tokens: 30 } },
  });
});
