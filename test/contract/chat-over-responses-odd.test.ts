/** What upstreams of Responses answer that is not as OpenAI's document has it. */
import { describe, expect, it } from "vitest";
import { overResponses } from "../helpers/chat-over-responses.ts";
import { ask, keyWithAdd, post, streamed, whole } from "../helpers/chat-turn.ts";
import { PROTOTYPE_NAMES } from "../helpers/prototype-names.ts";
import { askResponse, keyWithAdder, postResponse, sentInput } from "../helpers/response-turn.ts";
import { functionCall, message, responseOf, says } from "../helpers/responses-upstream.ts";
import { chunk, completion, events, json, toolCall } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const WAYS = [
  { way: "streamed", stream: true, seen: streamed },
  { way: "whole", stream: false, seen: whole },
];
const cli = { type: "function", function: { name: "cli", parameters: { type: "object" } } };
const responsesCli = { type: "function", name: "cli", strict: false, parameters: {} };

/** Ids of calls and of their results, as upstream was sent them in its second round. */
function sentIds(items: Json[]): unknown[][] {
  const ofType = (type: string) => items.filter((item) => item["type"] === type);
  return ["function_call", "function_call_output"].map((type) =>
    ofType(type).map((item) => item["call_id"]),
  );
}

/** Two calls of a server tool, both named `d`, that got a result each. */
function expectTwoResults(items: Json[]): void {
  const [calls = [], results = []] = sentIds(items);
  expect(calls).toHaveLength(2);
  expect(calls[0]).toBe("d");
  expect(new Set(calls).size).toBe(2);
  expect(results).toEqual(calls);
  const outputs = items.filter(({ type }) => type === "function_call_output");
  expect(outputs.map(({ output }) => output)).toEqual(["3", "7"]);
}

describe.each(WAYS)("An upstream that calls two calls the same, $way", ({ stream, seen }) => {
  it("gives a chat client both, each with an id of its own", async () => {
    const key = await overResponses(() => [
      says([functionCall("d", "cli", { a: 1 }), functionCall("d", "cli", { a: 2 })]),
    ]);
    const { calls } = await seen(key, { tools: [cli] });
    expect(calls.map((call) => call.arguments)).toEqual(['{"a":1}', '{"a":2}']);
    expect(calls[0]?.id).toBe("d");
    expect(new Set(calls.map(({ id }) => id)).size).toBe(2);
  });

  it("shows a chat client its own call, and none of the proxy's", async () => {
    const key = await overResponses((add) => [
      says([functionCall("d", add, { a: 1, b: 2 }), functionCall("d", "cli", { a: 2 })]),
    ]);
    const { calls } = await seen(key, { tools: [cli] });
    expect(calls).toMatchObject([{ name: "cli", arguments: '{"a":2}' }]);
  });

  it("is told of each of the proxy's results under an id of its own", async () => {
    const script = (add: string) => [
      says([functionCall("d", add, { a: 1, b: 2 }), functionCall("d", add, { a: 3, b: 4 })]),
      says([message("Done.")]),
    ];
    const chat = await overResponses(script);
    expect((await seen(chat)).content).toBe("Done.");
    expectTwoResults(sentInput(chat.upstream, 1));
    const responses = await keyWithAdder(script, { upstreamDialect: "responses" });
    const { output } = await askResponse(responses, { input: "2+3?", stream });
    expect(output.slice(0, 2).map((item) => item["output"])).toEqual(["3", "7"]);
    expectTwoResults(sentInput(responses.upstream, 1));
  });
});

describe("A whole answer whose items have one id", () => {
  it("loses none of its calls", async () => {
    const calls = ["c1", "c2"].map((id) => functionCall(id, "cli", { id }, { id: "fc" }));
    const script = () => [says(calls)];
    const seen = await whole(await overResponses(script), { tools: [cli] });
    expect(seen.calls.map(({ id }) => id)).toEqual(["c1", "c2"]);
    const responses = await keyWithAdder(script, { upstreamDialect: "responses" });
    const { output } = await askResponse(responses, { input: "2+3?", tools: [responsesCli] });
    expect(output.map((item) => item["call_id"])).toEqual(["c1", "c2"]);
  });
});

