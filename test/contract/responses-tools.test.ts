/** The Responses API with the key's tools: one response, whatever rounds it takes. */
import { describe, expect, it } from "vitest";
import {
  askResponse,
  keyWithAdder,
  postResponse,
  sentBody,
  sentInput,
} from "../helpers/response-turn.ts";
import { functionCall, message, reasoning, refusal, says } from "../helpers/responses-upstream.ts";
import { json } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const QUESTION = { input: "2+3?" };
const BOTH = [{ stream: true }, { stream: false }];
const ASK_USER = {
  type: "function",
  name: "ask_user",
  strict: false,
  parameters: { type: "object", properties: {} },
};
const typesOf = (items: Json[]) => items.map(({ type }) => type);

describe.each(BOTH)("A response, $stream", ({ stream }) => {
  const ask = { ...QUESTION, stream };

  it("shows a server tool as an item of its own", async () => {
    const key = await keyWithAdder((add) => [
      says([reasoning("I add."), functionCall("call_1", add, { a: 2, b: 3 })]),
      says([message("It is 5.")]),
    ]);
    const response = await askResponse(key, ask);
    expect(typesOf(response.output)).toEqual(["reasoning", "mcp_call", "message"]);
    expect(response.output[1]).toMatchObject({
      server_label: "proxy",
      name: key.add,
      arguments: '{"a":2,"b":3}',
      output: "5",
      error: null,
      status: "completed",
    });
    expect(response).toMatchObject({
      status: "completed",
      tools: [],
      usage: {
        input_tokens: 20,
        input_tokens_details: { cached_tokens: 4 },
        output_tokens: 10,
        output_tokens_details: { reasoning_tokens: 2 },
        total_tokens: 30,
      },
    });
    expect(key.upstream.requests.map(({ url }) => url)).toEqual(["/v1/responses", "/v1/responses"]);
    expect(sentInput(key.upstream, 1)).toMatchObject([
      { role: "user", content: "2+3?" },
      { type: "reasoning" },
      { type: "function_call", call_id: "call_1", name: key.add, arguments: '{"a":2,"b":3}' },
      { type: "function_call_output", call_id: "call_1", output: "5" },
    ]);
  });

  it("offers the tool in the flat shape, beside the client's own of every kind", async () => {
    const key = await keyWithAdder(() => [says([message("Hello.")])]);
    const own = [
      ASK_USER,
      { type: "web_search" },
      { type: "custom", name: "shell", format: { type: "text" } },
      { type: "namespace", name: "agents", description: "n", tools: [{ ...ASK_USER }] },
    ];
    const response = await askResponse(key, { ...ask, tools: own });
    const sent = sentBody(key.upstream, 0)["tools"] as Json[];
    expect(sent.slice(0, -1)).toEqual(own);
    expect(sent.at(-1)).toMatchObject({ type: "function", name: key.add, strict: false });
    expect(typesOf(response["tools"] as Json[])).toEqual(typesOf(own));
  });

  it("shows a tool's failure, which is no failure of the response", async () => {
    const key = await keyWithAdder((add) => [
      says([functionCall("call_1", add, { a: "two" })]),
      says([message("I cannot.")]),
    ]);
    const response = await askResponse(key, ask);
    expect(response.output[0]).toMatchObject({
      type: "mcp_call",
      status: "failed",
      output: null,
      error: { type: "mcp_tool_execution_error" },
    });
    expect(response["status"]).toBe("completed");
  });

  it("has parallel calls and several rounds in one order", async () => {
    const key = await keyWithAdder((add) => [
      says([
        message("I look."),
        functionCall("call_1", add, { a: 1, b: 1 }),
        functionCall("call_2", add, { a: 2, b: 2 }),
      ]),
      says([functionCall("call_3", add, { a: 3, b: 3 })]),
      says([message("Done.")]),
    ]);
    const response = await askResponse(key, ask);
    const outputs = response.output.map(({ output, type }) => output ?? type);
    expect(outputs).toEqual(["message", "2", "4", "6", "message"]);
    expect(sentInput(key.upstream, 2)).toMatchObject([
      { role: "user" },
      { type: "message" },
      { call_id: "call_1", type: "function_call" },
      { call_id: "call_2", type: "function_call" },
      { call_id: "call_1", output: "2" },
      { call_id: "call_2", output: "4" },
      { call_id: "call_3", type: "function_call" },
      { call_id: "call_3", output: "6" },
    ]);
  });

  it("sends instructions, tools and settings in every round, and forces a call in the first alone", async () => {
    const key = await keyWithAdder((add) => [
      says([functionCall("call_1", add, { a: 2, b: 3 })]),
      says([message("5")]),
    ]);
    const settings = { instructions: "Be brief.", temperature: 0.5, metadata: { a: "b" } };
    const response = await askResponse(key, { ...ask, ...settings, tool_choice: "required" });
    expect(sentBody(key.upstream, 0)).toMatchObject({ ...settings, tool_choice: "required" });
    expect(sentBody(key.upstream, 1)).toMatchObject({ ...settings, tool_choice: "auto" });
    expect(response["tool_choice"]).toBe("required");
  });

  it("lets the model reach what the operator assigned beside allowed_tools", async () => {
    const key = await keyWithAdder((add) => [
      says([functionCall("call_1", add, { a: 2, b: 3 })]),
      says([message("5")]),
    ]);
    const tools = [{ type: "function", name: "ask_user" }];
    const choice = { type: "allowed_tools", mode: "required", tools };
    const response = await askResponse(key, { ...ask, tools: [ASK_USER], tool_choice: choice });
    const allowed = {
      type: "allowed_tools",
      tools: [...tools, { type: "function", name: key.add }],
    };
    expect(sentBody(key.upstream, 0)["tool_choice"]).toEqual({ ...allowed, mode: "required" });
    expect(sentBody(key.upstream, 1)["tool_choice"]).toEqual({ ...allowed, mode: "auto" });
    expect(response["tool_choice"]).toEqual(choice);
  });

  it("offers nothing where tool_choice is none, and sends the body as it was spelled", async () => {
    const key = await keyWithAdder(() => [says([message("Hello.")])]);
    const body = { ...ask, tool_choice: "none" };
    await askResponse(key, body);
    expect(sentBody(key.upstream, 0)).toMatchObject(body);
    expect(sentBody(key.upstream, 0)).not.toHaveProperty("tools");
  });

  it("keeps a refusal, and the words of a response that reached its limit", async () => {
    const key = await keyWithAdder(() => [
      says([refusal("I will not.")]),
      says([message("Half", { status: "incomplete" })], {
        status: "incomplete",
        incomplete_details: { reason: "max_output_tokens" },
      }),
    ]);
    const refused = await askResponse(key, ask);
    expect(refused.output[0]).toMatchObject({
      content: [{ type: "refusal", refusal: "I will not." }],
    });
    const cut = await askResponse(key, ask);
    expect(cut).toMatchObject({
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
      output: [{ status: "incomplete", content: [{ text: "Half" }] }],
    });
  });

  it("tells of a call that was cut, and goes on", async () => {
    const key = await keyWithAdder((add) => [
      says([functionCall("call_1", add, '{"a": 2, "b', { status: "incomplete" })], {
        status: "incomplete",
        incomplete_details: { reason: "max_output_tokens" },
      }),
      says([message("Too long.")]),
    ]);
    const response = await askResponse(key, ask);
    expect(response.output[0]).toMatchObject({ type: "mcp_call", status: "failed" });
    expect(response["status"]).toBe("completed");
    expect(sentInput(key.upstream, 1)[1]).toMatchObject({ arguments: "{}" });
  });

  it("is failed where upstream's is, with upstream's error", async () => {
    const error = { code: "server_error", message: "The model stumbled." };
    const key = await keyWithAdder(() => [says([message("Ha")], { status: "failed", error })]);
    const response = await askResponse(key, ask);
    expect(response).toMatchObject({ status: "failed", error });
  });

  it("is given the last round's document alone where it must be JSON", async () => {
    const key = await keyWithAdder((add) => [
      says([message('{"half":'), functionCall("call_1", add, { a: 2, b: 3 })]),
      says([message('{"sum":5}')]),
    ]);
    const text = { format: { type: "json_schema", name: "sum", schema: { type: "object" } } };
    const response = await askResponse(key, { ...ask, text });
    expect(typesOf(response.output)).toEqual(["mcp_call", "message"]);
    expect(response.output[1]).toMatchObject({ content: [{ text: '{"sum":5}' }] });
    expect(typesOf(sentInput(key.upstream, 1))).toEqual([
      undefined,
      "message",
      "function_call",
      "function_call_output",
    ]);
  });

  it("takes back what was reasoned where upstream keeps nothing, and hides it again", async () => {
    const key = await keyWithAdder((add) => [
      says([reasoning(""), functionCall("call_1", add, { a: 2, b: 3 })]),
      says([message("5")]),
    ]);
    const response = await askResponse(key, { ...ask, store: false });
    expect(sentBody(key.upstream, 0)["include"]).toEqual(["reasoning.encrypted_content"]);
    expect(sentInput(key.upstream, 1)[1]).toMatchObject({
      type: "reasoning",
      encrypted_content: expect.stringMatching(/^sealed rs_/) as string,
    });
    expect(response.output[0]).toMatchObject({ type: "reasoning" });
    expect(JSON.stringify(response)).not.toContain("sealed");
  });

  it("shows encrypted reasoning to a client that asked for it", async () => {
    const key = await keyWithAdder(() => [says([reasoning(""), message("5")])]);
    const include = ["reasoning.encrypted_content"];
    const response = await askResponse(key, { ...ask, store: false, include });
    expect(sentBody(key.upstream, 0)["include"]).toEqual(include);
    expect(JSON.stringify(response.output[0])).toContain("sealed rs_");
  });

  it("is asked without encrypted reasoning where the model knows none", async () => {
    const error = {
      message: "Encrypted content is not supported with this model.",
      type: "invalid_request_error",
      param: "include",
      code: null,
    };
    const key = await keyWithAdder((add) => [
      json({ error }, 400),
      says([functionCall("call_1", add, { a: 2, b: 3 })]),
      says([message("5")]),
    ]);
    const response = await askResponse(key, {
      ...ask,
      store: false,
      model: `gpt-plain-${crypto.randomUUID()}`,
    });
    expect(response["status"]).toBe("completed");
    expect(sentBody(key.upstream, 1)).not.toHaveProperty("include");
    expect(sentBody(key.upstream, 1)).toHaveProperty("tools");
  });

  it("runs no more tools than max_tool_calls, and counts down over rounds", async () => {
    const key = await keyWithAdder((add) => [
      says([functionCall("call_1", add, { a: 1, b: 1 })]),
      says([
        functionCall("call_2", add, { a: 2, b: 2 }),
        functionCall("call_3", add, { a: 3, b: 3 }),
      ]),
      says([message("Enough.")]),
    ]);
    const response = await askResponse(key, { ...ask, max_tool_calls: 2 });
    const ends = response.output.map(({ status }) => status);
    expect(ends).toEqual(["completed", "completed", "failed", "completed"]);
    expect(sentBody(key.upstream, 1)["max_tool_calls"]).toBe(1);
    expect(sentBody(key.upstream, 2)).toMatchObject({ tool_choice: "none" });
    expect(response["max_tool_calls"]).toBe(2);
  });

  it("sends only what is new where upstream has the conversation", async () => {
    const key = await keyWithAdder((add) => [
      says([functionCall("call_1", add, { a: 2, b: 3 })]),
      says([functionCall("call_2", add, { a: 4, b: 5 })]),
      says([message("5 and 9")]),
    ]);
    await askResponse(key, { ...ask, conversation: "conv_1" });
    expect(sentBody(key.upstream, 2)["conversation"]).toBe("conv_1");
    expect(sentInput(key.upstream, 1)).toEqual([
      { type: "function_call_output", call_id: "call_1", output: "5" },
    ]);
    expect(sentInput(key.upstream, 2)).toEqual([
      { type: "function_call_output", call_id: "call_2", output: "9" },
    ]);
  });

  it("is upstream's refusal where it refuses", async () => {
    const error = {
      message: "No such model",
      type: "invalid_request_error",
      code: "model_not_found",
    };
    const key = await keyWithAdder(() => [json({ error }, 404)]);
    const answer = await postResponse(key, ask);
    expect(answer.status).toBe(404);
    expect(await answer.json()).toEqual({ error });
  });
});
