/**
 * Tool calls as other servers than OpenAI's write them. Each title names what some server was seen
 * to send.
 */
import { describe, expect, it } from "vitest";
import { keyWithAdd, streamed } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import { chunk, events, sentMessages, usageChunk, type Answer } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const fiveAndSeven = ['{"a":2,"b":3}', '{"a":3,"b":4}'] as const;
const [five, seven] = fiveAndSeven;
const fragments = (...calls: Json[]) => chunk({ tool_calls: calls });
const role = chunk({ role: "assistant", content: null });
const answered: Answer = events(role, chunk({ content: "Done." }), chunk({}, "stop"), usageChunk());

/** Results that the model must be told, in its order, for a first round of these chunks. */
const ROUNDS: Record<string, { chunks: (name: string) => Json[]; results: string[] }> = {
  "no index": {
    chunks: (name) => [
      role,
      fragments({ id: "c1", type: "function", function: { name, arguments: five } }),
      chunk({}, "tool_calls"),
    ],
    results: ["5"],
  },
  "no index, several calls in one chunk": {
    chunks: (name) => [
      fragments(
        { id: "c1", function: { name, arguments: five } },
        { id: "c2", function: { name, arguments: seven } },
      ),
      chunk({}, "tool_calls"),
    ],
    results: ["5", "7"],
  },
  "no index, id in the first fragment only": {
    chunks: (name) => [
      fragments({ id: "c1", function: { name, arguments: '{"a":2' } }),
      fragments({ function: { arguments: ',"b":3}' } }),
      fragments({ id: "c2", function: { name, arguments: '{"a":3' } }),
      fragments({ function: { arguments: ',"b":4}' } }),
      chunk({}, "tool_calls"),
    ],
    results: ["5", "7"],
  },
  "no id": {
    chunks: (name) => [
      fragments({ index: 0, type: "function", function: { name, arguments: five } }),
      chunk({}, "tool_calls"),
    ],
    results: ["5"],
  },
  "an empty id, and null after it": {
    chunks: (name) => [
      fragments({ index: 0, id: "", function: { name, arguments: '{"a":2' } }),
      fragments({ index: 0, id: null, function: { name: null, arguments: ',"b":3}' } }),
      chunk({}, "tool_calls"),
    ],
    results: ["5"],
  },
  "an id that comes late": {
    chunks: (name) => [
      fragments({ index: 0, function: { name, arguments: '{"a":2' } }),
      fragments({ index: 0, id: "c1", function: { arguments: ',"b":3}' } }),
      chunk({}, "tool_calls"),
    ],
    results: ["5"],
  },
  "neither id nor index": {
    chunks: (name) => [fragments({ function: { name, arguments: five } }), chunk({}, "tool_calls")],
    results: ["5"],
  },
  "neither id nor index, several calls in one chunk": {
    chunks: (name) => [
      fragments({ function: { name, arguments: five } }, { function: { name, arguments: seven } }),
      chunk({}, "tool_calls"),
    ],
    results: ["5", "7"],
  },
  "neither id nor index, a call in each chunk": {
    chunks: (name) => [
      fragments({ function: { name, arguments: five } }),
      fragments({ function: { name, arguments: seven } }),
      chunk({}, "tool_calls"),
    ],
    results: ["5", "7"],
  },
  "neither id nor index, the same call twice": {
    chunks: (name) => [
      fragments({ function: { name, arguments: five } }, { function: { name, arguments: five } }),
      chunk({}, "stop"),
    ],
    results: ["5", "5"],
  },
  "all index 0, without ids": {
    chunks: (name) => [
      fragments({ index: 0, function: { name, arguments: five } }),
      fragments({ index: 0, function: { name, arguments: seven } }),
      chunk({}, "tool_calls"),
    ],
    results: ["5", "7"],
  },
  "all index 0 with different ids": {
    chunks: (name) => [
      fragments({ index: 0, id: "c1", function: { name, arguments: '{"a":2' } }),
      fragments({ index: 0, function: { arguments: ',"b":3}' } }),
      fragments({ index: 0, id: "c2", function: { name, arguments: '{"a":3' } }),
      fragments({ index: 0, function: { arguments: ',"b":4}' } }),
      chunk({}, "tool_calls"),
    ],
    results: ["5", "7"],
  },
  "all index 0 with different ids, the id in every fragment": {
    chunks: (name) => [
      fragments({ index: 0, id: "c1", function: { name, arguments: '{"a":2' } }),
      fragments({ index: 0, id: "c2", function: { name, arguments: '{"a":3' } }),
      fragments({ index: 0, id: "c1", function: { arguments: ',"b":3}' } }),
      fragments({ index: 0, id: "c2", function: { arguments: ',"b":4}' } }),
      chunk({}, "tool_calls"),
    ],
    results: ["5", "7"],
  },
  "the same id for every call": {
    chunks: (name) => [
      fragments({ index: 0, id: "c", function: { name, arguments: five } }),
      fragments({ index: 1, id: "c", function: { name, arguments: '{"a":3' } }),
      fragments({ index: 1, function: { arguments: ',"b":4}' } }),
      chunk({}, "tool_calls"),
    ],
    results: ["5", "7"],
  },
  "indexes that begin at 1": {
    chunks: (name) => [
      fragments({ index: 1, id: "c1", function: { name, arguments: five } }),
      fragments({ index: 3, id: "c2", function: { name, arguments: seven } }),
      chunk({}, "tool_calls"),
    ],
    results: ["5", "7"],
  },
  "the name in every fragment": {
    chunks: (name) => [
      fragments({ index: 0, id: "c1", function: { name, arguments: "" } }),
      fragments({ index: 0, id: "c1", function: { name, arguments: '{"a":2' } }),
      fragments({ index: 0, id: "c1", function: { name, arguments: ',"b":3}' } }),
      fragments({ index: 0, id: "c1", function: { name, arguments: "" } }),
      chunk({}, "tool_calls"),
    ],
    results: ["5"],
  },
  "the name cut in pieces": {
    chunks: (name) => [
      fragments({ index: 0, id: "c1", function: { name: name.slice(0, 2) } }),
      fragments({ index: 0, function: { name: name.slice(2, 7) } }),
      fragments({ index: 0, function: { name: name.slice(7) } }),
      fragments({ index: 0, function: { name: "", arguments: five } }),
      chunk({}, "tool_calls"),
    ],
    results: ["5"],
  },
  "several calls interleaved": {
    chunks: (name) => [
      fragments(
        { index: 0, id: "c1", function: { name, arguments: "" } },
        { index: 1, id: "c2", function: { name, arguments: "" } },
      ),
      fragments({ index: 1, function: { arguments: '{"a":3' } }),
      fragments({ index: 0, function: { arguments: '{"a":2' } }),
      fragments(
        { index: 0, function: { arguments: ',"b":3}' } },
        { index: 1, function: { arguments: ',"b":4}' } },
      ),
      chunk({}, "tool_calls"),
    ],
    results: ["5", "7"],
  },
  "arguments null, then text": {
    chunks: (name) => [
      fragments({ index: 0, id: "c1", function: { name, arguments: null } }),
      fragments({ index: 0, function: { arguments: five } }),
      chunk({}, "tool_calls"),
    ],
    results: ["5"],
  },
  "arguments as an object": {
    chunks: (name) => [
      fragments({ index: 0, id: "c1", function: { name, arguments: { a: 2, b: 3 } } }),
      chunk({}, "tool_calls"),
    ],
    results: ["5"],
  },
  'finish_reason "stop" beside calls': {
    chunks: (name) => [
      fragments({ index: 0, id: "c1", type: "function", function: { name, arguments: five } }),
      chunk({}, "stop"),
    ],
    results: ["5"],
  },
  "finish_reason null beside calls": {
    chunks: (name) => [
      fragments({ index: 0, id: "c1", type: "function", function: { name, arguments: five } }),
      chunk({}, null),
    ],
    results: ["5"],
  },
  "finish_reason in the chunk of the last fragment": {
    chunks: (name) => [
      chunk(
        {
          role: "assistant",
          tool_calls: [{ index: 0, id: "c1", function: { name, arguments: five } }],
        },
        "tool_calls",
      ),
    ],
    results: ["5"],
  },
  "an empty list of calls, and null, in other chunks": {
    chunks: (name) => [
      chunk({ role: "assistant", content: "", tool_calls: [] }),
      fragments({ index: 0, id: "c1", function: { name, arguments: five } }),
      chunk({ tool_calls: null, function_call: null }, "tool_calls"),
    ],
    results: ["5"],
  },
};

