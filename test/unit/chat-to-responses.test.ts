/** What a request of chat completions is in the Responses API, and what items are as messages. */
import { describe, expect, it } from "vitest";
import { chatToResponses } from "../../src/dialects/between/chat-to-responses.ts";
import { chatDialect } from "../../src/dialects/chat/chat-dialect.ts";
import type { DialectRequest } from "../../src/dialects/dialect.ts";
import { requestFaults } from "../helpers/both-dialects.ts";

type Json = Record<string, unknown>;

const USER = { role: "user", content: "Hi" };

function requestOf(text: string): DialectRequest {
  const request = chatDialect.readRequest(text);
  if (request === null) throw new Error("That is no request");
  return request;
}

const asked = (body: Json): DialectRequest =>
  requestOf(JSON.stringify({ model: "m", messages: [USER], ...body }));

/** The request of the Responses API, which the API takes. */
function translated(body: Json): Json {
  const sent = JSON.parse(chatToResponses.request(asked(body))) as Json;
  expect(requestFaults(sent), JSON.stringify(sent)).toEqual([]);
  return sent;
}

const inputOf = (messages: Json[]): unknown => translated({ messages })["input"];
const definition = { name: "f", parameters: { type: "object" } };
const tool = { type: "function", function: definition };

/** Members of a request, and what they are there. */
const MEMBERS: [string, Json, Json][] = [
  ["a limit", { max_completion_tokens: 20 }, { max_output_tokens: 20 }],
  ["a limit under its old name", { max_tokens: 20 }, { max_output_tokens: 20 }],
  ["both limits", { max_tokens: 30, max_completion_tokens: 20 }, { max_output_tokens: 20 }],
  ["the effort", { reasoning_effort: "low" }, { reasoning: { effort: "low" } }],
  ["verbosity", { verbosity: "low" }, { text: { verbosity: "low" } }],
  [
    "verbosity beside a format",
    { verbosity: "low", response_format: { type: "json_object" } },
    { text: { verbosity: "low", format: { type: "json_object" } } },
  ],
  [
    "a schema",
    {
      response_format: {
        type: "json_schema",
        json_schema: { name: "s", strict: true, schema: { type: "object" } },
      },
    },
    {
      text: {
        format: { type: "json_schema", name: "s", strict: true, schema: { type: "object" } },
      },
    },
  ],
  [
    "log probabilities",
    { logprobs: true, top_logprobs: 3 },
    { include: ["message.output_text.logprobs"], top_logprobs: 3 },
  ],
  ["that there are none", { logprobs: false }, {}],
  ["who is asking", { user: "u", safety_identifier: "s" }, { user: "u", safety_identifier: "s" }],
  [
    "its cache",
    { prompt_cache_key: "k", prompt_cache_retention: "24h" },
    { prompt_cache_key: "k", prompt_cache_retention: "24h" },
  ],
  ["the tier", { service_tier: "flex" }, { service_tier: "flex" }],
  [
    "that it is stored",
    { store: true, metadata: { a: "b" } },
    { store: true, metadata: { a: "b" } },
  ],
  ["that nobody wants it stored", { store: null }, {}],
  [
    "how it streams",
    { stream: true, stream_options: { include_usage: true, include_obfuscation: false } },
    { stream: true, stream_options: { include_obfuscation: false } },
  ],
  ["usage alone", { stream: true, stream_options: { include_usage: true } }, { stream: true }],
  [
    "sampling",
    { temperature: 0.5, top_p: 0.9, parallel_tool_calls: false },
    { temperature: 0.5, top_p: 0.9, parallel_tool_calls: false },
  ],
  ["what is usual", { n: 1, stop: [], logit_bias: {}, presence_penalty: 0, stream: null }, {}],
  ["what changes nothing", { seed: 5, prediction: { type: "content", content: "x" } }, {}],
  [
    "a function",
    { tools: [tool] },
    { tools: [{ type: "function", ...definition, strict: false }] },
  ],
  [
    "a strict function without parameters",
    { tools: [{ type: "function", function: { name: "g", strict: true, description: "d" } }] },
    {
      tools: [
        {
          type: "function",
          name: "g",
          description: "d",
          strict: true,
          parameters: { type: "object", properties: {} },
        },
      ],
    },
  ],
  [
    "a custom tool",
    {
      tools: [
        {
          type: "custom",
          custom: {
            name: "c",
            format: { type: "grammar", grammar: { syntax: "lark", definition: "start: A" } },
          },
        },
      ],
    },
    {
      tools: [
        {
          type: "custom",
          name: "c",
          format: { type: "grammar", syntax: "lark", definition: "start: A" },
        },
      ],
    },
  ],
  ["that it must call", { tool_choice: "required" }, { tool_choice: "required" }],
  [
    "which function it must call",
    { tool_choice: { type: "function", function: { name: "f" } } },
    { tool_choice: { type: "function", name: "f" } },
  ],
  [
    "which custom tool it must call",
    { tool_choice: { type: "custom", custom: { name: "c" } } },
    { tool_choice: { type: "custom", name: "c" } },
  ],
  [
    "what it may call",
    { tool_choice: { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [tool] } } },
    {
      tool_choice: {
        type: "allowed_tools",
        mode: "auto",
        tools: [{ type: "function", name: "f" }],
      },
    },
  ],
];

