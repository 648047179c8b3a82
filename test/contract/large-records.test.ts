/** Turns that are too large to be kept whole. */
import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

const LARGE = 9_000_000;

interface Kept {
  id: string;
  tokensEstimated: boolean;
  promptTokens: number;
  turns: unknown[];
  messages: { role: string; content: unknown }[];
}

type Message = { role: string; content: unknown };

async function startKey(hasTools: boolean, more: Record<string, unknown> = {}) {
  const upstream = await startUpstream(completion({ content: "read it" }, more));
  const parameters = { type: "object" };
  const implementation = "return 1;";
  const tool = { name: "one", type: "function", parameters, implementation };
  const toolIds = hasTools ? [(await proxy.createTool(tool)).id] : [];
  const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url, toolIds });
  const ask = async (messages: Message[]) => {
    const response = await fetch(`${proxy.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "gpt-test", messages }),
    });
    expect(response.status, await response.text()).toBe(200);
    return response.headers.get("x-proxy-conversation-id") ?? "";
  };
  const kept = async (id: string) => (await proxy.conversation(id)) as unknown as Kept;
  return { upstream, ask, kept };
}

describe.each([
  ["with tools", true],
  ["without tools", false],
])("a large turn of a key %s", (_title, hasTools) => {
  const text = `The beginning. ${"x".repeat(LARGE)}`;
  const image = `data:image/png;base64,${"A".repeat(LARGE)}`;

  it("is on record with the beginning of its texts, and its conversation goes on", async () => {
    const { upstream, ask, kept } = await startKey(hasTools);
    const part = { type: "image_url", image_url: { url: image } };
    const first = [
      { role: "user", content: text },
      { role: "user", content: [part] },
    ];
    const began = await ask(first);
    const { id, messages } = await kept(began);
    expect(upstream.requests[0]?.body.byteLength).toBeGreaterThan(2 * LARGE);
    expect(messages).toHaveLength(3);
    expect(JSON.stringify(messages).length).toBeLessThan(200_000);
    expect(messages[0]?.content).toMatch(/^The beginning\. x+… \[the first 65536 of 9000015 /);
    expect(JSON.stringify(messages[1]?.content)).toContain("[image/png of 9000022 characters");
    const answer = { role: "assistant", content: "read it" };
    const next = await ask([...first, answer, { role: "user", content: "And now?" }]);
    await expect.poll(async () => (await kept(began)).turns.length).toBe(2);
    expect((await kept(next)).id).toBe(id);
    expect((await kept(began)).messages.at(-2)).toMatchObject({ content: "And now?" });
  });

  it("costs its tokens where upstream did not say how many", async () => {
    const { ask, kept } = await startKey(hasTools, { usage: undefined });
    const { promptTokens, tokensEstimated } = await kept(
      await ask([{ role: "user", content: text }]),
    );
    expect(promptTokens).toBeGreaterThan(LARGE / 8);
    expect(tokensEstimated).toBe(true);
  });
});
