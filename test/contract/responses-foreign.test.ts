/** Ids of responses and of items are names that anybody can write into a request. */
import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import {
  askResponse,
  keyWithAdder,
  postResponse,
  type AdderKey,
  type SeenResponse,
} from "../helpers/response-turn.ts";
import { functionCall, message, says } from "../helpers/responses-upstream.ts";

type Json = Record<string, unknown>;

const SECRET = "the other key's secret";

const victim = async (): Promise<{ key: AdderKey; response: SeenResponse }> => {
  const key = await keyWithAdder((add) => [
    says([functionCall("call_of_victim", add, { a: 40, b: 2 }), functionCall("call_x", "ask", {})]),
    says([message(SECRET)]),
  ]);
  const ask = { type: "function", name: "ask", strict: false, parameters: { type: "object" } };
  const input = [{ role: "user", content: SECRET }];
  return { key, response: await askResponse(key, { input, tools: [ask] }) };
};

const attacker = (): Promise<AdderKey> => keyWithAdder(() => [says([message("Hello.")])]);

const below = (key: AdderKey, path: string, method: string): Promise<Response> =>
  fetch(`${proxy.url}/v1/responses/${path}`, {
    method,
    headers: { authorization: `Bearer ${key.key}` },
  });

describe("Another key's response", () => {
  it("can neither be read nor changed by any path", async () => {
    const { key, response } = await victim();
    const other = await attacker();
    const paths: [string, string][] = [
      [response.id, "GET"],
      [response.id, "DELETE"],
      [`${response.id}/cancel`, "POST"],
      [`${response.id}/input_items`, "GET"],
      [`${response.id}/input_items?after=${String(response.output[0]?.["id"])}`, "GET"],
    ];
    for (const [path, method] of paths) {
      const answer = await below(other, path, method);
      expect(answer.status, `${method} ${path}`).toBe(404);
      expect(await answer.text()).not.toContain(SECRET);
    }
    expect(other.upstream.requests).toEqual([]);
    expect((await below(key, response.id, "GET")).status).toBe(200);
  });

  it("gives nothing to requests that name its items and calls", async () => {
    const { response } = await victim();
    const other = await attacker();
    const ids = response.output.map(({ id }) => id);
    const ways: Json[] = [
      { input: ids.map((id) => ({ type: "item_reference", id })) },
      { input: [{ type: "function_call_output", call_id: "call_x", output: "" }] },
      {
        input: [{ type: "function_call_output", call_id: "call_x", output: "" }],
        conversation: "conv_of_victim",
      },
      { input: ids.map((id) => ({ type: "message", role: "assistant", id, content: [] })) },
    ];
    for (const way of ways) await (await postResponse(other, way)).text();
    for (const request of other.upstream.requests) {
      const sent = request.body.toString();
      expect(sent).not.toContain("call_of_victim");
      expect(sent).not.toContain(SECRET);
    }
    expect(other.upstream.requests).toHaveLength(ways.length);
  });
});

describe("An id that means something elsewhere", () => {
  const HOSTILE = [
    "__proto__",
    "constructor",
    "resp_' or 1=1 --",
    "resp_\u0000",
    "../../models",
    "\uD800",
    "x".repeat(100_000),
    "",
  ];

  it.each(HOSTILE)("is a 404 as a previous response, and leaves the proxy well", async (id) => {
    const other = await attacker();
    const answer = await postResponse(other, { input: "?", previous_response_id: id });
    expect(answer.status).toBe(404);
    expect(other.upstream.requests).toEqual([]);
    expect((await postResponse(other, { input: "Hi" })).status).toBe(200);
  });

  it("is an item like others, however many there are of them", async () => {
    const other = await attacker();
    const items = [...HOSTILE, ...Array.from({ length: 5000 }, (_one, index) => `msg_${index}`)];
    const input = items.map((id) => ({ id, type: "message", role: "assistant", content: [] }));
    const answer = await postResponse(other, { input });
    expect(answer.status, await answer.text()).toBe(200);
    expect(other.upstream.requests[0]?.json()["input"]).toHaveLength(input.length);
  });
});

/** Requests that are sent on as they are. */
const WAYS: Record<string, string> = {
  tool_choice: '"tool_choice":"none"',
  background: '"background":true',
};

it.each(["tool_choice", "background"])("has one previous response, with %s too", async (what) => {
  const other = await attacker();
  const { response } = await victim();
  const answer = await fetch(`${proxy.url}/v1/responses`, {
    method: "POST",
    headers: { authorization: `Bearer ${other.key}`, "content-type": "application/json" },
    body:
      `{"model":"gpt-test","input":"?",${WAYS[what] ?? ""},` +
      `"previous_response_id":"${response.id}","previous_response_id":null}`,
  });
  expect(answer.status, await answer.text()).toBe(200);
  await expect.poll(() => other.upstream.requests.length).toBe(1);
  expect(other.upstream.requests[0]?.body.toString()).not.toContain(response.id);
});
