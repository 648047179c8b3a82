/** Histories that upstream compacts, or counts the tokens of: as the model sees them. */
import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { askResponse, keyWithAdder, sentBody, type AdderKey } from "../helpers/response-turn.ts";
import { functionCall, message, says } from "../helpers/responses-upstream.ts";
import { json } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const USER = { role: "user", content: "2+3?" };
const COUNTED = { object: "response.input_tokens", input_tokens: 42 };

const adder = (): Promise<AdderKey> =>
  keyWithAdder((add) => [
    says([functionCall("call_add", add, { a: 2, b: 3 })]),
    says([message("It is 5.")]),
    json(COUNTED),
  ]);

async function post(key: AdderKey, path: string, body: Json): Promise<Json> {
  const response = await fetch(`${proxy.url}/v1/responses/${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "m", ...body }),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as Json;
}

const kinds = ({ input }: Json) =>
  (input as Json[]).map(({ type, role, id }) => [role ?? type, id].filter(Boolean).join(" "));

describe.each(["compact", "input_tokens"])("POST /v1/responses/%s", (path) => {
  it.each([
    ["a response of ours", ({ id }: Json) => ({ previous_response_id: id, input: [USER] })],
    ["its items", ({ output }: Json) => ({ input: [USER, ...(output as Json[]), USER] })],
  ])("has what was hidden put back into %s, and no id of ours", async (_what, bodyOf) => {
    const key = await adder();
    const response = await askResponse(key, { input: [USER] });
    expect(await post(key, path, bodyOf(response))).toEqual(COUNTED);
    const sent = sentBody(key.upstream, 2);
    expect(kinds(sent)).toEqual([
      "user",
      expect.stringMatching(/^function_call/),
      expect.stringMatching(/^function_call_output/),
      expect.stringMatching(/^assistant/),
      "user",
    ]);
    expect(sent["previous_response_id"]).toBeUndefined();
    expect(key.upstream.requests[2]?.url).toBe(`/v1/responses/${path}`);
  });

  it("of another key's response is a 404", async () => {
    const response = await askResponse(await adder(), { input: [USER] });
    const other = await adder();
    const body = { model: "m", previous_response_id: response.id, input: [USER] };
    const refused = await fetch(`${proxy.url}/v1/responses/${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${other.key}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    expect(refused.status).toBe(404);
    expect(other.upstream.requests).toHaveLength(0);
  });
});

it("Tokens of a request are counted with the key's tools, and a compaction has none", async () => {
  const key = await adder();
  const tools = [{ type: "function", name: "own", parameters: {}, strict: false }];
  const { upstream } = key;
  await askResponse(key, { input: [USER] });
  await post(key, "input_tokens", { input: [USER], tools });
  expect((sentBody(upstream, 2)["tools"] as Json[]).map(({ name }) => name)).toEqual([
    "own",
    key.add,
  ]);
  expect(sentBody(upstream, 2)["include"]).toBeUndefined();
  const other = await adder();
  await askResponse(other, { input: [USER] });
  await post(other, "compact", { input: [USER] });
  expect(sentBody(other.upstream, 2)).toEqual({ model: "m", input: [USER] });
});
