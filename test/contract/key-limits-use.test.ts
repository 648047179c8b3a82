/** What is taken from a key's limits, and when. */
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { ask, post } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import {
  chunk,
  completion,
  events,
  json,
  startUpstream,
  toolCall,
  type Answer,
} from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const hello = completion({ content: "hello" });

const send = (key: string, path: string, body: BodyInit, headers: Record<string, string> = {}) =>
  fetch(`${proxy.url}${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, ...headers },
    body,
  });
const sendJson = (key: string, path: string, body: Json) =>
  send(key, path, JSON.stringify(body), { "content-type": "application/json" });

/** A key with a tool. */
async function toolKey(fields: Json, answers: Answer[]) {
  const { id } = await proxy.createTool({
    name: "one",
    type: "function",
    parameters: { type: "object" },
    implementation: "return 1;",
  });
  const upstream = await startUpstream(...answers);
  const made = { toolIds: [id], openaiBaseUrl: upstream.url, ...fields };
  return { upstream, ...(await proxy.createKey(made)) };
}

/** What is refused before upstream is asked. */
const REFUSED: [string, number, (key: string) => Promise<Response>][] = [
  ["a chat with another model", 403, (key) => post(key, ask({ model: "dear" }))],
  ["a chat that is streamed", 403, (key) => post(key, ask({ model: "dear", stream: true }))],
  [
    "embeddings of another model",
    403,
    (key) => sendJson(key, "/v1/embeddings", { model: "dear", input: "x" }),
  ],
  [
    "an upload that names another model",
    403,
    (key) => {
      const form = new FormData();
      form.set("model", "dear");
      return send(key, "/v1/audio/transcriptions", form);
    },
  ],
  [
    "an upload that cannot be read",
    403,
    (key) =>
      send(key, "/v1/audio/transcriptions", "no parts", {
        "content-type": "multipart/form-data; boundary=x",
      }),
  ],
];

describe("a request that is refused", () => {
  it.each(REFUSED)("takes nothing from the limits of its key (%s)", async (_what, status, send) => {
    const upstream = await startUpstream(hello);
    const { key } = await proxy.createKey({
      openaiBaseUrl: upstream.url,
      allowedModels: ["cheap"],
      requestsPerMinute: 2,
    });
    const allowed = () => post(key, ask({ model: "cheap" }));
    const statuses = [await send(key), await allowed(), await send(key), await allowed()];
    expect(statuses.map((answer) => answer.status)).toEqual([status, 200, status, 200]);
    expect((await allowed()).status).toBe(429);
    expect((await send(key)).status).toBe(429);
    expect(upstream.requests).toHaveLength(2);
  });

  it("takes nothing where the key has tools, and asks for another model", async () => {
    const { key, upstream } = await toolKey({ allowedModels: ["cheap"], requestsPerMinute: 1 }, [
      hello,
    ]);
    for (const stream of [true, false])
      expect((await post(key, ask({ model: "dear", stream }))).status).toBe(403);
    expect((await post(key, ask({ model: "cheap" }))).status).toBe(200);
    expect((await post(key, ask({ model: "cheap" }))).status).toBe(429);
    expect(upstream.requests).toHaveLength(1);
  });
});

const PRICED = "gpt-4.1-mini";
const IMAGE_TOOL = { type: "image_generation", model: "homemade" };

/** What names a model without a known price. */
const UNPRICED: [string, Json, (key: string) => Promise<Response>][] = [
  ["a chat", {}, (key) => post(key, ask({ model: "homemade" }))],
  ["embeddings", {}, (key) => sendJson(key, "/v1/embeddings", { model: "homemade", input: "x" })],
  [
    "a response of a model whose tool is another",
    {},
    (key) => sendJson(key, "/v1/responses", { model: PRICED, input: "x", tools: [IMAGE_TOOL] }),
  ],
  [
    "a response of a model that the key may use",
    { allowedModels: ["homemade", PRICED] },
    (key) => sendJson(key, "/v1/responses", { model: "homemade", input: "x" }),
  ],
  [
    "an upload",
    {},
    (key) => {
      const form = new FormData();
      form.set("model", "homemade");
      return send(key, "/v1/audio/transcriptions", form);
    },
  ],
];

describe("a key that refuses models without a known price", () => {
  it.each(UNPRICED)(
    "is refused %s, and lets what has a price through",
    async (_what, more, send) => {
      const upstream = await startUpstream(hello);
      const fields = { openaiBaseUrl: upstream.url, unpriced: "refuse", requestsPerMinute: 1 };
      const { key } = await proxy.createKey({ ...fields, ...more });
      const refusal = await send(key);
      expect([refusal.status, await refusal.json()]).toMatchObject([
        403,
        { error: { code: "model_not_priced", message: expect.stringContaining("homemade") } },
      ]);
      expect(upstream.requests).toEqual([]);
      expect((await post(key, ask({ model: PRICED }))).status).toBe(200);
    },
  );

  it("is refused a chat with its tools, too, streamed and whole", async () => {
    const { key, upstream } = await toolKey({ unpriced: "refuse" }, [hello]);
    for (const stream of [true, false])
      expect((await post(key, ask({ model: "homemade", stream }))).status).toBe(403);
    expect(upstream.requests).toEqual([]);
    expect((await post(key, ask({ model: PRICED }))).status).toBe(200);
  });

  it("has to name a model, and may ask for what uses none", async () => {
    const upstream = await startUpstream(json({ object: "list", data: [] }));
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url, unpriced: "refuse" });
    expect((await post(key, ask({ model: undefined }))).status).toBe(403);
    const headers = { authorization: `Bearer ${key}` };
    expect((await fetch(`${proxy.url}/v1/files`, { headers })).status).toBe(200);
    expect(upstream.requests).toHaveLength(1);
  });
});

const long = "word ".repeat(400);
const noUsage = { usage: undefined };

/** Answers of which upstream says nothing of its use. */
const UNCOUNTED: [string, Json, Answer[]][] = [
  ["whole", {}, [completion({ content: long }, noUsage)]],
  [
    "streamed",
    { stream: true },
    [
      events(
        ...long
          .trim()
          .split(" ")
          .map((word) => chunk({ content: `${word} ` })),
        chunk({}, "stop"),
      ),
    ],
  ],
  ["of zeros", {}, [completion({ content: long }, { usage: { total_tokens: 0 } })]],
  ["of nulls", {}, [completion({ content: long }, { usage: null })]],
];

describe("an answer without usage", () => {
  it.each(UNCOUNTED)(
    "takes tokens and money at once, as far as its texts tell (%s)",
    async (_what, more, answers) => {
      const upstream = await startUpstream(...answers);
      const model = "gpt-4.1-mini";
      for (const limit of [{ tokensPerMinute: 200 }, { monthlyBudget: 0.0001 }]) {
        const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url, ...limit });
        const first = await post(key, ask({ model, ...more }));
        expect(first.status, await first.text()).toBe(200);
        expect((await post(key, ask({ model, ...more }))).status).toBe(429);
      }
    },
  );

  it("counts in the midst of a turn: the model has to answer with what it has", async () => {
    const again: Answer = (request, response) => {
      const { tools, tool_choice: choice } = request.json();
      const [tool] = tools as { function: { name: string } }[];
      const calls = [toolCall("c1", tool?.function.name ?? "", {})];
      const message = choice === "none" ? {} : { tool_calls: calls };
      return completion({ content: long, ...message }, noUsage)(request, response);
    };
    const { key, upstream } = await toolKey({ tokensPerMinute: 200 }, [again]);
    expect((await post(key, ask())).status).toBe(200);
    expect(upstream.requests).toHaveLength(2);
    expect(upstream.requests[1]?.json()["tool_choice"]).toBe("none");
    expect((await post(key, ask())).status).toBe(429);
  });

  it("counts nothing where upstream only said what was wrong", async () => {
    const upstream = await startUpstream(json({ error: { message: long } }, 400));
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url, tokensPerMinute: 10 });
    for (let request = 0; request < 3; request++) expect((await post(key, ask())).status).toBe(400);
  });
});

describe("a budget of a key with tools", () => {
  it("is taken from where the request names its model in a way that only upstream understands", async () => {
    const answers = [completion({ content: "hello" }, { model: "gpt-4.1" })];
    const { key, upstream } = await toolKey({ monthlyBudget: 0.000_001 }, answers);
    const spelled = { Model: "gpt-4.1", messages: [{ role: "user", content: "hi" }] };
    expect((await sendJson(key, "/v1/chat/completions", spelled)).status).toBe(200);
    expect((await sendJson(key, "/v1/chat/completions", spelled)).status).toBe(429);
    expect(upstream.requests).toHaveLength(1);
  });
});

describe("a budget of a key", () => {
  it("is taken from for a body in chunks whose answer has no usage", async () => {
    const answer = json({ object: "list", model: "gpt-4.1", data: [] });
    const upstream = await startUpstream(answer);
    const { key } = await proxy.createKey({
      openaiBaseUrl: upstream.url,
      monthlyBudget: 0.000_001,
    });
    const body = JSON.stringify({ model: "gpt-4.1", input: "x ".repeat(40_000) });
    const inChunks = () =>
      fetch(`${proxy.url}/v1/embeddings`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: new Blob([body]).stream(),
        duplex: "half",
      } as RequestInit);
    expect((await inChunks()).status).toBe(200);
    expect((await inChunks()).status).toBe(429);
  });
});

describe("what was used before", () => {
  it("is not taken again when its response, or its batch, is read", async () => {
    const used = { input_tokens: 1000, output_tokens: 1000, total_tokens: 2000 };
    const stored = (id: string, usage: Json | null, more: Json = {}) =>
      json({ id, object: "response", model: "gpt-4.1", status: "completed", usage, ...more });
    const upstream = await startUpstream(
      stored("resp_1", used),
      stored("resp_1", used),
      stored("resp_2", null, { status: "queued" }),
      stored("resp_2", used),
      stored("resp_2", used),
    );
    const { id, key } = await proxy.createKey({ openaiBaseUrl: upstream.url, monthlyBudget: 1 });
    const read = (path: string) =>
      fetch(`${proxy.url}${path}`, { headers: { authorization: `Bearer ${key}` } });
    const asked = { model: "gpt-4.1", input: "hi" };
    const reading = ["/v1/responses/resp_1"];
    const polling = ["/v1/responses/resp_2", "/v1/responses/resp_2"];
    await (await sendJson(key, "/v1/responses", asked)).text();
    for (const path of reading) await (await read(path)).text();
    await (await sendJson(key, "/v1/responses", { ...asked, background: true })).text();
    for (const path of polling) await (await read(path)).text();
    expect(upstream.requests).toHaveLength(5);
    const once = (1000 * 2 + 1000 * 8) / 1_000_000;
    const spent = async () => {
      const shown = await proxy.admin(`/api-keys/${id}`);
      return ((await shown.json()) as { spend: { month: number } }).spend.month;
    };
    // What a queued response will use is estimated by its prompt, some 0.0002.
    await expect.poll(spent).toBeCloseTo(2 * once, 2);
    await pause(1500);
    expect(await spent()).toBeCloseTo(2 * once, 2);
  });
});
