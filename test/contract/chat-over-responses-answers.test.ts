/** What a chat client gets of all that an upstream of Responses can answer. */
import { describe, expect, it } from "vitest";
import { checkSent, overResponses } from "../helpers/chat-over-responses.ts";
import { ask, payloadsOf, post, streamed, whole, type AddingKey } from "../helpers/chat-turn.ts";
import { specFaults } from "../helpers/openai-spec.ts";
import { proxy } from "../helpers/proxy.ts";
import { sentBody, sentInput } from "../helpers/response-turn.ts";
import {
  eventText,
  functionCall,
  message,
  reasoning,
  refusal,
  responseEvents,
  responseOf,
  says,
} from "../helpers/responses-upstream.ts";
import { json, startUpstream, type Answer } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const WAYS = [
  {
    way: "streamed",
    stream: true,
    seen: streamed,
    more: { stream_options: { include_usage: true } },
  },
  { way: "whole", stream: false, seen: whole, more: {} },
];

const custom = { type: "custom", custom: { name: "shell" } };
const customCall = (id: string, input: string): Json => ({
  id: `ctc_${id}`,
  type: "custom_tool_call",
  call_id: id,
  name: "shell",
  input,
  status: "completed",
});

/** Calls of a completion, or those that its chunks add up to. */
function callsOf(seen: { completion?: Json; chunks?: Json[] }): Json[] {
  const answers = seen.completion === undefined ? (seen.chunks ?? []) : [seen.completion];
  const choices = answers.flatMap((one) => one["choices"] as Json[]);
  return choices.flatMap(({ delta, message: said }) => {
    const { tool_calls: calls = [] } = (delta ?? said) as { tool_calls?: Json[] };
    return calls.map(({ index: _index, ...call }) => call);
  });
}

