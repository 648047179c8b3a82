/** A client of the Responses API whose upstream speaks chat completions. */
import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { keyWithAdd, type AddingKey } from "../helpers/chat-turn.ts";
import { historyOf, startRounds, type ScriptedRound } from "../helpers/mixed-upstream.ts";
import { askResponse, eventsOf, postResponse, sentBody } from "../helpers/response-turn.ts";
import {
  chunk,
  completion,
  events,
  json,
  startUpstream,
  toolCall,
  type Answer,
  type ScriptedUpstream,
} from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

/** A key without tools whose upstream speaks chat completions alone. */
async function plainKey(upstream: ScriptedUpstream): Promise<{ key: string }> {
  return proxy.createKey({ openaiBaseUrl: upstream.url, upstreamDialect: "chat" });
}

/** A key with one tool that adds, and what its upstream says. */
async function addingKey(script: (add: string) => ScriptedRound[]): Promise<AddingKey> {
  const made = await keyWithAdd(() => [], {}, { upstreamDialect: "chat" });
  const upstream = await startRounds(...script(made.name));
  const fields = { openaiBaseUrl: upstream.url, upstreamDialect: "chat" };
  const answer = await proxy.admin(`/api-keys/${made.id}`, { method: "PATCH", json: fields });
  expect(answer.status, await answer.text()).toBe(200);
  return { ...made, upstream };
}

const textsOf = (output: Json[]): string =>
  output
    .filter(({ type }) => type === "message")
    .flatMap(({ content }) => content as Json[])
    .map(({ text, refusal }) => String(text ?? refusal))
    .join("|");

const typesOf = (output: Json[]) => output.map(({ type }) => type);

const ASK = {
  type: "function",
  name: "ask_user",
  description: "Asks the user.",
  strict: true,
  parameters: {
    type: "object",
    properties: { question: { type: "string" } },
    required: ["question"],
    additionalProperties: false,
  },
};

