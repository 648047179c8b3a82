/** Arguments, and calls of whole answers, as other servers than OpenAI's write them. */
import { describe, expect, it } from "vitest";
import { keyWithAdd, streamed, whole } from "../helpers/chat-turn.ts";
import {
  chunk,
  completion,
  events,
  sentMessages,
  toolCall,
  usageChunk,
  type Answer,
} from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const fiveAndSeven = ['{"a":2,"b":3}', '{"a":3,"b":4}'] as const;
const [five, seven] = fiveAndSeven;
const fragments = (...calls: Json[]) => chunk({ tool_calls: calls });
const role = chunk({ role: "assistant", content: null });
const answered: Answer = events(role, chunk({ content: "Done." }), chunk({}, "stop"), usageChunk());

const NO_ARGUMENTS = {
  parameters: { type: "object", properties: {} },
  implementation: "return 'ran';",
};

describe("arguments that are odd", () => {
  it.each(["", null, undefined, "{}", {}, "  "])(
    "takes %j for no arguments, streamed and whole",
    async (args) => {
      const call = (name: string) => ({
        index: 0,
        id: "c1",
        type: "function",
        function: { name, ...(args === undefined ? {} : { arguments: args }) },
      });
      const inStream = await keyWithAdd(
        (name) => [events(role, fragments(call(name)), chunk({}, "tool_calls")), answered],
        NO_ARGUMENTS,
      );
      expect(await streamed(inStream)).toMatchObject({ content: "Done.", calls: [] });
      const atOnce = await keyWithAdd(
        (name) => [completion({ tool_calls: [call(name)] }), completion({ content: "Done." })],
        NO_ARGUMENTS,
      );
      expect(await whole(atOnce)).toMatchObject({ content: "Done.", calls: [] });
      for (const { upstream } of [inStream, atOnce]) {
        expect(sentMessages(upstream, 1).at(-1)).toEqual({
          role: "tool",
          tool_call_id: "c1",
          content: "ran",
        });
        const [sent] = (sentMessages(upstream, 1)[1]?.["tool_calls"] ?? []) as {
          function: { arguments: string };
        }[];
        expect(JSON.parse(sent?.function.arguments ?? "")).toEqual({});
      }
    },
  );

  it.each([
    ["tool_calls", '{"a":2,"b":'],
    ["length", '{"a":2,"b":'],
    ["length", ""],
    ["length", null],
  ])(
    "never runs a call that max_tokens cut: finish_reason %j, arguments %j",
    async (finishReason, args) => {
      const call = (name: string) => ({
        index: 0,
        id: "c1",
        type: "function",
        function: { name, arguments: args },
      });
      const inStream = await keyWithAdd(
        (name) => [events(role, fragments(call(name)), chunk({}, finishReason)), answered],
        NO_ARGUMENTS,
      );
      await streamed(inStream);
      const cut = (name: string) => ({
        choices: [
          {
            index: 0,
            message: { role: "assistant", content: null, tool_calls: [call(name)] },
            finish_reason: finishReason,
          },
        ],
      });
      const atOnce = await keyWithAdd(
        (name) => [completion({}, cut(name)), completion({ content: "Done." })],
        NO_ARGUMENTS,
      );
      await whole(atOnce);
      for (const { upstream } of [inStream, atOnce]) {
        const result = sentMessages(upstream, 1).at(-1);
        expect(result).toMatchObject({ role: "tool", tool_call_id: "c1" });
        expect(result?.content).not.toBe("ran");
      }
    },
  );

  it.each(["null", "[1]", '"text"', "7"])(
    "tells the model that %s is no object of arguments",
    async (args) => {
      const key = await keyWithAdd((name) => [
        completion({ tool_calls: [toolCall("c1", name, args)] }),
        completion({ content: "Done." }),
      ]);
      await whole(key);
      expect(sentMessages(key.upstream, 1).at(-1)?.content).toContain("object");
    },
  );
});

describe("tool calls that are spelled unlike OpenAI's, in a whole answer", () => {
  it.each<[string, (name: string) => Json[], string[]]>([
    ["no id", (name) => [{ type: "function", function: { name, arguments: five } }], ["5"]],
    ["an empty id and no type", (name) => [{ id: "", function: { name, arguments: five } }], ["5"]],
    [
      "the same id for every call",
      (name) => [toolCall("c", name, five), toolCall("c", name, seven)],
      ["5", "7"],
    ],
    [
      "arguments as an object",
      (name) => [{ id: "c1", type: "function", function: { name, arguments: { a: 2, b: 3 } } }],
      ["5"],
    ],
    ["an index, as in a stream", (name) => [{ index: 0, ...toolCall("c1", name, five) }], ["5"]],
  ])("runs calls with %s", async (_title, calls, results) => {
    for (const finish_reason of ["tool_calls", "stop", null]) {
      const choice = (name: string) => ({
        index: 0,
        message: { content: null, tool_calls: calls(name) },
        finish_reason,
      });
      const key = await keyWithAdd((name) => [
        completion({}, { choices: [choice(name)] }),
        completion({ content: "Done." }),
      ]);
      expect(await whole(key)).toMatchObject({ content: "Done.", calls: [], finishReason: "stop" });
      const [message, ...told] = sentMessages(key.upstream, 1).slice(1);
      expect(message?.role).toBe("assistant");
      expect(told.map(({ content }) => content)).toEqual(results);
      const sent = message?.["tool_calls"] as { id: string; type: string }[];
      expect(told.map(({ tool_call_id }) => tool_call_id)).toEqual(sent.map(({ id }) => id));
      expect(new Set(sent.map(({ id }) => id)).size).toBe(results.length);
      expect(sent.every(({ type }) => type === "function")).toBe(true);
    }
  });

  it("gives the client only its own call of a mixed round whose calls have one id", async () => {
    const key = await keyWithAdd((name) => [
      completion({ tool_calls: [toolCall("c", name, five), toolCall("c", "ask", {})] }),
    ]);
    expect((await whole(key)).calls).toMatchObject([{ name: "ask" }]);
  });
});