describe("tool calls that are spelled unlike OpenAI's, in a stream", () => {
  it.each(Object.entries(ROUNDS))("runs calls with %s", async (_title, { chunks, results }) => {
    const key = await keyWithAdd((name) => [events(...chunks(name)), answered]);
    expect(await streamed(key)).toMatchObject({
      content: "Done.",
      calls: [],
      finishReason: "stop",
    });
    const [message, ...told] = sentMessages(key.upstream, 1).slice(1);
    const calls = message?.["tool_calls"] as {
      id: string;
      type: string;
      function: { name: string; arguments: string };
    }[];
    expect(told.map(({ content }) => content)).toEqual(results);
    expect(told.map(({ tool_call_id }) => tool_call_id)).toEqual(calls.map(({ id }) => id));
    expect(new Set(calls.map(({ id }) => id)).size).toBe(results.length);
    for (const call of calls) {
      expect(call).toMatchObject({
        id: expect.stringMatching(/./) as string,
        type: "function",
        function: { name: key.name },
      });
      expect(fiveAndSeven).toContain(call.function.arguments);
    }
  });

  it("forwards text before, beside and after calls, calls in the first chunk among them", async () => {
    const key = await keyWithAdd((name) => [
      events(
        chunk({
          role: "assistant",
          content: "One, ",
          tool_calls: [{ index: 0, id: "c1", function: { name, arguments: "" } }],
        }),
        chunk({ content: "two, ", tool_calls: [{ index: 0, function: { arguments: five } }] }),
        chunk({ content: "three." }),
        chunk({}, "tool_calls"),
      ),
      answered,
    ]);
    expect(await streamed(key)).toMatchObject({ content: "One, two, three.\n\nDone.", calls: [] });
    expect(sentMessages(key.upstream, 1)[1]).toMatchObject({
      content: "One, two, three.",
      tool_calls: [{ id: "c1" }],
    });
  });

  it("gives the client its own calls with index, id and type, though upstream left them out", async () => {
    const key = await keyWithAdd(() => [
      events(
        role,
        fragments(
          { function: { name: "ask", arguments: { q: 1 } } },
          { function: { name: "ask", arguments: "" } },
        ),
        chunk({}, "stop"),
      ),
    ]);
    const tools = [
      {
        type: "function" as const,
        function: { name: "ask", parameters: { type: "object", properties: {} } },
      },
    ];
    const { calls } = await streamed(key, { tools });
    expect(calls).toEqual([
      { id: expect.stringMatching(/./), name: "ask", arguments: '{"q":1}' },
      { id: expect.stringMatching(/./), name: "ask", arguments: "{}" },
    ]);
    const stream = proxy.client(key.key).chat.completions.stream({
      model: "gpt-test",
      messages: [{ role: "user", content: "go" }],
      tools,
    });
    const final = await stream.finalChatCompletion();
    expect(final.choices[0]?.message.tool_calls?.map(({ type }) => type)).toEqual([
      "function",
      "function",
    ]);
  });

  it("leaves a custom tool's call to the client as it is", async () => {
    const key = await keyWithAdd(() => [
      events(
        role,
        fragments({ index: 0, id: "c1", type: "custom", custom: { name: "shell", input: "" } }),
        fragments({ index: 0, custom: { input: "ls " } }),
        fragments({ index: 0, custom: { input: "-l" } }),
        chunk({}, "tool_calls"),
      ),
    ]);
    const { chunks } = await streamed(key);
    const calls = chunks.flatMap((one) =>
      (one["choices"] as { delta: Json }[]).flatMap(
        ({ delta }) => (delta["tool_calls"] ?? []) as Json[],
      ),
    );
    expect(calls).toEqual([
      { index: 0, id: "c1", type: "custom", custom: { name: "shell", input: "ls " } },
      { index: 0, custom: { input: "-l" } },
    ]);
  });
});