describe.each(WAYS)("A chat client at an upstream of Responses, $way", ({ seen, more }) => {
  it("gets calls of its custom tools, and brings their results", async () => {
    const key = await overResponses(() => [
      says([reasoning("Hm."), customCall("c1", "ls\n-l")]),
      says([message("Done.")]),
    ]);
    const first = await seen(key, { ...more, tools: [custom] });
    expect(first.finishReason).toBe("tool_calls");
    const call = { id: "c1", type: "custom", custom: { name: "shell", input: "ls\n-l" } };
    expect(callsOf(first)).toEqual([call]);
    const messages = [
      { role: "user", content: "2+3?" },
      { role: "assistant", content: null, tool_calls: [call] },
      { role: "tool", tool_call_id: "c1", content: "a file" },
    ];
    expect(await seen(key, { ...more, tools: [custom], messages })).toMatchObject({
      content: "Done.",
    });
    checkSent(key.upstream);
    expect(sentInput(key.upstream, 1)).toMatchObject([
      { role: "user" },
      { type: "reasoning", encrypted_content: expect.stringMatching(/^sealed/) as string },
      { type: "custom_tool_call", call_id: "c1", name: "shell", input: "ls\n-l" },
      { type: "custom_tool_call_output", call_id: "c1", output: "a file" },
    ]);
  });

  it("gets refusals, several messages and several summaries as one text each", async () => {
    const summary = ["One.", "Two."].map((text) => ({ type: "summary_text", text }));
    const key = await overResponses(() => [
      says([reasoning("", { summary }), message("First."), message("Second."), refusal("No.")]),
    ]);
    expect(await seen(key, more)).toMatchObject({
      content: "First.\n\nSecond.",
      reasoning: "One.\n\nTwo.",
      refusal: "No.",
      finishReason: "stop",
    });
  });

  it.each([
    ["max_output_tokens", "length"],
    ["content_filter", "content_filter"],
    ["a reason of tomorrow's", "length"],
  ])("hears that an answer was cut by %s", async (reason, finishReason) => {
    const cut = { status: "incomplete", incomplete_details: { reason } };
    const key = await overResponses(() => [says([message("Half")], cut)]);
    expect(await seen(key, more)).toMatchObject({ content: "Half", finishReason });
  });

  it("gets what upstream says of the answer: model, time and tier, under one id", async () => {
    const key = await overResponses((add) => [
      says([functionCall("c1", add, { a: 2, b: 3 })], { service_tier: "default" }),
      says([message("5")], { service_tier: "flex", model: "gpt-other" }),
    ]);
    const answer = await seen(key, { ...more, service_tier: "auto" });
    const [head] = "chunks" in answer ? answer.chunks : [answer.completion];
    expect(head).toMatchObject({ model: "gpt-test-2026-11-01", created: 1_700_000_000 });
    expect(head?.["id"]).toMatch(/^chatcmpl-/);
    const tiers = "chunks" in answer ? answer.chunks : [answer.completion];
    expect(JSON.stringify(tiers)).toContain('"service_tier":"flex"');
    expect(JSON.stringify(tiers)).not.toContain("system_fingerprint");
  });

  it("gets log probabilities where it asks for them", async () => {
    const token = { token: "5", logprob: -0.1, top_logprobs: [{ token: "6", logprob: -2 }] };
    const text = { type: "output_text", text: "5", annotations: [], logprobs: [token] };
    const key = await overResponses((add) => [
      says([functionCall("c1", add, { a: 2, b: 3 })]),
      saysWithLogprobs(message("", { content: [text] }), [token]),
    ]);
    const answer = await seen(key, { ...more, logprobs: true, top_logprobs: 1 });
    const answers = "chunks" in answer ? answer.chunks : [answer.completion];
    const choices = answers.flatMap((one) => one["choices"] as { logprobs?: Json | null }[]);
    const told = choices.map(({ logprobs }) => logprobs).filter((one) => one?.["content"]);
    const content = [
      {
        token: "5",
        logprob: -0.1,
        bytes: null,
        top_logprobs: [{ token: "6", logprob: -2, bytes: null }],
      },
    ];
    expect(told).toEqual([{ content, refusal: null }]);
    expect(sentBody(key.upstream, 0)).toMatchObject({
      include: ["message.output_text.logprobs", "reasoning.encrypted_content"],
      top_logprobs: 1,
    });
  });

  it("gets what a text cites", async () => {
    const url = "https://a.test/";
    const cited = { type: "url_citation", url, title: "A", start_index: 0, end_index: 3 };
    const text = { type: "output_text", text: "It is.", annotations: [cited], logprobs: [] };
    const key = await overResponses(() => [says([message("", { content: [text] })])]);
    const answer = await seen(key, more);
    const { type, ...citation } = cited;
    const annotation = JSON.stringify([{ type, url_citation: citation }]);
    const answers = "chunks" in answer ? answer.chunks : [answer.completion];
    expect(JSON.stringify(answers)).toContain(`"annotations":${annotation}`);
  });

  it("gets one JSON document of several rounds", async () => {
    const key = await overResponses((add) => [
      says([message('{"thinking":1}'), functionCall("c1", add, { a: 2, b: 3 })]),
      says([message('{"sum":5}')]),
    ]);
    const format = { response_format: { type: "json_object" } };
    expect(await seen(key, { ...more, ...format })).toMatchObject({ content: '{"sum":5}' });
    expect(sentBody(key.upstream, 1)["text"]).toEqual({ format: { type: "json_object" } });
  });
});

/** A message whose deltas have log probabilities. */
function saysWithLogprobs(item: Json, logprobs: Json[]): Answer {
  return (request, response) => {
    const body = request.json();
    const answer = responseOf(body, [item]);
    if (body["stream"] !== true) return json(answer)(request, response);
    const told = responseEvents(answer).map((event) =>
      event["type"] === "response.output_text.delta" ? { ...event, logprobs } : event,
    );
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(told.map(eventText).join(""));
    return undefined;
  };
}

it("A whole answer is one that the document knows", async () => {
  const key = await overResponses((add) => [
    says([reasoning("Hm."), functionCall("c1", add, { a: 2, b: 3 })]),
    says([message("5")]),
  ]);
  const { completion } = await whole(key);
  expect(specFaults("CreateChatCompletionResponse", completion)).toEqual([]);
});

/** An answer to each request, in whichever dialect. */
const asked = (key: AddingKey): string[] => key.upstream.requests.map(({ url }) => url);

