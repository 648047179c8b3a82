/** What upstreams bill beside tokens is taken from a budget, as far as its price is published. */
import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { events, json, startUpstream, toolCall, type Answer } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

async function keyWith(fields: Json, ...answers: Answer[]) {
  const upstream = await startUpstream(...answers);
  return { upstream, ...(await proxy.createKey({ openaiBaseUrl: upstream.url, ...fields })) };
}

const send = async (
  key: string,
  path: string,
  body: BodyInit,
  headers: Record<string, string> = {},
) => {
  const init = { method: "POST", headers: { authorization: `Bearer ${key}`, ...headers }, body };
  const answer = await fetch(`${proxy.url}${path}`, init);
  await answer.arrayBuffer();
  return { status: answer.status, id: answer.headers.get("x-proxy-conversation-id") ?? "" };
};
const sendJson = (key: string, path: string, body: Json) =>
  send(key, path, JSON.stringify(body), { "content-type": "application/json" });

function recording(model: string): FormData {
  const form = new FormData();
  form.set("model", model);
  form.set("file", new Blob(["some sound"]), "sound.wav");
  return form;
}

const costOf = async (id: string) =>
  (await proxy.conversation(id)) as unknown as { cost: number | null; costIncomplete: boolean };

const search = { type: "web_search_call", id: "ws_1", status: "completed" };
const searches: Json[] = [
  { ...search, action: { type: "search", query: "a" } },
  { ...search, id: "ws_2", action: { type: "open_page", url: "https://a.example" } },
  { ...search, id: "ws_3", action: { type: "search", query: "b" } },
  { type: "file_search_call", id: "fs_1", status: "completed", queries: ["c"], results: null },
];
const said = {
  type: "message",
  id: "msg_1",
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text: "found", annotations: [] }],
};
const response = (more: Json = {}): Json => ({
  id: "resp_1",
  object: "response",
  created_at: 1,
  model: "gpt-4.1",
  status: "completed",
  output: [...searches, said],
  usage: { input_tokens: 1000, output_tokens: 100, total_tokens: 1100 },
  ...more,
});
/** Tokens, two searches at $10 a thousand, and one of files at $2.50. */
const SEARCHED = (1000 * 2 + 100 * 8) / 1_000_000 + 2 * 0.01 + 0.0025;

describe("what is billed beside tokens", () => {
  it("is the length of a recording", async () => {
    const hour = json({ text: "hello", usage: { type: "duration", seconds: 3600 } });
    const { key, upstream } = await keyWith({ monthlyBudget: 0.3 }, hour);
    const ask = () => send(key, "/v1/audio/transcriptions", recording("whisper-1"));
    const { status, id } = await ask();
    expect(status).toBe(200);
    expect((await ask()).status).toBe(429);
    expect(upstream.requests).toHaveLength(1);
    expect(await costOf(id)).toMatchObject({ cost: 0.36, costIncomplete: false });
  });

  it.each([
    ["whole", {}, json(response())],
    ["whole and large", {}, json(response({ instructions: "x".repeat(3_000_000) }))],
    [
      "streamed",
      { stream: true },
      events(
        { type: "response.created", response: response({ status: "in_progress", output: [] }) },
        { type: "response.completed", response: response() },
      ),
    ],
  ] as const)(
    "is each search of the web and of files in a response (%s)",
    async (_how, more, answer) => {
      const { key } = await keyWith({ monthlyBudget: 0.01 }, answer);
      const ask = () => sendJson(key, "/v1/responses", { model: "gpt-4.1", input: "hi", ...more });
      const { status, id } = await ask();
      expect(status).toBe(200);
      expect((await ask()).status).toBe(429);
      expect((await costOf(id)).cost).toBeCloseTo(SEARCHED, 6);
    },
  );

  it("is each search in a turn with tools of the key, too", async () => {
    const { id: toolId, name } = await proxy.createTool({
      name: "one",
      type: "function",
      parameters: { type: "object" },
      implementation: "return 1;",
    });
    const { function: called } = toolCall("c1", name, {}) as { function: Json };
    const call = {
      type: "function_call",
      id: "fc_1",
      call_id: "c1",
      status: "completed",
      ...called,
    };
    const { key } = await keyWith(
      { toolIds: [toolId] },
      json(response({ output: [...searches, call] })),
      json(response({ id: "resp_2" })),
    );
    const { id } = await sendJson(key, "/v1/responses", { model: "gpt-4.1", input: "hi" });
    expect((await costOf(id)).cost).toBeCloseTo(2 * SEARCHED, 6);
  });

  it.each([
    [
      "an image without usage",
      "/v1/images/generations",
      { model: "dall-e-3", prompt: "a cat" },
      json({ created: 1, data: [{ url: "https://a.example/cat.png" }] }),
    ],
    [
      "speech of a model whose tokens have a price",
      "/v1/audio/speech",
      { model: "gpt-4o-mini-tts", input: "hello", voice: "alloy" },
      (_request, reply) => void reply.writeHead(200, { "content-type": "audio/mpeg" }).end("sound"),
    ],
  ] as [string, string, Json, Answer][])(
    "says on record that nobody knows what it cost (%s)",
    async (_what, path, body, answer) => {
      const { key } = await keyWith({}, answer);
      const { id } = await sendJson(key, path, body);
      expect(await costOf(id)).toMatchObject({ cost: null, costIncomplete: true });
      const refusing = await keyWith({ unpriced: "refuse" }, answer);
      const refused = await sendJson(refusing.key, path, body);
      expect(refused.status).toBe(403);
    },
  );
});
