/**
 * The MCP servers that the proxy starts: for whom they run, how they do, and how they are started
 * again.
 */
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import type { Page } from "playwright-core";
import { expect, it, onTestFinished } from "vitest";
import { adminCall } from "../helpers/own-proxy.ts";
import { startOperator } from "./operator-page.ts";

const operator = startOperator();

const COMMAND = "npx @modelcontextprotocol/server-everything";

/** The tool `echo` of the server. */
function makeEcho(name: string, fields: Record<string, unknown> = {}): Promise<{ id: string }> {
  const parameters = {
    type: "object",
    properties: { message: { type: "string" } },
    required: ["message"],
  };
  return adminCall(operator.url, "/tools", {
    name,
    type: "mcp",
    parameters,
    mcpServerCommand: COMMAND,
    mcpToolName: "echo",
    ...fields,
  });
}

/** Calls a tool as an MCP client with a new key of this name. */
async function callWithKey(keyName: string, tool: { id: string; name: string }): Promise<void> {
  const { key } = await adminCall<{ key: string }>(operator.url, "/api-keys", {
    name: keyName,
    toolIds: [tool.id],
  });
  const client = new Client({ name: "a client for tests", version: "1.0.0" });
  onTestFinished(() => client.close());
  const requestInit = { headers: { authorization: `Bearer ${key}` } };
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${operator.url}/mcp`), { requestInit }),
  );
  const { content } = await client.callTool(
    { name: tool.name, arguments: { message: "hello" } },
    { timeout: 60_000 },
  );
  expect(JSON.stringify(content)).toContain("hello");
}

const processFor = (page: Page, name: string) =>
  page.getByRole("region", { name: `Process for ${name}` });

async function pidOf(page: Page, name: string): Promise<string | undefined> {
  const text = await processFor(page, name).innerText();
  return /Process\s+(\d+)/.exec(text)?.[1];
}

it("With no server there is a sentence about when one appears", async () => {
  const page = await operator.signIn("/tools?view=servers");
  await page.getByRole("heading", { name: "No server runs" }).waitFor();
  expect(await page.locator("main .empty").innerText()).toMatch(
    /appears here as soon as[\s\S]*Import tools of a server/,
  );
});

it("A server that nobody has used yet is there with its tools, and can be started", async () => {
  const command = `${COMMAND} stdio --unused`;
  await makeEcho("unused_echo", { mcpServerCommand: command });
  const page = await operator.signIn("/tools?view=servers");
  const server = page.getByRole("article", { name: command });
  await server.getByText("It has not been started yet").waitFor();
  expect(await server.innerText()).toContain("unused_echo");
  await server.getByRole("button", { name: "Start", exact: true }).click();
  await server.getByText("running", { exact: true }).waitFor();
  await server.getByRole("button", { name: "Restart", exact: true }).waitFor();
});

it("Each key has a process of its own, and one can be restarted without the others", async () => {
  const { id } = await makeEcho("echo");
  await callWithKey("first application", { id, name: "echo" });
  await callWithKey("second application", { id, name: "echo" });
  const page = await operator.signIn("/tools?view=servers");
  const server = page.getByRole("article", { name: COMMAND });
  await server.getByText("echo", { exact: true }).waitFor();
  const first = processFor(page, "first application");
  await first.getByText("running").waitFor();
  expect(await first.innerText()).toMatch(/Restarts\s+0[\s\S]*Calls\s+1/);
  await first.getByText("Last lines of its output").click();
  await first.getByText(/Starting/).waitFor();
  const before = [await pidOf(page, "first application"), await pidOf(page, "second application")];
  expect(before.every((pid) => pid !== undefined)).toBe(true);
  await first.getByRole("button", { name: /Restart/ }).click();
  await expect
    .poll(() => pidOf(page, "first application"), { timeout: 30_000 })
    .not.toBe(before[0]);
  await first.getByText("running").waitFor();
  expect(await pidOf(page, "second application")).toBe(before[1]);
  await server.getByRole("button", { name: "Restart all" }).click();
  await expect
    .poll(() => pidOf(page, "second application"), { timeout: 30_000 })
    .not.toBe(before[1]);
  await first.getByRole("link", { name: "first application" }).click();
  await page.getByRole("dialog", { name: "first application" }).waitFor();
});

it("A shared server has one process for all keys", async () => {
  const command = `${COMMAND} stdio`;
  const { id } = await makeEcho("shared_echo", {
    mcpServerCommand: command,
    mcpIsolation: "shared",
  });
  await callWithKey("third application", { id, name: "shared_echo" });
  await callWithKey("fourth application", { id, name: "shared_echo" });
  const page = await operator.signIn("/tools?view=servers");
  const server = page.getByRole("article", { name: command, exact: true });
  await server.getByRole("region", { name: "Process for all keys" }).waitFor();
  expect(await server.getByRole("region").count()).toBe(1);
  expect(await server.innerText()).toMatch(/Calls\s+2/);
});

it("A server that cannot be started says why, with the last lines that it wrote", async () => {
  const command = `${COMMAND} no-such-transport`;
  const { id } = await makeEcho("broken_echo", { mcpServerCommand: command });
  await adminCall(operator.url, `/tools/${id}/try`, { arguments: { message: "hello" } });
  const page = await operator.signIn("/tools?view=servers");
  const server = page.getByRole("article", { name: command });
  await server.getByText("failed", { exact: true }).waitFor();
  expect(await server.getByRole("alert").innerText()).toMatch(/^The MCP server|exit/);
  await server.getByText("Last lines of its output").click();
  expect(await server.getByLabel(/^Output of the process/).innerText()).not.toBe("");
});