describe.each([true, false])("With stream: %s, a client of Responses", (stream) => {
  it("is answered by chat completions", async () => {
    const upstream = await startRounds({ text: "Hello, you." });
    const key = await plainKey(upstream);
    const response = await askResponse(key, { input: "Hi", instructions: "Be kind.", stream });
    expect(textsOf(response.output)).toBe("Hello, you.");
    expect(response).toMatchObject({ status: "completed", instructions: "Be kind." });
    expect(response["usage"]).toMatchObject({
      input_tokens: 100,
      input_tokens_details: { cached_tokens: 10, cache_write_tokens: 0 },
      output_tokens: 7,
      output_tokens_details: { reasoning_tokens: 1 },
      total_tokens: 107,
    });
    expect(upstream.requests[0]?.url).toBe("/v1/chat/completions");
    expect(historyOf(upstream, 0)).toEqual(["system: Be kind.", "user: Hi"]);
    expect(sentBody(upstream, 0)).not.toHaveProperty("input");
    expect(sentBody(upstream, 0)).not.toHaveProperty("instructions");
  });

  it("has its key's tools run, and sees them", async () => {
    const key = await addingKey((add) => [
      {
        reasoning: "I add.",
        text: "Adding.",
        calls: [{ id: "call_1", name: add, arguments: '{"a":2,"b":3}' }],
      },
      { text: "It is 5." },
    ]);
    const response = await askResponse(key, { input: "2+3?", stream });
    expect(typesOf(response.output)).toEqual(["reasoning", "message", "mcp_call", "message"]);
    expect(response.output[0]).toMatchObject({
      content: [{ type: "reasoning_text", text: "I add." }],
    });
    expect(response.output[2]).toMatchObject({ name: key.name, output: "5", status: "completed" });
    expect(textsOf(response.output)).toBe("Adding.|It is 5.");
    expect(historyOf(key.upstream, 1)).toEqual([
      "user: 2+3?",
      `assistant: Adding. [call_1 ${key.name} {"a":2,"b":3}]`,
      "tool call_1: 5",
    ]);
    const sent = sentBody(key.upstream, 1)["messages"] as Json[];
    expect(sent[1]).toMatchObject({ reasoning_content: "I add." });
    expect(response["usage"]).toMatchObject({ input_tokens: 300, output_tokens: 21 });
  });

  it("runs its own tool beside a server's, and is back with its output", async () => {
    const key = await addingKey((add) => [
      {
        text: "Both.",
        calls: [
          { id: "call_1", name: add, arguments: '{"a":2,"b":3}' },
          { id: "call_ask", name: "ask_user", arguments: '{"question":"?"}' },
        ],
      },
      { text: "It is 5." },
    ]);
    const question = { role: "user", content: "2+3?" };
    const first = await askResponse(key, { input: [question], tools: [ASK], stream });
    expect(typesOf(first.output)).toEqual(["message", "mcp_call", "function_call"]);
    expect(first.output[2]).toMatchObject({
      name: "ask_user",
      call_id: "call_ask",
      arguments: '{"question":"?"}',
      status: "completed",
    });
    const output = { type: "function_call_output", call_id: "call_ask", output: "yes" };
    const input = [question, ...first.output, output];
    const second = await askResponse(key, { input, tools: [ASK], stream });
    expect(textsOf(second.output)).toBe("It is 5.");
    expect(historyOf(key.upstream, 1)).toEqual([
      "user: 2+3?",
      `assistant: Both. [call_1 ${key.name} {"a":2,"b":3}] [call_ask ask_user {"question":"?"}]`,
      "tool call_1: 5",
      "tool call_ask: yes",
    ]);
  });

  it.each([
    ["length", "max_output_tokens"],
    ["content_filter", "content_filter"],
  ])("is told that its answer is not whole: %s", async (finishReason, reason) => {
    const key = await plainKey(await startRounds({ text: "It is", finishReason }));
    const response = await askResponse(key, { input: "2+3?", stream });
    expect(response).toMatchObject({ status: "incomplete", incomplete_details: { reason } });
    expect(response.output).toMatchObject([{ type: "message", status: "incomplete" }]);
  });

  it("has half a call of its own, which is incomplete", async () => {
    const half = { id: "call_ask", name: "ask_user", arguments: '{"quest' };
    const key = await plainKey(await startRounds({ calls: [half], finishReason: "length" }));
    const response = await askResponse(key, { input: "2+3?", tools: [ASK], stream });
    expect(response).toMatchObject({ status: "incomplete" });
    expect(response.output).toMatchObject([
      { type: "function_call", status: "incomplete", arguments: '{"quest' },
    ]);
  });

  it("reads a refusal", async () => {
    const key = await plainKey(await startRounds({ refusal: "I will not." }));
    const { output } = await askResponse(key, { input: "Hi", stream });
    expect(output).toMatchObject([{ content: [{ type: "refusal", refusal: "I will not." }] }]);
  });

  it("has its custom tool called, and that of a namespace", async () => {
    const patch = { id: "call_p", name: "apply_patch", arguments: '{"input":"*** Begin\\n"}' };
    const agent = { id: "call_s", name: "agents__spawn", arguments: '{"task":"x"}' };
    const upstream = await startRounds({ calls: [patch, agent] }, { text: "Done." });
    const key = await plainKey(upstream);
    const tools = [
      {
        type: "custom",
        name: "apply_patch",
        description: "Patches.",
        format: { type: "grammar", syntax: "lark", definition: 'start: "*** Begin"' },
      },
      {
        type: "namespace",
        name: "agents",
        description: "Agents.",
        tools: [{ type: "function", name: "spawn", parameters: { type: "object" } }],
      },
    ];
    const question = { role: "user", content: "Go" };
    const first = await askResponse(key, { input: [question], tools, stream });
    expect(first.output).toMatchObject([
      { type: "custom_tool_call", name: "apply_patch", input: "*** Begin\n", call_id: "call_p" },
      { type: "function_call", name: "spawn", namespace: "agents", arguments: '{"task":"x"}' },
    ]);
    const sent = sentBody(upstream, 0)["tools"] as { type: string; function: Json }[];
    expect(sent.map(({ type, function: { name } }) => [type, name])).toEqual([
      ["function", "apply_patch"],
      ["function", "agents__spawn"],
    ]);
    expect(JSON.stringify(sent[0])).toContain("lark grammar");
    const outputs = [
      { type: "custom_tool_call_output", call_id: "call_p", output: "patched" },
      { type: "function_call_output", call_id: "call_s", output: "spawned" },
    ];
    const input = [question, ...first.output, ...outputs];
    await askResponse(key, { input, tools, stream });
    expect(historyOf(upstream, 1)).toEqual([
      "user: Go",
      'assistant:  [call_p apply_patch {"input":"*** Begin\\n"}] [call_s agents__spawn {"task":"x"}]',
      "tool call_p: patched",
      "tool call_s: spawned",
    ]);
  });

  it("reads what odd servers say", async () => {
    const answers: Answer[] = stream
      ? [
          events(
            chunk({ role: "assistant", reasoning: "Hm." }),
            chunk({
              content: [{ type: "thinking", thinking: [{ type: "text", text: " More." }] }],
            }),
            chunk({ content: "He" }),
            chunk({ content: [{ type: "text", text: "llo" }] }),
            chunk({ tool_calls: [{ function: { name: "ask_user", arguments: "" } }] }, "stop", {
              usage: null,
            }),
          ),
        ]
      : [
          completion(
            {
              reasoning: "Hm. More.",
              content: "Hello",
              tool_calls: [toolCall("", "ask_user", "")],
            },
            { usage: null },
          ),
        ];
    const key = await plainKey(await startUpstream(...answers));
    const response = await askResponse(key, { input: "Hi", tools: [ASK], stream });
    expect(response).toMatchObject({ status: "completed", usage: { total_tokens: 0 } });
    expect(response.output).toMatchObject([
      { type: "reasoning", content: [{ text: "Hm. More." }] },
      { type: "message", content: [{ text: "Hello" }] },
      { type: "function_call", name: "ask_user", arguments: "{}" },
    ]);
  });

  it("is told what upstream says of its answer, and of the texts in it", async () => {
    const logprob = { token: "Hi", logprob: -0.5, bytes: [72, 105], top_logprobs: [] };
    const citation = { url: "https://a.example", title: "A", start_index: 0, end_index: 2 };
    const annotations = [{ type: "url_citation", url_citation: citation }];
    const more = { model: "m-2026", created: 1_700_000_001, service_tier: "flex" };
    const logprobs = { content: [logprob], refusal: null };
    const said = { content: "Hi", annotations };
    const choice = { index: 0, logprobs, finish_reason: "stop" };
    const answer = stream
      ? events(
          { ...chunk({}), ...more, choices: [{ ...choice, delta: said }] },
          { ...chunk({}), ...more, choices: [] },
        )
      : completion({}, { ...more, choices: [{ ...choice, message: said }] });
    const upstream = await startUpstream(answer);
    const include = ["message.output_text.logprobs"];
    const response = await askResponse(await plainKey(upstream), { input: "?", include, stream });
    expect(response).toMatchObject({
      model: "m-2026",
      created_at: 1_700_000_001,
      service_tier: "flex",
      output: [
        {
          content: [
            {
              text: "Hi",
              logprobs: [logprob],
              annotations: [{ type: "url_citation", ...citation }],
            },
          ],
        },
      ],
    });
    expect(sentBody(upstream, 0)).toMatchObject({ logprobs: true });
  });

  it("is told what upstream says of a bad request", async () => {
    const error = { message: "No such model", type: "invalid_request_error", code: "no_model" };
    const key = await plainKey(await startUpstream(json({ error }, 404)));
    const answer = await postResponse(key, { input: "Hi", stream });
    expect(answer.status).toBe(404);
    expect(await answer.json()).toEqual({ error });
  });
});

