/** Upstreams that say nothing: the time that they are given is the operator's to set. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminCall } from "../helpers/own-proxy.ts";
import { keyWithTools } from "../helpers/own-tools.ts";
import { startReplicas, type Replicas } from "../helpers/replicas.ts";
import { chunk, completion, startUpstream, toolCall, type Answer } from "../helpers/upstream.ts";

type Runtime = "node" | "workerd";

let started: Replicas<Runtime>;
beforeAll(async () => {
  const env = { UPSTREAM_FIRST_BYTE_TIMEOUT_MS: "1500", UPSTREAM_IDLE_TIMEOUT_MS: "1500" };
  started = await startReplicas({
    node: { runtime: "node", env },
    workerd: { runtime: "workerd", env },
  });
});
afterAll(() => started.stop());

/** Twice the limit, and what a busy machine and a coarse clock may add. */
const ENDED_BY_MS = 20_000;

const silent: Answer = () => undefined;
const half = `data: ${JSON.stringify(chunk({ role: "assistant", content: "half" }))}\n\n`;
const stopsMidway: Answer = (_request, response) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(half);
};
const stopsInJson: Answer = (_request, response) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.write('{"id":"x","choices":[');
};
/** Never silent for longer than the limit, and longer in all. */
const slow: Answer = (_request, response) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  let left = 5;
  const timer = setInterval(() => {
    left -= 1;
    response.write(half);
    if (left > 0) return;
    clearInterval(timer);
    response.end(`data: ${JSON.stringify(chunk({}, "stop"))}\n\ndata: [DONE]\n\n`);
  }, 700);
};

async function post(url: string, key: string, more: object = {}) {
  const startedAt = performance.now();
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }], ...more }),
  });
  const text = await response.text();
  expect(performance.now() - startedAt).toBeLessThan(ENDED_BY_MS);
  return { status: response.status, text };
}

const errorOf = (text: string) => JSON.parse(text) as unknown;
const TIMED_OUT = {
  error: {
    message: expect.any(String) as unknown,
    type: "server_error",
    param: null,
    code: "upstream_timeout",
  },
};

describe.each(["node", "workerd"] as const)("an upstream that hangs, on %s", (runtime) => {
  const place = () => started.at[runtime].url;
  const plainKey = async (answer: Answer) => {
    const upstream = await startUpstream(answer);
    const fields = { name: "plain", openaiBaseUrl: upstream.url };
    return (await adminCall<{ key: string }>(place(), "/api-keys", fields)).key;
  };
  const toolKey = async (...answers: ((tool: string) => Answer)[]) => {
    const name = `add_${crypto.randomUUID().slice(0, 8)}`;
    const upstream = await startUpstream(...answers.map((answer) => answer(name)));
    const tool = { name, description: "adds", type: "function", implementation: "return 5;" };
    const { key } = await keyWithTools(place(), [tool], { openaiBaseUrl: upstream.url });
    return { key, upstream };
  };

  it("before its first byte is a 504, with a plain key and with tools", async () => {
    const { key } = await toolKey(() => silent);
    for (const one of [await plainKey(silent), key])
      for (const more of [{}, { stream: true }]) {
        const { status, text } = await post(place(), one, more);
        expect([status, errorOf(text)]).toEqual([504, TIMED_OUT]);
      }
  });

  it("in the midst of a stream ends it in an error event", async () => {
    const { key } = await toolKey(() => stopsMidway);
    for (const one of [await plainKey(stopsMidway), key]) {
      const { status, text } = await post(place(), one, { stream: true });
      expect(status).toBe(200);
      const last = text.trimEnd().split("\n\n").at(-1) ?? "";
      expect(errorOf(last.replace("data: ", ""))).toEqual(TIMED_OUT);
    }
  });

  it("in the midst of a whole answer is a 504 for a key with tools", async () => {
    const { key } = await toolKey(() => stopsInJson);
    const { status, text } = await post(place(), key);
    expect([status, errorOf(text)]).toEqual([504, TIMED_OUT]);
  });

  it("in a later round is a 504 too, after a second try", async () => {
    const call = (name: string) => completion({ tool_calls: [toolCall("c1", name, {})] });
    const { key, upstream } = await toolKey(call, () => silent);
    const { status, text } = await post(place(), key);
    expect([status, errorOf(text)]).toEqual([504, TIMED_OUT]);
    expect(upstream.requests).toHaveLength(3);
  });

  it("is not one that is slow", async () => {
    const { key } = await toolKey(() => slow);
    for (const one of [await plainKey(slow), key]) {
      const { text } = await post(place(), one, { stream: true });
      expect(text.trimEnd().endsWith("data: [DONE]"), text).toBe(true);
    }
  });
});
