/** What is taken from a key's limits, and when. */
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
