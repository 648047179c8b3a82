import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CALCULATOR } from "../helpers/calculator.ts";
import { proxy } from "../helpers/proxy.ts";
import { completion, json, sentMessages, startUpstream, toolCall } from "../helpers/upstream.ts";

const ask = (content: string) => ({
  model: "gpt-test",
  messages: [{ role: "user" as const, content }],
});

async function calculatorKey(...answers: Parameters<typeof startUpstream>) {
  const tool = await proxy.createTool(CALCULATOR);
  const upstream = await startUpstream(...answers);
  const key = await proxy.createKey({ toolIds: [tool.id], openaiBaseUrl: upstream.url });
  return { tool, upstream, key, client: proxy.client(key.key) };
}

describe("chat completions with the key's tools", () => {
  it("answers 6*7 with the calculator, and the client sees only the answer", async () => {
    const script = { tool: "" };
    const { tool, upstream, client } = await calculatorKey(
      (request, response) =>
        completion({ tool_calls: [toolCall("call_1", script.tool, { expression: "6*7" })] })(
          request,
          response,
        ),
      completion({ content: "6*7 is 42." }, { id: "chatcmpl-2" }),
    );
    script.tool = tool.name;
    const { data, response } = await client.chat.completions
      .create({ ...ask("What is 6*7?"), seed: 7 })
      .withResponse();

    expect(data.choices).toHaveLength(1);
    expect(data.choices[0]?.message).toMatchObject({ role: "assistant", content: "6*7 is 42." });
    expect(data.choices[0]?.message.tool_calls).toBeUndefined();
    expect(data.choices[0]?.finish_reason).toBe("stop");
    expect(data.id).toBe("chatcmpl-1");
    expect(data.usage).toMatchObject({
      prompt_tokens: 20,
      completion_tokens: 10,
      total_tokens: 30,
      prompt_tokens_details: { cached_tokens: 4 },
    });

    const [first, second] = upstream.requests.map((request) => request.json());
    expect(first).toMatchObject({
      seed: 7,
      tools: [
        { type: "function", function: { name: tool.name, description: CALCULATOR.description } },
      ],
    });
    expect(second?.["messages"]).toEqual([
      { role: "user", content: "What is 6*7?" },
      expect.objectContaining({
        role: "assistant",
        tool_calls: [toolCall("call_1", tool.name, { expression: "6*7" })],
      }),
      { role: "tool", tool_call_id: "call_1", content: '{"result":42}' },
    ]);
    expect(upstream.requests[0]?.headers["authorization"]).toBeUndefined();

    const conversation = await proxy.conversation(
      response.headers.get("x-proxy-conversation-id") ?? "",
    );
    expect(conversation).toMatchObject({
      status: "completed",
      model: "gpt-test",
      title: "What is 6*7?",
      totalTokens: 30,
      toolExecutionCount: 1,
    });
    expect(
      conversation.messages.map(({ role, hidden, round }) => ({ role, hidden, round })),
    ).toEqual([
      { role: "user", hidden: false, round: null },
      { role: "assistant", hidden: true, round: 1 },
      { role: "tool", hidden: true, round: 1 },
      { role: "assistant", hidden: false, round: 2 },
    ]);
    expect(conversation.messages.at(-1)?.content).toBe("6*7 is 42.");
    expect(conversation.toolExecutions).toEqual([
      expect.objectContaining({ toolName: tool.name, type: "function", error: null, round: 1 }),
    ]);
    expect(JSON.stringify(conversation.toolExecutions[0]?.result)).toContain("42");
    expect(
      conversation.rounds.map(({ round, status, totalTokens }) => ({ round, status, totalTokens })),
    ).toEqual([
      { round: 1, status: "completed", totalTokens: 15 },
      { round: 2, status: "completed", totalTokens: 15 },
    ]);
  });

  it("runs the calls of one round at the same time, and answers each in the model's order", async () => {
    const slow = await proxy.createTool({
      ...CALCULATOR,
      name: "slow",
      implementation:
        "const end = Date.now() + 300; while (Date.now() < end); return args.expression;",
    });
    const upstream = await startUpstream(
      completion({
        tool_calls: ["a", "b", "c"].map((letter) =>
          toolCall(`call_${letter}`, slow.name, { expression: letter }),
        ),
      }),
      completion({ content: "done" }),
    );
    const key = await proxy.createKey({ toolIds: [slow.id], openaiBaseUrl: upstream.url });
    await proxy.client(key.key).chat.completions.create(ask("go"));
    const results = sentMessages(upstream, 1).filter(({ role }) => role === "tool");
    expect(results).toEqual(
      ["a", "b", "c"].map((letter) => ({
        role: "tool",
        tool_call_id: `call_${letter}`,
        content: letter,
      })),
    );
  });

  it("tells the model of a failing tool, of bad arguments, and of arguments that are no JSON", async () => {
    const bad = await proxy.createTool({
      ...CALCULATOR,
      name: "bad",
      implementation: "throw new Error('no luck today');",
    });
    const upstream = await startUpstream(
      completion({
        tool_calls: [
          toolCall("call_1", bad.name, { expression: "1" }),
          toolCall("call_2", bad.name, { wrong: 1 }),
          toolCall("call_3", bad.name, '{"expression": "1'),
        ],
      }),
      completion({ content: "I could not do it." }),
    );
    const key = await proxy.createKey({ toolIds: [bad.id], openaiBaseUrl: upstream.url });
    const answer = await proxy.client(key.key).chat.completions.create(ask("go"));
    expect(answer.choices[0]?.message.content).toBe("I could not do it.");
    const results = sentMessages(upstream, 1)
      .filter(({ role }) => role === "tool")
      .map(({ content }) => content);
    expect(results[0]).toContain("no luck today");
    expect(results[1]).toContain("expression");
    expect(results[2]).toContain("not valid JSON");
  });

  it("ends after the round limit with an answer, not an error", async () => {
    const script = { tool: "" };
    const { tool, upstream, client } = await calculatorKey((request, response) => {
      const asked = request.json();
      const round = upstream.requests.length;
      const answer =
        asked["tool_choice"] === "none"
          ? { content: "That is all." }
          : { tool_calls: [toolCall(`call_${round}`, script.tool, { expression: "1" })] };
      return completion(answer)(request, response);
    });
    script.tool = tool.name;
    const answer = await client.chat.completions.create(ask("never stop"));
    expect(answer.choices[0]?.message.content).toBe("That is all.");
    expect(upstream.requests).toHaveLength(11);
    expect(answer.usage?.total_tokens).toBe(11 * 15);
  });

  it("relaxes a forced tool choice after the first round", async () => {
    const script = { tool: "" };
    const { tool, upstream, client } = await calculatorKey(
      (request, response) =>
        completion({ tool_calls: [toolCall("call_1", script.tool, { expression: "1" })] })(
          request,
          response,
        ),
      completion({ content: "ok" }),
    );
    script.tool = tool.name;
    await client.chat.completions.create({ ...ask("go"), tool_choice: "required" });
    expect(upstream.requests.map((request) => request.json()["tool_choice"])).toEqual([
      "required",
      "auto",
    ]);
  });

  it("leaves a client's own tool to the client, and lets it win over a server tool of its name", async () => {
    const script = { tool: "" };
    const { tool, client, upstream } = await calculatorKey((request, response) =>
      completion({ tool_calls: [toolCall("call_own", script.tool, { expression: "2" })] })(
        request,
        response,
      ),
    );
    script.tool = tool.name;
    const own = {
      type: "function" as const,
      function: { name: tool.name, parameters: { type: "object", properties: {} } },
    };
    const answer = await client.chat.completions.create({ ...ask("go"), tools: [own] });
    expect(answer.choices[0]?.finish_reason).toBe("tool_calls");
    expect(answer.choices[0]?.message.tool_calls).toHaveLength(1);
    expect(upstream.requests[0]?.json()["tools"]).toEqual([own]);
  });

  it("passes an upstream error through with its own status and body", async () => {
    const error = {
      error: {
        message: "You are too fast",
        type: "requests",
        param: null,
        code: "rate_limit_exceeded",
      },
    };
    const { client } = await calculatorKey(
      json(error, 429, { "retry-after": "7", "x-request-id": "req_1" }),
    );
    const failure = await client.chat.completions
      .create(ask("go"))
      .catch((thrown: unknown) => thrown);
    expect(failure).toMatchObject({ status: 429, error: error.error });
    expect((failure as { headers: Headers }).headers.get("retry-after")).toBe("7");
  });

  it("injects nothing where the request says so", async () => {
    const { key, upstream } = await calculatorKey(completion({ content: "plain" }));
    const bodies = [{ tool_choice: "none" }, { n: 2 }, { functions: [{ name: "old" }] }, {}];
    for (const [index, more] of bodies.entries()) {
      const headers = {
        authorization: `Bearer ${key.key}`,
        "content-type": "application/json",
        ...(index === 3 ? { "x-proxy-tools": "none" } : {}),
      };
      await fetch(`${proxy.url}/v1/chat/completions`, {
        method: "POST",
        headers,
        body: JSON.stringify({ ...ask("hi"), ...more }),
      });
    }
    expect(upstream.requests.map((request) => request.json()["tools"])).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe("MCP tools by npx", () => {
  it("reads a file with read_file of server-filesystem", async () => {
    const directory = mkdtempSync(join(tmpdir(), "proxy files "));
    const path = join(directory, "note.txt");
    writeFileSync(path, "The cat is called Schrödinger.");
    const tool = await proxy.createTool({
      name: "read_file",
      description: "Read file contents",
      type: "mcp",
      mcpToolName: "read_file",
      parameters: {
        type: "object",
        properties: { path: { type: "string", description: "File path to read" } },
        required: ["path"],
      },
      mcpServerCommand: `npx @modelcontextprotocol/server-filesystem "${directory}"`,
    });
    const upstream = await startUpstream(
      completion({ tool_calls: [toolCall("call_1", tool.name, { path })] }),
      completion({ content: "Schrödinger" }),
    );
    const key = await proxy.createKey({ toolIds: [tool.id], openaiBaseUrl: upstream.url });
    const answer = await proxy
      .client(key.key)
      .chat.completions.create(ask("What is the cat called?"));
    expect(answer.choices[0]?.message.content).toBe("Schrödinger");
    const result = sentMessages(upstream, 1).at(-1);
    expect(result?.content).toContain("The cat is called Schrödinger.");
  });
});
