/**
 * With parts that nobody here wrote: an independent upstream, a Python MCP server by uvx, the
 * official client.
 */
import { LLMock } from "@copilotkit/aimock";
import { resolve } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { completion, sentMessages, startUpstream, toolCall } from "../helpers/upstream.ts";

const UVX_CLOCK = resolve(import.meta.dirname, "../sidecar/fixtures/uvx-clock");

async function independentUpstream(tool: string): Promise<string> {
  const mock = new LLMock({ port: 0, host: "127.0.0.1" });
  mock.addFixture({
    match: { userMessage: "6*7", hasToolResult: false },
    response: { toolCalls: [{ id: "call_1", name: tool, arguments: '{"expression":"6*7"}' }] },
  });
  mock.addFixture({
    match: { userMessage: "6*7", toolResultContains: "42" },
    response: { content: "The answer is 42 🎉." },
  });
  await mock.start();
  onTestFinished(() => mock.stop());
  return `${mock.url}/v1`;
}

describe("with an upstream that we did not write", () => {
  it("the calculator answers 6*7, whole and streamed", async () => {
    const tool = await proxy.createTool({
      name: "calculator",
      type: "function",
      parameters: {
        type: "object",
        properties: { expression: { type: "string" } },
        required: ["expression"],
      },
      implementation: "return { result: eval(args.expression) };",
    });
    const { key } = await proxy.createKey({
      toolIds: [tool.id],
      openaiBaseUrl: await independentUpstream(tool.name),
    });
    const question = {
      model: "gpt-4.1-mini",
      messages: [{ role: "user" as const, content: "What is 6*7?" }],
    };
    const client = proxy.client(key);
    expect((await client.chat.completions.create(question)).choices[0]?.message.content).toBe(
      "The answer is 42 🎉.",
    );
    const stream = client.chat.completions.stream(question);
    expect(await stream.finalContent()).toBe("The answer is 42 🎉.");
  });

  it("embeddings, images, speech and files go through the official client", async () => {
    const { key } = await proxy.createKey({ openaiBaseUrl: await independentUpstream("none") });
    const client = proxy.client(key);
    const embeddings = await client.embeddings.create({
      model: "text-embedding-3-small",
      input: "hello",
    });
    expect(embeddings.data[0]?.embedding.length).toBeGreaterThan(0);
    const content = `{"a":"ü"}\n`;
    const file = await client.files.create({
      file: new File([content], "batch.jsonl"),
      purpose: "batch",
    });
    expect(await (await client.files.content(file.id)).text()).toBe(content);
    expect(await client.files.delete(file.id)).toMatchObject({ id: file.id, deleted: true });
  });
});

describe("an MCP tool by uvx", () => {
  it("runs, and sees the environment that it declares and no secret of ours", async () => {
    const tool = await proxy.createTool({
      name: "clock",
      mcpToolName: "now",
      type: "mcp",
      parameters: { type: "object", properties: {} },
      mcpServerCommand: `uvx --from "${UVX_CLOCK}" uvx-clock`,
      env: { CLOCK: "on" },
    });
    const upstream = await startUpstream(
      completion({ tool_calls: [toolCall("call_1", tool.name, "")] }),
      completion({ content: "done" }),
    );
    const { key } = await proxy.createKey({ toolIds: [tool.id], openaiBaseUrl: upstream.url });
    const answer = await proxy
      .client(key)
      .chat.completions.create({ model: "m", messages: [{ role: "user", content: "go" }] });
    expect(answer.choices[0]?.message.content).toBe("done");
    const result = JSON.parse(sentMessages(upstream, 1).at(-1)?.content ?? "") as {
      now: string;
      environment: string[];
    };
    expect(new Date(result.now).getTime()).toBeGreaterThan(Date.now() - 60_000);
    expect(result.environment).toContain("CLOCK");
    // The mark by which the sidecar finds what a server left behind: a random word, no secret.
    const foreign = result.environment.filter((name) => name !== "OPENAI_PROXY_MCP_SERVER");
    expect(foreign.filter((name) => /SECRET|TOKEN|PASSWORD|OPENAI|DATABASE/.test(name))).toEqual(
      [],
    );
  });
});
