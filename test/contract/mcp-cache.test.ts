/** Answers that the router gives again. */
import { describe, expect, it } from "vitest";
import { ADD } from "../helpers/mcp-clients.ts";
import { callTool, message, send } from "../helpers/mcp-http.ts";
import { proxy } from "../helpers/proxy.ts";
import { completion, json, startUpstream } from "../helpers/upstream.ts";

const embedding = json({
  model: "embedder",
  data: [{ index: 0, embedding: [1, 2] }],
  usage: { prompt_tokens: 2, total_tokens: 2 },
});

interface ShownTurn {
  cached?: boolean;
  cost?: number | null;
  totalTokens?: number | null;
}

interface ShownConversation {
  id: string;
  cost: number | null;
  totalTokens: number | null;
}

async function conversationsOf(keyId: string): Promise<ShownConversation[]> {
  const answer = await proxy.admin(`/conversations?apiKeyId=${keyId}`);
  return ((await answer.json()) as { data: ShownConversation[] }).data;
}

describe("a chat with temperature 0", () => {
  const question = { prompt: "Capital of France?", temperature: 0 };

  it("is answered again without upstream, marked, on record, and for nothing", async () => {
    const upstream = await startUpstream(
      completion({ content: "Paris." }),
      completion({ content: "Lyon?" }),
    );
    const { id, key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const first = await callTool(key, "chat", question);
    expect(first.structuredContent).toMatchObject({ cached: false, usage: { total_tokens: 15 } });
    const second = await callTool(key, "chat", { ...question, conversation_id: "the second" });
    expect(upstream.requests).toHaveLength(1);
    expect(second).toMatchObject({
      content: [{ type: "text", text: "Paris." }],
      structuredContent: {
        text: "Paris.",
        finish_reason: "stop",
        cached: true,
        response_id: "chatcmpl-1",
        usage: { total_tokens: 0 },
      },
    });
    const name = String(second.structuredContent?.["conversation_id"]);
    expect(name).not.toBe(first.structuredContent?.["conversation_id"]);
    await expect
      .poll(async () => (await conversationsOf(id)).some((shown) => shown.id === name))
      .toBe(true);
    const detail = (await proxy.conversation(name)) as unknown as {
      turns: ShownTurn[];
      messages: { content: unknown }[];
    };
    expect(detail.turns.at(-1)).toMatchObject({ cached: true, cost: 0, totalTokens: 0 });
    expect(detail.messages.map(({ content }) => content)).toContain("Paris.");
    const { turns } = (await proxy.conversation(
      String(first.structuredContent?.["conversation_id"]),
    )) as unknown as { turns: ShownTurn[] };
    expect(turns).toMatchObject([{ cached: false, totalTokens: 15 }]);
  });

  it("is told as progress where the client asked for that", async () => {
    const upstream = await startUpstream(completion({ content: "Paris." }));
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    await callTool(key, "chat", question);
    const body = message("tools/call", {
      name: "chat",
      arguments: question,
      _meta: { progressToken: "t" },
    });
    await expect
      .poll(async () => (await send({ key, body })).text)
      .toMatch(/notifications\/progress.*"message":"Paris\.".*"cached":true/s);
    expect(upstream.requests.length).toBeLessThan(4);
  });

  it("is asked anew by another key, with another question, by cache: false, and with tools", async () => {
    const upstream = await startUpstream(
      ...Array.from({ length: 12 }, (_, index) => completion({ content: String(index) })),
    );
    const tool = await proxy.createTool(ADD);
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const other = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const armed = await proxy.createKey({ openaiBaseUrl: upstream.url, toolIds: [tool.id] });
    const cachedOf = async (asking: string, args: Record<string, unknown>) =>
      (await callTool(asking, "chat", args)).structuredContent?.["cached"];
    expect(await cachedOf(key, question)).toBe(false);
    expect(await cachedOf(key, question)).toBe(true);
    expect(await cachedOf(other.key, question)).toBe(false);
    expect(await cachedOf(key, { ...question, seed: 1 })).toBe(false);
    expect(await cachedOf(key, { ...question, model: "gpt-other" })).toBe(false);
    expect(await cachedOf(key, { ...question, cache: false })).toBe(false);
    expect(await cachedOf(key, { prompt: question.prompt, temperature: 0.1 })).toBe(false);
    for (let times = 0; times < 2; times += 1)
      expect(await cachedOf(armed.key, question)).toBe(false);
  });

  it("is not kept where it failed, where the key has no cache, or where nothing of it may be stored", async () => {
    for (const more of [{ answerCacheSeconds: 0 }, { logContent: "metadata" }]) {
      const upstream = await startUpstream(
        ...Array.from({ length: 3 }, () => completion({ content: "Paris." })),
      );
      const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url, ...more });
      for (let times = 0; times < 3; times += 1)
        expect(
          (await callTool(key, "chat", { ...question, cache: true })).structuredContent,
        ).toMatchObject({ cached: false });
      expect(upstream.requests).toHaveLength(3);
    }
    const upstream = await startUpstream(
      json({ error: { message: "No." } }, 500),
      completion({ content: "Paris." }),
    );
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    expect(await callTool(key, "chat", question)).toMatchObject({ isError: true });
    expect(await callTool(key, "chat", question)).toMatchObject({ content: [{ text: "Paris." }] });
  });

  it("expires", async () => {
    const upstream = await startUpstream(
      ...Array.from({ length: 9 }, (_, index) => completion({ content: `Answer ${index}` })),
    );
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url, answerCacheSeconds: 1 });
    const ask = async () => (await callTool(key, "chat", question)).content[0]?.text;
    expect(await ask()).toBe("Answer 0");
    await new Promise((resolve) => setTimeout(resolve, 1300));
    expect(await ask()).toBe("Answer 1");
  });

  it("is refused where the key may not use its model any more, or has used up its requests", async () => {
    const upstream = await startUpstream(
      ...Array.from({ length: 9 }, () => completion({ content: "Paris." })),
    );
    const { id, key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    await callTool(key, "chat", question);
    expect((await callTool(key, "chat", question)).structuredContent).toMatchObject({
      cached: true,
    });
    await proxy.admin(`/api-keys/${id}`, {
      method: "PATCH",
      json: { allowedModels: ["gpt-tiny"] },
    });
    const asked = { ...question, model: "gpt-4.1-mini" };
    await expect
      .poll(async () => (await callTool(key, "chat", asked)).content[0]?.text, { timeout: 7000 })
      .toMatch(/may not use the model/);
    await proxy.admin(`/api-keys/${id}`, {
      method: "PATCH",
      json: { allowedModels: null, requestsPerMinute: 1 },
    });
    await expect
      .poll(async () => (await callTool(key, "chat", asked)).content[0]?.text, { timeout: 7000 })
      .toMatch(/may use 1 requests per minute/);
  });
});

