/** What the page tells MCP clients is what they need: each snippet is used as it stands. */
import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import type { Page } from "playwright-core";
import { expect, it, onTestFinished } from "vitest";
import { completion, startUpstream } from "../helpers/upstream.ts";
import { startOperator } from "./operator-page.ts";
import { makeWeather } from "./weather.ts";

const operator = startOperator();
const ROOT = resolve(import.meta.dirname, "../..");
const run = promisify(execFile);

interface RemoteServer {
  type?: string;
  url: string;
  headers: Record<string, string>;
}

/** Servers by name, as settings have them. */
interface Named<Server> {
  "openai-proxy": Server;
}

/** What is shown for a client, which is also what is copied. */
async function snippetFor(page: Page, client: string): Promise<string> {
  await page.getByLabel("MCP client", { exact: true }).selectOption(client);
  const text = await page.getByLabel(`${client} code`, { exact: true }).innerText();
  await page.getByRole("button", { name: `Copy ${client} code` }).click();
  await page.getByText("Copied", { exact: true }).waitFor();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(text);
  return text;
}

async function toolNames(
  transport: StdioClientTransport | StreamableHTTPClientTransport,
): Promise<string[]> {
  const client = new Client({ name: "a client for tests", version: "1.0.0" });
  onTestFinished(() => client.close());
  await client.connect(transport);
  return (await client.listTools()).tools.map(({ name }) => name);
}

const remote = ({ url, headers }: RemoteServer) =>
  toolNames(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));

it("A new key comes with the settings of each MCP client, and they work", async () => {
  const upstream = await startUpstream(completion({ content: "Hello from the model" }));
  const page = await operator.signIn("/keys?key=new");
  await page.getByLabel("Name").fill("for MCP");
  await page.getByLabel("Answer cache of /mcp, in seconds").fill("60");
  await page.getByText("Upstream and models").click();
  await page.getByLabel("Base URL of its own").fill(upstream.url);
  await page.getByRole("button", { name: "Create key" }).click();
  const key = (await page.getByLabel("API key", { exact: true }).innerText()).trim();
  await page.getByRole("radio", { name: "MCP client" }).click();

  const claude = JSON.parse(await snippetFor(page, "Claude Desktop")) as {
    mcpServers: Named<{ command: string; args: string[]; env: Record<string, string> }>;
  };
  const { command, args, env } = claude.mcpServers["openai-proxy"];
  expect(command).toBe("node");
  const script = args.map((arg) => arg.replace("/path/to/openai-proxy-server", ROOT));
  expect(
    await toolNames(new StdioClientTransport({ command: process.execPath, args: script, env })),
  ).toContain("chat");

  const cursor = JSON.parse(await snippetFor(page, "Cursor")) as {
    mcpServers: Named<RemoteServer>;
  };
  expect(await remote(cursor.mcpServers["openai-proxy"])).toContain("chat");

  const code = JSON.parse(await snippetFor(page, "VS Code")) as { servers: Named<RemoteServer> };
  expect(code.servers["openai-proxy"].type).toBe("http");
  expect(await remote(code.servers["openai-proxy"])).toContain("chat");

  const python = await snippetFor(page, "LangGraph");
  for (const part of [`"${operator.url}/mcp"`, `"Bearer ${key}"`, '"streamable_http"'])
    expect(python).toContain(part);

  const typescript = await snippetFor(page, "TypeScript SDK");
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", typescript], {
    cwd: ROOT,
  });
  expect(stdout).toContain("'chat'");
  expect(stdout).toContain("Hello from the model");
}, 60_000);

it("A key that is there has the same settings, with a place for what is not known any more", async () => {
  const { keyId } = await makeWeather(operator.url, "connected");
  const page = await operator.signIn(`/keys?key=${keyId}&tab=connect`);
  await page.getByRole("radio", { name: "MCP client" }).click();
  const cursor = JSON.parse(await snippetFor(page, "Cursor")) as {
    mcpServers: Named<RemoteServer>;
  };
  expect(cursor.mcpServers["openai-proxy"]).toEqual({
    url: `${operator.url}/mcp`,
    headers: { Authorization: "Bearer YOUR_PROXY_KEY" },
  });
  await page.getByText(/begins with sk-proxy-/).waitFor();
});
