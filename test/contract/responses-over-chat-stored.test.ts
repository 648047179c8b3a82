/** Responses that the proxy keeps, because their upstream speaks chat completions. */
import { expect, it } from "vitest";
import { ADD } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import { historyOf, startRounds, tokensOf, type ScriptedRound } from "../helpers/mixed-upstream.ts";
import { specFaults } from "../helpers/openai-spec.ts";
import { askResponse, postResponse, sentBody } from "../helpers/response-turn.ts";
import type { ScriptedUpstream } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

interface ChatKey {
  key: string;
  upstream: ScriptedUpstream;
}

/** A key whose upstream speaks chat completions alone; it has no tools unless they are given. */
async function chatKey(rounds: ScriptedRound[], fields: Json = {}): Promise<ChatKey> {
  const upstream = await startRounds(...rounds);
  const made = { openaiBaseUrl: upstream.url, upstreamDialect: "chat", ...fields };
  const { key } = await proxy.createKey(made);
  return { key, upstream };
}

const adder = (): Promise<{ id: string; name: string }> => proxy.createTool(ADD);

const below = ({ key }: ChatKey, path: string, method = "GET"): Promise<Response> =>
  fetch(`${proxy.url}/v1/responses/${path}`, {
    method,
    headers: { authorization: `Bearer ${key}` },
  });

const TWO: ScriptedRound[] = [{ text: "One.", reasoning: "Hm." }, { text: "Two." }];

it.each([true, false])("is gone on from by its id, with stream %s", async (stream) => {
  const key = await chatKey(TWO);
  const first = await askResponse(key, { input: "1?", instructions: "Count.", stream });
  const next = { input: "2?", previous_response_id: first.id, stream };
  const second = await askResponse(key, next);
  expect(second["previous_response_id"]).toBe(first.id);
  // Instructions are of one response.
  expect(historyOf(key.upstream, 1)).toEqual(["user: 1?", "assistant: One.", "user: 2?"]);
  const [, answer] = sentBody(key.upstream, 1)["messages"] as Json[];
  expect(answer).toMatchObject({ reasoning_content: "Hm." });
  expect(second["usage"]).toMatchObject({ input_tokens: tokensOf(1).input });
});

it("is gone on from with what its client did not see", async () => {
  const { id, name } = await adder();
  const call = { id: "call_1", name, arguments: '{"a":2,"b":3}' };
  const rounds = [{ text: "Adding.", calls: [call] }, { text: "It is 5." }, { text: "Sure." }];
  const key = await chatKey(rounds, { toolIds: [id] });
  const first = await askResponse(key, { input: "2+3?" });
  await askResponse(key, { input: "Sure?", previous_response_id: first.id });
  expect(historyOf(key.upstream, 2)).toEqual([
    "user: 2+3?",
    `assistant: Adding. [call_1 ${name} {"a":2,"b":3}]`,
    "tool call_1: 5",
    "assistant: It is 5.",
    "user: Sure?",
  ]);
});

it.each([true, false])(
  "is found by references to its items, with memory %s",
  async (toolMemory) => {
    const { id, name } = await adder();
    const call = { id: "call_1", name, arguments: '{"a":2,"b":3}' };
    const rounds = [{ calls: [call] }, { text: "It is 5." }, { text: "Sure." }];
    const key = await chatKey(rounds, { toolIds: [id], toolMemory });
    const { output } = await askResponse(key, { input: "2+3?", stream: true });
    const input = [
      { role: "user", content: "2+3?" },
      ...output.map((item) => ({ type: "item_reference", id: item["id"] })),
      { role: "user", content: "Sure?" },
    ];
    await askResponse(key, { input });
    const hidden = [`assistant:  [call_1 ${name} {"a":2,"b":3}]`, "tool call_1: 5"];
    expect(historyOf(key.upstream, 2)).toEqual([
      "user: 2+3?",
      ...(toolMemory ? hidden : []),
      "assistant: It is 5.",
      "user: Sure?",
    ]);
  },
);

it("is found by references to its items where it had no tools", async () => {
  const key = await chatKey(TWO);
  const { output } = await askResponse(key, { input: "1?" });
  const references = output.map(({ id }) => ({ type: "item_reference", id }));
  const question = { role: "user", content: "1?" };
  await askResponse(key, { input: [question, ...references, { role: "user", content: "2?" }] });
  expect(historyOf(key.upstream, 1)).toEqual(["user: 1?", "assistant: One.", "user: 2?"]);
});