it("gives any answer again by cache: true, whatever its temperature, the key's tools among it", async () => {
  const upstream = await startUpstream(
    completion({ content: "One." }),
    completion({ content: "Two." }),
  );
  const tool = await proxy.createTool(ADD);
  const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url, toolIds: [tool.id] });
  const ask = async () =>
    (await callTool(key, "chat", { prompt: "A word?", cache: true })).structuredContent;
  expect(await ask()).toMatchObject({ text: "One.", cached: false });
  expect(await ask()).toMatchObject({ text: "One.", cached: true });
});

it("gives vectors again by cache: true, and has each call on record", async () => {
  const upstream = await startUpstream(embedding, embedding, embedding);
  const { id, key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
  const embed = async (args: object) =>
    (await callTool(key, "embed", { input: "a", ...args })).structuredContent;
  expect(await embed({})).toMatchObject({ embeddings: [[1, 2]], cached: false });
  expect(await embed({ cache: true })).toMatchObject({ cached: false });
  expect(await embed({ cache: true })).toMatchObject({
    embeddings: [[1, 2]],
    cached: true,
    usage: { total_tokens: 0 },
  });
  const result = await callTool(key, "embed", { input: "a", cache: true });
  expect(JSON.parse(result.content[0]?.text ?? "")).toEqual(result.structuredContent);
  await expect.poll(async () => (await conversationsOf(id)).length).toBeGreaterThan(3);
  const shown = await conversationsOf(id);
  expect(shown.map(({ totalTokens }) => totalTokens)).toEqual(expect.arrayContaining([0, 2]));
  const detail = await proxy.conversation(shown[0]?.id ?? "");
  expect(detail.messages.map(({ content }) => content)).toEqual([
    "a",
    "[1 embedding of 2 numbers]",
  ]);
});