describe.each(WAYS)("Arguments that are no text but an object, $way", ({ stream, seen }) => {
  const objects = (name: string, args: Json) => {
    const { arguments: _text, ...item } = functionCall("c1", name, {});
    return [{ ...item, arguments: args }];
  };
  /** As a server sends a stream that writes items whole. */
  const saysItems = (items: Json[]) => {
    const response = responseOf({}, items);
    if (!stream) return json(response);
    const done = items.map((item, output_index) => ({
      type: "response.output_item.done",
      output_index,
      item,
    }));
    return events(...done, { type: "response.completed", response });
  };

  it("are what the proxy's tool is run with", async () => {
    const script = (add: string) => [
      saysItems(objects(add, { a: 1, b: 2 })),
      says([message("Done.")]),
    ];
    const chat = await overResponses(script);
    await seen(chat);
    const responses = await keyWithAdder(script, { upstreamDialect: "responses" });
    await askResponse(responses, { input: "2+3?", stream });
    for (const { upstream } of [chat, responses])
      expect(sentInput(upstream, 1)).toMatchObject([
        {},
        { type: "function_call", arguments: '{"a":1,"b":2}' },
        { type: "function_call_output", output: "3" },
      ]);
  });

  it("reach a client as text", async () => {
    const script = () => [saysItems(objects("cli", { x: "1" }))];
    const { calls } = await seen(await overResponses(script), { tools: [cli] });
    expect(calls).toMatchObject([{ name: "cli", arguments: '{"x":"1"}' }]);
    const responses = await keyWithAdder(script, { upstreamDialect: "responses" });
    const body = { input: "2+3?", stream, tools: [responsesCli] };
    const { output } = await askResponse(responses, body);
    expect(output).toMatchObject([{ type: "function_call", arguments: '{"x":"1"}' }]);
  });

  it("go upstream as text from a chat client's history", async () => {
    const key = await overResponses(() => [says([message("Done.")])]);
    const call = { id: "c1", type: "function", function: { name: "cli", arguments: { a: 1 } } };
    const messages = [
      { role: "user", content: "2+3?" },
      { role: "assistant", content: null, tool_calls: [call] },
      { role: "tool", tool_call_id: "c1", content: "ok" },
    ];
    await seen(key, { messages });
    expect(sentInput(key.upstream, 0)[1]).toMatchObject({ arguments: '{"a":1}' });
  });
});

describe.each(WAYS)("An item whose type is the name of a prototype's member, $way", ({ seen }) => {
  it.each(PROTOTYPE_NAMES)("is nothing to a chat client: %s", async (type) => {
    const odd = { id: "odd", type, status: "completed" };
    const key = await overResponses((add) => [
      says([odd, functionCall("c1", add, { a: 1, b: 2 })]),
      says([odd, message("Done.")]),
    ]);
    expect((await seen(key)).content).toBe("Done.");
  });
});

describe("A piece of a text that is null", () => {
  it("is no word of the answer", async () => {
    const delta = (text: unknown) => ({ type: "response.output_text.delta", delta: text });
    const done = { type: "response.completed", response: responseOf({}, []) };
    const key = await overResponses(() => [events(delta("a"), delta(null), delta("b"), done)]);
    expect((await streamed(key)).content).toBe("ab");
  });
});

const ERRORS: Json[] = [
  { error: { message: "bad" } },
  { error: "bad" },
  { id: "x", error: { message: "bad" }, output: [] },
  { object: "response", status: "completed", error: { message: "bad" } },
];

describe("A whole answer with status 200 that is an error", () => {
  const expected = { error: { message: "bad", type: "upstream_error", param: null, code: null } };

  it.each(ERRORS)("is a 502 to a chat client of Responses: %j", async (error) => {
    const { key } = await overResponses(() => [json(error)]);
    const answer = await post(key, ask());
    expect([answer.status, await answer.json()]).toEqual([502, expected]);
  });

  it.each(ERRORS)("is a 502 to a client of Responses at chat completions: %j", async (error) => {
    const key = await keyWithAdd(() => [json(error)], {}, { upstreamDialect: "chat" });
    const answer = await postResponse(key, { input: "2+3?" });
    expect([answer.status, await answer.json()]).toEqual([502, expected]);
  });

  it("loses nothing of what the tools did: its round is asked for again", async () => {
    const responses = await overResponses((add) => [
      says([functionCall("c1", add, { a: 1, b: 2 })]),
      json({ error: "bad" }),
      says([message("Done.")]),
    ]);
    const chatScript = (add: string) => [
      completion({ tool_calls: [toolCall("c1", add, { a: 1, b: 2 })] }),
      json({ error: "bad" }),
      completion({ content: "Done." }),
    ];
    const chat = await keyWithAdd(chatScript, {}, { upstreamDialect: "chat" });
    const [seen, { output }] = await Promise.all([
      whole(responses),
      askResponse(chat, { input: "2+3?" }),
    ]);
    expect(seen.content).toBe("Done.");
    expect(output.at(-1)).toMatchObject({ content: [{ text: "Done." }] });
  });
});

describe("What is no whole response", () => {
  it.each([
    ["queued", responseOf({}, [], { status: "queued" }), /still queued/],
    ["in progress", responseOf({}, [], { status: "in_progress" }), /still in_progress/],
    ["without output", { ...responseOf({}, []), output: null }, /without output/],
    ["a chat completion", { object: "chat.completion", choices: [] }, /no answer of a model/],
  ])("is a 502 to a chat client: %s", async (_what, body, words) => {
    const key = await overResponses(() => [json(body)]);
    const answer = await post(key.key, ask());
    expect(answer.status).toBe(502);
    expect(await answer.json()).toMatchObject({
      error: { code: "upstream_invalid_response", message: expect.stringMatching(words) as string },
    });
  });

  it("is a 502 where it is a stream of chat completions", async () => {
    const key = await overResponses(() => [events(chunk({ content: "Hi" }), chunk({}, "stop"))]);
    const answer = await post(key.key, ask());
    expect(answer.status).toBe(502);
    expect(await answer.text()).toContain("without a response");
  });
});