describe("A request", () => {
  it.each(MEMBERS)("says %s", (_what, body, expected) => {
    const { input, ...sent } = translated(body);
    expect(input).toEqual([USER]);
    expect(sent).toEqual({ model: "m", store: false, ...expected });
  });

  it("keeps the spelling of what it has under the same name", () => {
    const text =
      '{"model":"m","messages":[],"temperature":1.0,"metadata":{"b":"1","a":"2"},' +
      '"tools":[{"type":"function","function":{"name":"f","parameters":{"x":1.0}}}]}';
    const sent = chatToResponses.request(requestOf(text));
    expect(sent).toContain('"temperature":1.0');
    expect(sent).toContain('"metadata":{"b":"1","a":"2"}');
    expect(sent).toContain('"parameters":{"x":1.0}');
  });
});

const call = (id: string): Json => ({
  id,
  type: "function",
  function: { name: "f", arguments: '{"a":1}' },
});
const calling = (...calls: Json[]): Json => ({
  role: "assistant",
  content: null,
  tool_calls: calls,
});
const result = (id: string, content: unknown = "5"): Json => ({
  role: "tool",
  tool_call_id: id,
  content,
});

/** Messages of a history, and the items that they are. */
const HISTORIES: [string, Json[], Json[]][] = [
  [
    "instructions",
    [
      { role: "system", content: "s" },
      { role: "developer", content: [{ type: "text", text: "d" }] },
    ],
    [
      { role: "system", content: "s" },
      { role: "developer", content: [{ type: "input_text", text: "d" }] },
    ],
  ],
  [
    "images and files",
    [
      {
        role: "user",
        content: [
          { type: "text", text: "look" },
          { type: "image_url", image_url: { url: "https://a.test/b.png", detail: "high" } },
          { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
          { type: "file", file: { file_id: "file-1" } },
          {
            type: "file",
            file: { filename: "a.pdf", file_data: "data:application/pdf;base64,AA" },
          },
        ],
      },
    ],
    [
      {
        role: "user",
        content: [
          { type: "input_text", text: "look" },
          { type: "input_image", image_url: "https://a.test/b.png", detail: "high" },
          { type: "input_image", image_url: "data:image/png;base64,AAAA", detail: "auto" },
          { type: "input_file", file_id: "file-1" },
          { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,AA" },
        ],
      },
    ],
  ],
  [
    "calls and their results",
    [calling(call("c1"), call("c2")), result("c2", [{ type: "text", text: "6" }]), result("c1")],
    [
      { type: "function_call", call_id: "c1", name: "f", arguments: '{"a":1}' },
      { type: "function_call", call_id: "c2", name: "f", arguments: '{"a":1}' },
      {
        type: "function_call_output",
        call_id: "c2",
        output: [{ type: "input_text", text: "6" }],
      },
      { type: "function_call_output", call_id: "c1", output: "5" },
    ],
  ],
  [
    "calls of custom tools",
    [calling({ id: "c1", type: "custom", custom: { name: "c", input: "abc" } }), result("c1")],
    [
      { type: "custom_tool_call", call_id: "c1", name: "c", input: "abc" },
      { type: "custom_tool_call_output", call_id: "c1", output: "5" },
    ],
  ],
  [
    "answers and refusals",
    [
      { role: "assistant", content: "a" },
      { role: "assistant", content: [{ type: "text", text: "b" }], refusal: null },
      { role: "assistant", content: null, refusal: "no" },
      { role: "assistant", content: [{ type: "refusal", refusal: "never" }] },
      { role: "assistant", content: "" },
    ],
    [
      { role: "assistant", content: "a" },
      { role: "assistant", content: "b" },
      { role: "assistant", content: [{ type: "refusal", refusal: "no" }] },
      { role: "assistant", content: [{ type: "refusal", refusal: "never" }] },
    ],
  ],
];

describe("A history", () => {
  it.each(HISTORIES)("has %s", (_what, messages, items) => {
    expect(inputOf(messages)).toEqual(items);
  });

  it("is not what a client says that was hidden in it", () => {
    const forged = [{ type: "item_reference", id: "msg_of_another_key" }];
    const answer = { role: "assistant", content: "a", proxy_items: forged };
    expect(inputOf([USER, answer])).toEqual([USER, { role: "assistant", content: "a" }]);
  });
});

/** What keeps a request on chat completions. */
const STAYS: [Json, RegExp][] = [
  [{ n: 2 }, /^n: more than one answer$/],
  [{ stop: ["x"] }, /^stop: /],
  [{ logit_bias: { 50256: -100 } }, /^logit_bias: /],
  [{ frequency_penalty: 0.5 }, /^frequency_penalty: /],
  [{ presence_penalty: 0.5 }, /^presence_penalty: /],
  [{ modalities: ["text", "audio"], audio: { voice: "v", format: "wav" } }, /^modalities: /],
  [{ web_search_options: {} }, /^web_search_options: /],
  [{ moderation: { model: "x" } }, /^moderation: /],
  [{ functions: [{ name: "f" }] }, /^functions: tools replaced it$/],
  [{ max_tokens: 5 }, /^max_tokens: it is below 16/],
  [{ top_k: 5 }, /^top_k: no member of OpenAI's/],
  [{ ["__proto__"]: 1 }, /^__proto__: no member/],
  [{ constructor: 1 }, /^constructor: no member/],
  [{ tools: [{ type: "browser_search" }] }, /^tools: tools of the type browser_search$/],
  [
    { messages: [{ role: "user", content: [{ type: "input_audio", input_audio: {} }] }] },
    /^messages: the Responses API has no parts of the type input_audio$/,
  ],
  [{ messages: [] }, /^messages: there are none$/],
  [{ messages: "Hi" }, /^messages: there are none$/],
  [{ messages: [{ role: "function", name: "f", content: "1" }] }, /^messages: .*functions/],
  [{ messages: [{ role: "assistant", audio: { id: "a" } }] }, /^messages: .*sounds/],
];

describe("What has no counterpart", () => {
  it.each(STAYS)("keeps the request on chat completions: %j", (body, why) => {
    expect(chatToResponses.refuses(asked(body))).toMatch(why);
  });

  it("is nothing where a member says what is usual, or nothing", () => {
    const usual = { n: 1, stop: null, modalities: ["text"], functions: [], top_k: null };
    expect(chatToResponses.refuses(asked(usual))).toBeNull();
    expect(chatToResponses.dropped(asked(usual))).toEqual([]);
  });

  it("is left out, and noted, where the client gets the same without it", () => {
    const messages = [{ role: "user", name: "Ann", content: "Hi" }];
    expect(chatToResponses.refuses(asked({ seed: 1, messages }))).toBeNull();
    expect(chatToResponses.dropped(asked({ seed: 1, messages }))).toEqual([
      "Asked without seed: the API has none, and promises nothing of it",
      "Asked without names of those who wrote messages: the Responses API has none",
    ]);
  });
});

const reasoned = { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "t" }] };
const said = (text: string): Json => ({
  type: "message",
  id: "msg_1",
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text, annotations: [], logprobs: [] }],
});
const called = (id: string): Json => ({
  type: "function_call",
  id: `fc_${id}`,
  call_id: id,
  name: "f",
  arguments: "{}",
  status: "completed",
});
const output = (id: string, value: unknown): Json => ({
  type: "function_call_output",
  call_id: id,
  output: value,
});

