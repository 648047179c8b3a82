/** The router's tools as LangChain and LangGraph have them. */
import { HumanMessage } from "@langchain/core/messages";
import { MemorySaver } from "@langchain/langgraph";
import { createReactAgent } from "@langchain/langgraph/prebuilt";
import { MultiServerMCPClient } from "@langchain/mcp-adapters";
import { ChatOpenAI } from "@langchain/openai";
import { expect, it, onTestFinished } from "vitest";
import { ADD } from "../helpers/mcp-clients.ts";
import { proxy } from "../helpers/proxy.ts";
import { completion, sentMessages, startUpstream, toolCall } from "../helpers/upstream.ts";

async function toolsOf(key: string) {
  const headers = { Authorization: `Bearer ${key}` };
  const client = new MultiServerMCPClient({
    mcpServers: { openai: { transport: "http", url: `${proxy.url}/mcp`, headers } },
  });
  onTestFinished(() => client.close());
  return client.getTools();
}

it("are listed and called by LangChain's adapters", async () => {
  const tool = await proxy.createTool(ADD);
  const upstream = await startUpstream(completion({ content: "Paris." }));
  const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url, toolIds: [tool.id] });
  const tools = await toolsOf(key);
  expect(tools.map(({ name }) => name)).toEqual(["chat", "list_models", "embed", tool.name]);
  const [chat] = tools;
  const add = tools.at(-1);
  expect(JSON.stringify(await add?.invoke({ a: 40, b: 2 }))).toContain("42");
  expect(JSON.stringify(await chat?.invoke({ prompt: "Capital of France?" }))).toContain("Paris.");
  await expect(chat?.invoke({ prompt: "x", messages: [] })).rejects.toThrow(/schema/);
});

it("are used by an agent of LangGraph", async () => {
  const tool = await proxy.createTool(ADD);
  // The agent's model is reached by the same proxy, with a key that has no tools of its own.
  const upstream = await startUpstream(
    completion({ tool_calls: [toolCall("c1", tool.name, { a: 40, b: 2 })] }),
    // LangGraph takes a message of an id that it knows for a new version of that message.
    completion({ content: "It is 42." }, { id: "chatcmpl-2" }),
  );
  const { key } = await proxy.createKey({ toolIds: [tool.id] });
  const agentKey = await proxy.createKey({ openaiBaseUrl: upstream.url });
  const agent = createReactAgent({
    llm: new ChatOpenAI({
      model: "gpt-test",
      apiKey: agentKey.key,
      configuration: { baseURL: `${proxy.url}/v1` },
    }),
    tools: await toolsOf(key),
    checkpointer: new MemorySaver(),
  });
  const { messages } = await agent.invoke(
    { messages: [new HumanMessage("40+2?")] },
    { configurable: { thread_id: "1" } },
  );
  expect(messages.at(-1)?.text).toBe("It is 42.");
  expect(JSON.stringify(sentMessages(upstream, 1).at(-1))).toContain("42");
});