it("that nobody knows is a 404, an item or a response, and upstream is not asked", async () => {
  const key = await chatKey(TWO);
  const item = await postResponse(key, { input: [{ type: "item_reference", id: "msg_1" }] });
  expect(item.status).toBe(404);
  expect(await item.json()).toMatchObject({
    error: { message: expect.stringContaining("Item with id 'msg_1' not found") as string },
  });
  const response = await postResponse(key, { input: "?", previous_response_id: "resp_1" });
  expect(response.status).toBe(404);
  for (const path of ["resp_1", "resp_1/input_items"])
    expect((await below(key, path)).status, path).toBe(404);
  expect((await below(key, "resp_1", "DELETE")).status).toBe(404);
  expect(key.upstream.requests).toEqual([]);
});

it("is read, listed and deleted without upstream", async () => {
  const key = await chatKey(TWO);
  const first = await askResponse(key, { input: "1?", stream: true });
  const second = await askResponse(key, { input: "2?", previous_response_id: first.id });
  expect(await (await below(key, first.id)).json()).toEqual(first);
  const items = (await (await below(key, `${second.id}/input_items?order=asc`)).json()) as {
    data: Json[];
  };
  expect(specFaults("ResponseItemList", items)).toEqual([]);
  expect(items.data.map(({ type, role }) => role ?? type)).toEqual([
    "user",
    "reasoning",
    "assistant",
    "user",
  ]);
  const cancelled = await below(key, `${first.id}/cancel`, "POST");
  expect(cancelled.status).toBe(400);
  const deleted = await below(key, first.id, "DELETE");
  expect(await deleted.json()).toEqual({ id: first.id, object: "response", deleted: true });
  expect((await below(key, first.id)).status).toBe(404);
  const other = await chatKey(TWO);
  expect((await below(other, second.id)).status).toBe(404);
  expect(key.upstream.requests).toHaveLength(2);
});

it("that is not to be stored is not kept", async () => {
  const key = await chatKey(TWO);
  const first = await askResponse(key, { input: "1?", store: false });
  expect(first["store"]).toBe(false);
  expect((await below(key, first.id)).status).toBe(404);
  const next = await postResponse(key, { input: "2?", previous_response_id: first.id });
  expect(next.status).toBe(404);
  const { output } = first;
  await askResponse(key, {
    input: [{ role: "user", content: "1?" }, ...output, { role: "user", content: "2?" }],
    store: false,
  });
  expect(historyOf(key.upstream, 1)).toEqual(["user: 1?", "assistant: One.", "user: 2?"]);
});

it("that is not stored is carried by a client that sends back encrypted reasoning", async () => {
  const key = await chatKey(TWO);
  const asked = { store: false, include: ["reasoning.encrypted_content"], stream: true };
  const { output } = await askResponse(key, { input: "1?", ...asked });
  const [{ content: _text, ...reasoned } = {}, ...others] = output;
  const input = [
    { role: "user", content: "1?" },
    reasoned,
    ...others,
    { role: "user", content: "2?" },
  ];
  await askResponse(key, { input, ...asked });
  const [, answer] = sentBody(key.upstream, 1)["messages"] as Json[];
  expect(answer).toMatchObject({ content: "One.", reasoning_content: "Hm." });
  const plain = await chatKey(TWO);
  const seen = await askResponse(plain, { input: "1?" });
  expect(JSON.stringify(seen)).not.toContain("encrypted_content");
});

it("of a key that logs metadata has no content in the database", async () => {
  const key = await chatKey(TWO, { logContent: "metadata" });
  const { id } = await askResponse(key, { input: "1?" });
  expect((await below(key, id)).status).toBe(404);
});

it.each([
  [{ conversation: "conv_1" }, "conversation"],
  [{ prompt: { id: "pmpt_1" } }, "prompt"],
  [{ tools: [{ type: "web_search" }], tool_choice: "required" }, "tool_choice"],
])("that cannot be asked for over chat completions is a 400: %j", async (body, param) => {
  const key = await chatKey(TWO);
  const answer = await postResponse(key, { input: "Hi", ...body });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ error: { param, type: "invalid_request_error" } });
  expect(key.upstream.requests).toEqual([]);
});

it.each(["compact", "input_tokens"])("cannot be given to %s, which is told", async (path) => {
  const key = await chatKey(TWO);
  const answer = await fetch(`${proxy.url}/v1/responses/${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "m", input: "Hi" }),
  });
  expect(answer.status).toBe(404);
  expect(await answer.text()).toContain("over chat completions");
  expect(key.upstream.requests).toEqual([]);
});

it("that is streamed as one JSON document is kept with it", async () => {
  const { id } = await adder();
  const key = await chatKey([{ text: '{"sum":5}' }], { toolIds: [id] });
  const text = { format: { type: "json_object" } };
  const given = await askResponse(key, { input: "2+3?", text, stream: true });
  expect(given.output).toHaveLength(1);
  expect(await (await below(key, given.id)).json()).toEqual(given);
});