describe("Items", () => {
  it("are one message for each answer, and one for each result", () => {
    const items = [said("a"), called("c1"), called("c2"), output("c1", "1"), output("c2", "2")];
    const plain = (id: string) => ({
      id,
      type: "function",
      function: { name: "f", arguments: "{}" },
    });
    expect(chatToResponses.items([...items, said("b")])).toEqual([
      { role: "assistant", content: "a", tool_calls: [plain("c1"), plain("c2")] },
      { role: "tool", tool_call_id: "c1", content: "1" },
      { role: "tool", tool_call_id: "c2", content: "2" },
      { role: "assistant", content: "b" },
    ]);
  });

  it("are beside their message where they say more, and go to Responses alone", async () => {
    const sealed = { ...reasoned, encrypted_content: "sealed" };
    const [message] = chatToResponses.items([sealed, said("a")]);
    expect(chatDialect.hasReasoning(message ?? {})).toBe(true);
    const kept = JSON.stringify(chatToResponses.items([sealed, said("a")]));
    expect(chatDialect.withoutReasoning(kept)).toBe('[{"role":"assistant","content":"a"}]');
    const messages = [USER, { role: "assistant", content: "a" }, USER];
    const restored = asked({ messages }).restored(new Map([[1, kept]]));
    expect(restored.text).not.toContain("sealed");
    const { input } = JSON.parse(chatToResponses.request(restored)) as { input: Json[] };
    expect(input).toEqual([USER, sealed, { role: "assistant", content: "a" }, USER]);
    const recorded = chatDialect.recorded(message ?? {});
    expect(recorded).toEqual([{ role: "assistant", content: "a", reasoning_content: "t" }]);
  });

  it("go back without reasoning that is not whole, or that nothing came of", () => {
    const sealed = { ...reasoned, encrypted_content: "sealed" };
    const kept = (items: Json[]) => new Map([[1, JSON.stringify(chatToResponses.items(items))]]);
    const messages = [USER, { role: "assistant", content: "a" }, USER];
    const inputWith = (items: Json[], more: Json = {}): Json[] => {
      const request = asked({ messages, ...more }).restored(kept(items));
      return (JSON.parse(chatToResponses.request(request)) as { input: Json[] }).input.slice(1, -1);
    };
    const answer = { role: "assistant", content: "a" };
    expect(inputWith([reasoned, said("a")])).toEqual([answer]);
    expect(inputWith([reasoned, said("a")], { store: true })).toEqual([reasoned, answer]);
    expect(inputWith([said("a"), sealed])).toEqual([answer]);
  });

  it.each(["constructor", "__proto__", "toString", "hasOwnProperty", ""])(
    "of a type that nobody knows stay beside their message: %j",
    (type) => {
      const [message] = chatToResponses.items([{ type, id: "x" }, said("a")]);
      expect(message).toMatchObject({ content: "a" });
      const kept = new Map([[1, JSON.stringify([message])]]);
      const request = asked({ messages: [USER, { role: "assistant", content: "a" }] });
      const { input } = JSON.parse(chatToResponses.request(request.restored(kept))) as Json;
      expect(input).toEqual([USER, { role: "assistant", content: "a" }]);
      const choice = { type, [type]: { name: "f" } };
      expect(() => chatToResponses.request(asked({ tool_choice: choice }))).not.toThrow();
      expect(chatToResponses.refuses(asked({ tools: [{ type }] }))).toMatch(/^tools: /);
    },
  );

  it("of an answer that said nothing are a message with an empty content", () => {
    const [message] = chatToResponses.items([{ ...reasoned, summary: [] }]);
    expect(message).toMatchObject({ role: "assistant", content: "" });
    expect(chatDialect.recorded(message ?? {})).toEqual([]);
  });

  it("show what a result shows in a message of the user", () => {
    const image = { type: "input_image", image_url: "data:image/png;base64,AA", detail: "auto" };
    const shown = output("c1", [{ type: "input_text", text: "here" }, image]);
    const messages = chatToResponses.items([called("c1"), shown]);
    expect(messages.slice(1)).toEqual([
      { role: "tool", tool_call_id: "c1", content: "here" },
      {
        role: "user",
        content: [
          { type: "text", text: "[from the result of the call c1]" },
          { type: "image_url", image_url: { url: "data:image/png;base64,AA" } },
        ],
      },
    ]);
  });
});
