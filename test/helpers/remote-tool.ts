/** A tool of a remote MCP server, in a key's hands. */
import { expect } from "vitest";
import { ask, post } from "./chat-turn.ts";
import { proxy } from "./proxy.ts";
import { completion, sentMessages, startUpstream, toolCall } from "./upstream.ts";

type Json = Record<string, unknown>;

/** A key whose model calls the tool once with `{ "n": 1 }`, and then says what it is told. */
export async function keyWith(url: string, fields: Json = {}) {
  const { id, name } = await proxy.createTool({
    name: "remote",
    type: "mcp",
    mcpServerUrl: url,
    mcpToolName: "echo",
    parameters: { type: "object", properties: {} },
    ...fields,
  });
  const make = async () => {
    const upstream = await startUpstream(
      completion({ tool_calls: [toolCall("c1", name, { n: 1 })] }),
      completion({ content: "done" }),
    );
    const { key } = await proxy.createKey({ toolIds: [id], openaiBaseUrl: upstream.url });
    return { upstream, key };
  };
  const say = async (): Promise<string> => {
    const { upstream, key } = await make();
    const response = await post(key, ask());
    expect(response.status, await response.text()).toBe(200);
    return sentMessages(upstream, 1).find(({ role }) => role === "tool")?.content ?? "";
  };
  return { id, name, make, say };
}

/** What the operator is shown of a server that is not a tool's yet. */
export const discovered = async (json: Json) => {
  const answer = await proxy.admin("/tools/discover", { json });
  return {
    status: answer.status,
    body: (await answer.json()) as {
      tools: { name: string; parameters: Json }[];
      error: { message: string };
    },
  };
};
