import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import {
  chunk,
  events,
  sentMessages,
  startUpstream,
  usageChunk,
  type Answer,
} from "../helpers/upstream.ts";

const ADD = {
  name: "add",
  type: "function",
  parameters: {
    type: "object",
    properties: { a: { type: "number" }, b: { type: "number" } },
    required: ["a", "b"],
  },
  implementation: "return args.a + args.b;",
};

/** A call in three fragments, after some text. */
const callInFragments = (name: string): Answer =>
  events(
    chunk({ role: "assistant", content: "" }),
    chunk({ content: "Let me add." }),
    chunk({
      tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name, arguments: "" } }],
    }),
    chunk({ tool_calls: [{ index: 0, function: { arguments: '{"a":2,' } }] }),
    chunk({ tool_calls: [{ index: 0, function: { arguments: '"b":3}' } }] }),
    chunk({}, "tool_calls"),
    usageChunk(),
  );

const answer = (text: string): Answer =>
  events(
    chunk({ role: "assistant", content: "" }, null, { id: "chatcmpl-2" }),
    chunk({ content: text }),
    chunk({}, "stop"),
    usageChunk(),
  );

async function addKey(script: (name: string) => Answer[]) {
  const tool = await proxy.createTool(ADD);
  const upstream = await startUpstream(...script(tool.name));
  const key = await proxy.createKey({ toolIds: [tool.id], openaiBaseUrl: upstream.url });
  return { tool, upstream, key, client: proxy.client(key.key) };
}

