/** What MCP clients want to be told, to reach the proxy's `/mcp` with a key. */
import type { Snippet, Use } from "./snippets.ts";

type McpClient = "claude" | "cursor" | "vscode" | "langgraph" | "typescript";

const asJson = (value: unknown) => JSON.stringify(value, null, 2);
const headersOf = ({ key }: Use) => ({ Authorization: `Bearer ${key}` });

/**
 * Claude Desktop starts its servers: a script of the proxy's checkout hands what it says to `/mcp`.
 */
const claude = ({ origin, key }: Use) =>
  asJson({
    mcpServers: {
      "openai-proxy": {
        command: "node",
        args: ["/path/to/openai-proxy-server/mcp-stdio/main.ts"],
        env: { OPENAI_PROXY_URL: origin, OPENAI_PROXY_KEY: key },
      },
    },
  });

const langgraph = ({ origin, key, model }: Use) => `import asyncio

from langchain.agents import create_agent
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_openai import ChatOpenAI

client = MultiServerMCPClient(
    {
        "openai-proxy": {
            "transport": "streamable_http",
            "url": "${origin}/mcp",
            "headers": {"Authorization": "Bearer ${key}"},
        }
    }
)


async def main():
    tools = await client.get_tools()
    model = ChatOpenAI(model="${model}", base_url="${origin}/v1", api_key="${key}")
    agent = create_agent(model, tools)
    answer = await agent.ainvoke({"messages": [{"role": "user", "content": "Hello"}]})
    print(answer["messages"][-1].content)


asyncio.run(main())`;

const typescript = ({
  origin,
  key,
}: Use) => `import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const client = new Client({ name: "my-application", version: "1.0.0" });
const transport = new StreamableHTTPClientTransport(new URL("${origin}/mcp"), {
  requestInit: { headers: { Authorization: "Bearer ${key}" } },
});
await client.connect(transport);
const { tools } = await client.listTools();
console.log(tools.map((tool) => tool.name));
const answer = await client.callTool({ name: "chat", arguments: { prompt: "Hello" } });
console.log(answer.content);
await client.close();`;

/** Each client by its name. */
export const MCP_CLIENTS: Record<McpClient, Snippet> = {
  claude: {
    label: "Claude Desktop",
    hint: (
      <>
        Goes into <code>claude_desktop_config.json</code>. The script is in a checkout of the proxy
        on the same machine, with its packages installed; it needs Node 22.19 or newer.
      </>
    ),
    snippet: claude,
  },
  cursor: {
    label: "Cursor",
    hint: (
      <>
        Goes into <code>.cursor/mcp.json</code> of a project, or <code>~/.cursor/mcp.json</code> for
        all.
      </>
    ),
    snippet: (use) =>
      asJson({
        mcpServers: { "openai-proxy": { url: `${use.origin}/mcp`, headers: headersOf(use) } },
      }),
  },
  vscode: {
    label: "VS Code",
    hint: (
      <>
        Goes into <code>.vscode/mcp.json</code>. Do not commit it with the key in it.
      </>
    ),
    snippet: (use) =>
      asJson({
        servers: {
          "openai-proxy": { type: "http", url: `${use.origin}/mcp`, headers: headersOf(use) },
        },
      }),
  },
  langgraph: {
    label: "LangGraph",
    hint: (
      <>
        Needs <code>pip install langchain langchain-mcp-adapters langchain-openai</code>. The agent
        is a LangGraph graph.
      </>
    ),
    snippet: langgraph,
  },
  typescript: {
    label: "TypeScript SDK",
    hint: (
      <>
        Needs <code>npm install @modelcontextprotocol/client</code>.
      </>
    ),
    snippet: typescript,
  },
};