describe("What has no counterpart", () => {
  it("is asked in chat completions, which the record notes with its reason", async () => {
    const key = await overResponses(() => [
      json({
        id: "chatcmpl-1",
        object: "chat.completion",
        created: 1,
        model: "m",
        choices: [
          { index: 0, message: { role: "assistant", content: "5" }, finish_reason: "stop" },
        ],
      }),
    ]);
    const response = await post(key.key, ask({ stop: ["x"] }));
    expect(response.status, await response.text()).toBe(200);
    expect(asked(key)).toEqual(["/v1/chat/completions"]);
    expect(sentBody(key.upstream, 0)["stop"]).toEqual(["x"]);
    const id = response.headers.get("x-proxy-conversation-id") ?? "";
    const { rounds } = await proxy.conversation(id);
    expect(rounds[0]?.notes).toEqual([expect.stringContaining("stop: the API stops at no words")]);
  });

  it("is left out where that changes nothing, which the record notes", async () => {
    const key = await overResponses(() => [says([message("5")])]);
    const response = await post(key.key, ask({ seed: 1 }));
    expect(response.status, await response.text()).toBe(200);
    expect(response.headers.get("x-proxy-upstream-dialect")).toBe("responses");
    expect(sentBody(key.upstream, 0)).not.toHaveProperty("seed");
    const id = response.headers.get("x-proxy-conversation-id") ?? "";
    const { rounds } = await proxy.conversation(id);
    expect(rounds[0]?.notes).toContainEqual(expect.stringContaining("Asked without seed"));
  });
});

const FAILED = {
  status: "failed",
  error: { code: "server_error", message: "The model stumbled." },
};

describe("What upstream fails at", () => {
  it("ends a stream with its error", async () => {
    const key = await overResponses((add) => [
      says([functionCall("c1", add, { a: 2, b: 3 })]),
      says([message("It i")], FAILED),
    ]);
    const response = await post(key.key, ask({ stream: true }));
    const events = payloadsOf(await response.text()).map((text) => JSON.parse(text) as Json);
    expect(events.at(-1)).toEqual({
      error: {
        message: "The model stumbled.",
        type: "upstream_error",
        param: null,
        code: "server_error",
      },
    });
    expect(JSON.stringify(events)).toContain('"content":"It');
    const id = response.headers.get("x-proxy-conversation-id") ?? "";
    expect((await proxy.conversation(id)).status).toBe("failed");
  });

  it("is a 502 where the answer is whole", async () => {
    const key = await overResponses(() => [says([], FAILED)]);
    const response = await post(key.key, ask());
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ error: { message: "The model stumbled." } });
  });

  it("is its own answer where it refuses the request", async () => {
    const error = { message: "No.", type: "invalid_request_error", param: "input", code: "x" };
    const key = await overResponses(() => [json({ error }, 400)]);
    const response = await post(key.key, ask({ stream: true }));
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ error });
  });

  it("is told where its stream is cut, or has an error in it", async () => {
    const cut: Answer = (request, response) => {
      const events = responseEvents(responseOf(request.json(), [message("Half")]));
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end(events.slice(0, 6).map(eventText).join(""));
    };
    const error: Answer = (_request, response) => {
      const event = {
        type: "error",
        code: "rate_limit_exceeded",
        message: "Slow down.",
        param: null,
      };
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end(eventText(event));
    };
    for (const [answer, words] of [
      [cut, /response\.completed/],
      [error, /Slow down/],
    ] as const) {
      const key = await overResponses(() => [answer]);
      const text = await (await post(key.key, ask({ stream: true }))).text();
      const last = JSON.parse(payloadsOf(text).at(-1) ?? "") as { error: { message: string } };
      expect(last.error.message).toMatch(words);
    }
  });
});

it("An upstream that cannot encrypt what it reasons is asked without", async () => {
  const upstream = await startUpstream(async (request, response) => {
    const refused = request.body.includes("reasoning.encrypted_content");
    const words = "Encrypted content is not supported with this model.";
    const answer = refused
      ? json({ error: { message: words, type: "invalid_request_error", param: "include" } }, 400)
      : says([message("5")]);
    await answer(request, response);
  });
  const { key, name } = await overResponses(() => [], { openaiBaseUrl: upstream.url });
  expect(await whole({ key, name, id: "", upstream })).toMatchObject({ content: "5" });
  expect(upstream.requests.map(({ url }) => url)).toEqual(["/v1/responses", "/v1/responses"]);
});