describe("streamed chat completions with the key's tools", () => {
  it("is one stream: one id, one role, one finish reason, the texts of both rounds, the summed usage", async () => {
    const { client, upstream, tool } = await addKey((name) => [
      callInFragments(name),
      answer("It is 5."),
    ]);
    const stream = await client.chat.completions.create({
      model: "gpt-test",
      messages: [{ role: "user", content: "2+3?" }],
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const part of stream) chunks.push(part);

    expect(new Set(chunks.map(({ id }) => id))).toEqual(new Set(["chatcmpl-1"]));
    const deltas = chunks.flatMap(({ choices }) => choices);
    expect(deltas.filter(({ delta }) => delta.role !== undefined)).toHaveLength(1);
    expect(
      deltas.map(({ finish_reason }) => finish_reason).filter((reason) => reason !== null),
    ).toEqual(["stop"]);
    expect(deltas.map(({ delta }) => delta.content ?? "").join("")).toBe("Let me add.\n\nIt is 5.");
    expect(deltas.some(({ delta }) => delta.tool_calls !== undefined)).toBe(false);
    const usages = chunks.filter(({ usage }) => usage !== null && usage !== undefined);
    expect(usages).toHaveLength(1);
    expect(usages[0]).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 20, completion_tokens: 10, total_tokens: 30 },
    });

    expect(sentMessages(upstream, 1).slice(1)).toEqual([
      expect.objectContaining({
        role: "assistant",
        content: "Let me add.",
        tool_calls: [
          expect.objectContaining({
            id: "call_1",
            function: { name: tool.name, arguments: '{"a":2,"b":3}' },
          }),
        ],
      }),
      { role: "tool", tool_call_id: "call_1", content: "5" },
    ]);
  });

  it("asks upstream for usage, and keeps it from a client that did not ask", async () => {
    const { client, upstream } = await addKey((name) => [
      callInFragments(name),
      answer("It is 5."),
    ]);
    const { data, response } = await client.chat.completions
      .create({ model: "gpt-test", messages: [{ role: "user", content: "2+3?" }], stream: true })
      .withResponse();
    const chunks = [];
    for await (const part of data) chunks.push(part);
    expect(chunks.every((part) => part.usage === undefined && part.choices.length === 1)).toBe(
      true,
    );
    expect(upstream.requests[0]?.json()["stream_options"]).toEqual({ include_usage: true });
    const conversation = await proxy.conversation(
      response.headers.get("x-proxy-conversation-id") ?? "",
    );
    expect(conversation).toMatchObject({
      status: "completed",
      totalTokens: 30,
      toolExecutionCount: 1,
    });
    expect(conversation.messages.at(-1)).toMatchObject({
      role: "assistant",
      content: "Let me add.\n\nIt is 5.",
      hidden: false,
    });
  });

  it("gives the client its own calls, re-indexed from 0", async () => {
    const { client } = await addKey((name) => [
      events(
        chunk({ role: "assistant", content: null }),
        chunk({
          tool_calls: [
            {
              index: 0,
              id: "call_1",
              type: "function",
              function: { name, arguments: '{"a":1,"b":1}' },
            },
          ],
        }),
        chunk({
          tool_calls: [
            {
              index: 1,
              id: "call_2",
              type: "function",
              function: { name: "ask_user", arguments: '{"q":"?"}' },
            },
          ],
        }),
        chunk({}, "tool_calls"),
      ),
    ]);
    const own = {
      type: "function" as const,
      function: { name: "ask_user", parameters: { type: "object", properties: {} } },
    };
    const final = await client.chat.completions
      .stream({ model: "gpt-test", messages: [{ role: "user", content: "go" }], tools: [own] })
      .finalChatCompletion();
    expect(final.choices[0]?.finish_reason).toBe("tool_calls");
    expect(final.choices[0]?.message.tool_calls).toEqual([
      expect.objectContaining({
        id: "call_2",
        function: expect.objectContaining({ name: "ask_user", arguments: '{"q":"?"}' }),
      }),
    ]);
  });

  it("forwards text the moment it comes", async () => {
    const gate = Promise.withResolvers<void>();
    const { client } = await addKey(() => [
      async (_request, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write(
          `data: ${JSON.stringify(chunk({ role: "assistant", content: "first" }))}\n\n`,
        );
        await gate.promise;
        response.end(
          `data: ${JSON.stringify(chunk({ content: " second" }, "stop"))}\n\ndata: [DONE]\n\n`,
        );
      },
    ]);
    const stream = await client.chat.completions.create({
      model: "gpt-test",
      messages: [{ role: "user", content: "go" }],
      stream: true,
    });
    let text = "";
    for await (const part of stream) {
      text += part.choices[0]?.delta.content ?? "";
      if (text === "first") gate.resolve();
    }
    expect(text).toBe("first second");
  });

  it("ends at [DONE], though upstream goes on", async () => {
    const { client } = await addKey(() => [
      (_request, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write(
          `data: ${JSON.stringify(chunk({ role: "assistant", content: "all" }, "stop"))}\n\ndata: [DONE]\n\n`,
        );
        response.write(`data: ${JSON.stringify(chunk({ content: " and more" }))}\n\n`);
      },
    ]);
    const stream = client.chat.completions.stream({
      model: "gpt-test",
      messages: [{ role: "user", content: "go" }],
    });
    expect(await stream.finalContent()).toBe("all");
  });

  it("tells of an upstream that breaks off, as an event, and records what there was", async () => {
    const { key } = await addKey(() => [
      (_request, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write(
          `data: ${JSON.stringify(chunk({ role: "assistant", content: "half an" }))}\n\n`,
          () => setTimeout(() => response.destroy(), 50),
        );
      },
    ]);
    const response = await fetch(`${proxy.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json" },
      body: JSON.stringify({
        model: "gpt-test",
        messages: [{ role: "user", content: "go" }],
        stream: true,
      }),
    });
    const text = await response.text();
    expect(text).toContain("half an");
    expect(text.trimEnd().split("\n\n").at(-1)).toContain('"error"');
    expect(
      (await proxy.conversation(response.headers.get("x-proxy-conversation-id") ?? "")).status,
    ).toBe("failed");
  });

  it("cancels upstream when the client goes away, and records that", async () => {
    const { key, upstream } = await addKey(() => [
      (_request, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        // workerd learns of a client that has left when it writes to it, so this upstream goes on.
        const timer = setInterval(
          () =>
            response.write(
              `data: ${JSON.stringify(chunk({ role: "assistant", content: "on and " }))}\n\n`,
            ),
          20,
        );
        response.once("close", () => clearInterval(timer));
      },
    ]);
    const leave = new AbortController();
    const response = await fetch(`${proxy.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json" },
      body: JSON.stringify({
        model: "gpt-test",
        messages: [{ role: "user", content: "go" }],
        stream: true,
      }),
      signal: leave.signal,
    });
    await response.body?.getReader().read();
    leave.abort();
    await upstream.requests[0]?.aborted;
    expect(
      (await proxy.conversation(response.headers.get("x-proxy-conversation-id") ?? "")).status,
    ).toBe("cancelled");
  });
});