it("A server that does not know all members is asked with those that all know", async () => {
  const words = "property 'prompt_cache_key' is unsupported";
  const upstream = await startUpstream(
    json({ error: { message: words } }, 400),
    completion({ content: "Hi." }),
  );
  const key = await plainKey(upstream);
  const asked = {
    input: "Hi",
    max_output_tokens: 20,
    prompt_cache_key: "k",
    text: { verbosity: "low" },
  };
  expect(textsOf((await askResponse(key, asked)).output)).toBe("Hi.");
  expect(sentBody(upstream, 0)).toMatchObject({ max_completion_tokens: 20, prompt_cache_key: "k" });
  const { messages: _messages, model: _model, ...others } = sentBody(upstream, 1);
  expect(others).toEqual({ max_tokens: 20 });
});

it.each([
  ["a stream", true],
  ["a whole answer", false],
])("An error in a choice fails the response: %s", async (_name, stream) => {
  const error = { message: "Provider gave up", code: 502 };
  const ended = { index: 0, finish_reason: "error", error };
  const whole = { object: "chat.completion", choices: [{ ...ended, message: { content: "" } }] };
  const last = { ...chunk({}), choices: [{ ...ended, delta: {} }] };
  const key = await plainKey(await startUpstream(stream ? events(last) : json(whole)));
  const response = await askResponse(key, { input: "Hi", stream });
  expect(response).toMatchObject({
    status: "failed",
    error: { code: "server_error", message: "Provider gave up" },
  });
});

