/**
 * Tools of an MCP server that were imported as the admin page imports them, and a key whose model
 * calls them.
 */
import { expect } from "vitest";
import { proxy } from "./proxy.ts";
import { completion, startUpstream, toolCall, type Answer } from "./upstream.ts";

type Json = Record<string, unknown>;

/** A tool as the admin API shows it: what tests of changes read. */
export interface ShownTool {
  id: string;
  name: string;
  description: string;
  parameters: Json;
  isActive: boolean;
  mcpToolName: string;
  mcpChange: null | { from: Json; to: Json | null };
  mcpChangedAt: string | null;
  mcpCheckedAt: string | null;
}

async function shown(answer: Response, status = 200): Promise<ShownTool> {
  const text = await answer.text();
  expect(answer.status, text).toBe(status);
  return JSON.parse(text) as ShownTool;
}

export const readTool = async (id: string) => shown(await proxy.admin(`/tools/${id}`));
export const checkTool = async (id: string) =>
  shown(await proxy.admin(`/tools/${id}/check`, { method: "POST" }));
export const patchTool = async (id: string, json: Json) =>
  shown(await proxy.admin(`/tools/${id}`, { method: "PATCH", json }));
export const change = (id: string, action: string, more: Json = {}) =>
  proxy.admin(`/tools/${id}/change`, { json: { action, ...more } });
export const approve = async (id: string) => shown(await change(id, "approve"));
export const dismiss = async (id: string) => shown(await change(id, "dismiss"));

/** Waits until a change of the tool is shown. */
export async function changed(id: string): Promise<ShownTool> {
  await expect
    .poll(async () => (await readTool(id)).mcpChange, { timeout: 10_000, interval: 100 })
    .not.toBeNull();
  return readTool(id);
}

interface ServerToImport {
  url: string;
  tools: unknown[];
}

/**
 * Asks a server for its tools, and stores them all as an operator does.
 * @param more fields of each
 */
export async function importTools(server: ServerToImport, more: Json = {}): Promise<ShownTool[]> {
  const answer = await proxy.admin("/tools/discover", { json: { mcpServerUrl: server.url } });
  const text = await answer.text();
  expect(answer.status, text).toBe(200);
  const { tools } = JSON.parse(text) as {
    tools: { name: string; description: string; parameters: Json }[];
  };
  expect(tools).toHaveLength(server.tools.length);
  const imported: ShownTool[] = [];
  for (const { name, description, parameters } of tools) {
    const json = {
      name: `${name}_${crypto.randomUUID().slice(0, 8)}`,
      type: "mcp",
      mcpServerUrl: server.url,
      mcpToolName: name,
    };
    imported.push(
      await shown(
        await proxy.admin("/tools", { json: { ...json, description, parameters, ...more } }),
        201,
      ),
    );
  }
  return imported;
}

/** Imports the one tool of a server. */
export async function importTool(server: ServerToImport, more: Json = {}): Promise<ShownTool> {
  const [tool] = await importTools(server, more);
  if (tool === undefined) throw new Error("The server has no tool");
  return tool;
}

/** What a model is offered. */
interface Offered {
  name: string;
  description: string;
  parameters: Json;
}

/** A key with tools. */
export interface ToolUser {
  key: string;
  /** Asks once; the model calls every tool that it is offered. Gives what it was offered. */
  ask(): Promise<Offered[]>;
}

/** Calls each tool that is offered, then answers. */
const callsAll: Answer = (request, response) => {
  const { messages, tools = [] } = request.json() as {
    messages: { role: string }[];
    tools?: { function: Offered }[];
  };
  const calls = tools.map(({ function: { name } }, index) =>
    toolCall(`call_${index}`, name, { text: "hi" }),
  );
  const isDone = messages.at(-1)?.role === "tool" || calls.length === 0;
  return completion(isDone ? { content: "done" } : { tool_calls: calls })(request, response);
};

/** A key that has these tools, and a model that calls them. */
export async function userOf(...tools: { id: string }[]): Promise<ToolUser> {
  const upstream = await startUpstream(callsAll);
  const { key } = await proxy.createKey({
    openaiBaseUrl: upstream.url,
    toolIds: tools.map(({ id }) => id),
  });
  const ask = async () => {
    const asked = upstream.requests.length;
    const answer = await proxy
      .client(key)
      .chat.completions.create({ model: "gpt-test", messages: [{ role: "user", content: "go" }] });
    expect(answer.choices[0]?.message.content).toBe("done");
    const first = upstream.requests[asked]?.json() as
      | { tools?: { function: Offered }[] }
      | undefined;
    return first?.tools?.map((tool) => tool.function) ?? [];
  };
  return { key, ask };
}