it("A response that failed has the text that had come, and its error's code is text", async () => {
  const error = { message: "Out of memory", type: "server_error", code: 500 };
  const pieces = [chunk({ content: "Hel" }), chunk({ content: "lo" })];
  const key = await plainKey(await startUpstream(events(...pieces, { error })));
  const told = eventsOf(await (await postResponse(key, { input: "Hi", stream: true })).text());
  expect(told.at(-2)).toMatchObject({ type: "error", code: "500" });
  const response = told.at(-1)?.["response"] as Json | undefined;
  expect(response?.["output"]).toMatchObject([
    { type: "message", status: "incomplete", content: [{ type: "output_text", text: "Hello" }] },
  ]);
});

it("An error in a stream is told as the Responses API tells it", async () => {
  const error = { message: "Out of memory", type: "server_error", code: "oom" };
  const key = await plainKey(await startUpstream(events(chunk({ content: "Hel" }), { error })));
  const told = eventsOf(await (await postResponse(key, { input: "Hi", stream: true })).text());
  expect(told.at(-2)).toMatchObject({ type: "error", message: "Out of memory" });
  expect(told.at(-1)).toMatchObject({
    type: "response.failed",
    response: { status: "failed", error: { message: "Out of memory" } },
  });
});

it("What codex asks for is asked over chat completions, and the rest is on record", async () => {
  const upstream = await startRounds({ text: "Done." });
  const key = await plainKey(upstream);
  const input = [
    { type: "message", role: "developer", content: [{ type: "input_text", text: "Sandboxed." }] },
    { type: "message", role: "user", content: [{ type: "input_text", text: "Go" }] },
  ];
  const body = {
    instructions: "You are codex.",
    input,
    tools: [ASK, { type: "custom", name: "apply_patch" }, { type: "web_search" }],
    tool_choice: "auto",
    parallel_tool_calls: false,
    reasoning: { effort: "medium", summary: "auto" },
    store: false,
    stream: true,
    include: ["reasoning.encrypted_content"],
    prompt_cache_key: "thread",
    client_metadata: { installation: "i" },
  };
  const answer = await postResponse(key, body);
  const id = answer.headers.get("x-proxy-conversation-id") ?? "";
  expect(answer.headers.get("x-proxy-upstream-dialect")).toBe("chat");
  expect(eventsOf(await answer.text()).at(-1)).toMatchObject({ type: "response.completed" });
  expect(historyOf(upstream, 0)).toEqual(["system: You are codex.\n\nSandboxed.", "user: Go"]);
  const { tools, messages: _messages, model: _model, ...others } = sentBody(upstream, 0);
  expect(others).toEqual({
    tool_choice: "auto",
    parallel_tool_calls: false,
    reasoning_effort: "medium",
    stream: true,
    stream_options: { include_usage: true },
    prompt_cache_key: "thread",
  });
  expect(tools).toHaveLength(2);
  const [round] = (await proxy.conversation(id)).rounds;
  expect(round?.notes).toContain("Left out the tool web_search: chat completions have none");
});

it("A stream that is cut fails as the Responses API does", async () => {
  const cut: Answer = async (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`data: ${JSON.stringify(chunk({ content: "Hel" }))}\n\n`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    response.destroy();
  };
  const key = await plainKey(await startUpstream(cut));
  const answer = await postResponse(key, { input: "Hi", stream: true });
  const told = eventsOf(await answer.text());
  expect(told.map(({ type }) => type).slice(-2)).toEqual(["error", "response.failed"]);
  expect(told.at(-1)?.["response"]).toMatchObject({
    status: "failed",
    output: [{ type: "message", status: "incomplete" }],
  });
});
