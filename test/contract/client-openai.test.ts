import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import type {
  ChatCompletion,
  ChatCompletionMessageParam,
  ParsedChatCompletion,
} from "openai/resources/chat/completions";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import {
  converse,
  type ClientAnswer,
  type ClientDriver,
  type ClientOptions,
  type ClientTool,
} from "../helpers/client-driver.ts";
import { describeToolLoop, overResponses, withoutChatTools } from "../helpers/client-promises.ts";

const says = { stop: "stop", calls: "tool_calls" };

function answerOf({ choices: [choice], usage }: ChatCompletion): ClientAnswer {
  const calls = (choice?.message.tool_calls ?? []).map((call) => {
    if (call.type !== "function") throw new Error(`A call of type ${call.type}`);
    return {
      id: call.id,
      name: call.function.name,
      args: JSON.parse(call.function.arguments) as unknown,
    };
  });
  return {
    text: choice?.message.content ?? "",
    calls,
    finishReason: choice?.finish_reason,
    usage: {
      input: usage?.prompt_tokens ?? 0,
      cached: usage?.prompt_tokens_details?.cached_tokens ?? 0,
      output: usage?.completion_tokens ?? 0,
      reasoning: usage?.completion_tokens_details?.reasoning_tokens ?? 0,
      total: usage?.total_tokens ?? 0,
    },
  };
}

const clientOf = ({ baseURL, apiKey }: ClientOptions) =>
  new OpenAI({ baseURL, apiKey, maxRetries: 0 });

const runnable = ({ name, description, parameters, run }: ClientTool) => ({
  type: "function" as const,
  function: {
    name,
    description,
    parameters,
    parse: (text: string): object => JSON.parse(text) as object,
    function: (args: object) => run(args),
  },
});

const definition = ({ name, description, parameters }: ClientTool) => ({
  type: "function" as const,
  function: { name, description, parameters: { ...parameters } },
});

const runToolsWhole: ClientDriver = {
  name: "openai: chat.completions.runTools, whole",
  says,
  open: (options) => {
    let messages: ChatCompletionMessageParam[] = [];
    return async (question) => {
      messages = [...messages, { role: "user", content: question }];
      const runner = clientOf(options).chat.completions.runTools({
        model: "gpt-test",
        messages,
        tools: options.tools.map(runnable),
      });
      await runner.done();
      messages = runner.messages;
      return runner.allChatCompletions().map(answerOf);
    };
  },
};

const runToolsStreamed: ClientDriver = {
  name: "openai: chat.completions.runTools, streamed",
  says,
  open: (options) => {
    let messages: ChatCompletionMessageParam[] = [];
    return async (question) => {
      messages = [...messages, { role: "user", content: question }];
      const runner = clientOf(options).chat.completions.runTools({
        model: "gpt-test",
        messages,
        tools: options.tools.map(runnable),
        stream: true,
        stream_options: { include_usage: true },
      });
      let streamed = "";
      runner.on("content", (delta) => (streamed += delta));
      await runner.done();
      messages = runner.messages;
      const answers = runner.allChatCompletions().map(answerOf);
      expect(streamed).toBe(answers.map(({ text }) => text).join(""));
      expect((await runner.totalUsage()).total_tokens).toBe(
        answers.reduce((sum, { usage }) => sum + usage.total, 0),
      );
      return answers;
    };
  },
};

/**
 * As an application would write it that runs its tools itself: it sends back the message that it
 * was given.
 */
const streamByHand: ClientDriver = {
  name: "openai: chat.completions.stream, tools run by hand",
  says,
  open: (options) => {
    const client = clientOf(options);
    const messages: ChatCompletionMessageParam[] = [];
    return async (question) => {
      messages.push({ role: "user", content: question });
      const answers: ClientAnswer[] = [];
      for (;;) {
        const tools = options.tools.map(definition);
        const stream = client.chat.completions.stream({
          model: "gpt-test",
          messages,
          tools,
          stream_options: { include_usage: true },
        });
        const completion = await stream.finalChatCompletion();
        const answer = answerOf(completion);
        answers.push(answer);
        messages.push(...completion.choices.map(({ message }) => message));
        if (answer.calls.length === 0) return answers;
        for (const { id, name, args } of answer.calls) {
          const content =
            options.tools.find((tool) => tool.name === name)?.run(args) ?? "There is no such tool";
          messages.push({ role: "tool", tool_call_id: id, content });
        }
      }
    };
  },
};

describeToolLoop(runToolsWhole);
describeToolLoop(runToolsStreamed);
describeToolLoop(streamByHand);
describeToolLoop(overResponses(runToolsWhole));
describeToolLoop(overResponses(runToolsStreamed));
describeToolLoop(overResponses(streamByHand));
describeToolLoop(withoutChatTools(runToolsWhole));
describeToolLoop(withoutChatTools(streamByHand));

const ASK = '{"question": "Which?"}';

/** Records what the stream helper tells of a mixed turn. */
const eventsOf = (events: unknown[]): ClientDriver => ({
  ...streamByHand,
  open: (options) => async (question) => {
    const messages = [{ role: "user" as const, content: question }];
    const tools = options.tools.map(definition);
    const stream = clientOf(options).chat.completions.stream({
      model: "gpt-test",
      messages,
      tools,
      stream_options: { include_usage: true },
    });
    stream.on("content.delta", ({ snapshot }) => events.push(["content.delta", snapshot]));
    stream.on("content.done", ({ content }) => events.push(["content.done", content]));
    stream.on("tool_calls.function.arguments.delta", (event) =>
      events.push(["arguments.delta", event.index, event.name, event.arguments]),
    );
    stream.on("tool_calls.function.arguments.done", (event) =>
      events.push(["arguments.done", event.index, event.name, event.arguments]),
    );
    stream.on("functionToolCall", (call) => events.push(["functionToolCall", call.name]));
    stream.on("finalContent", (content) => events.push(["finalContent", content]));
    stream.on("totalUsage", (usage) => events.push(["totalUsage", usage.total_tokens]));
    const completion = await stream.finalChatCompletion();
    expect(await stream.totalUsage()).toMatchObject({
      prompt_tokens: 300,
      completion_tokens: 21,
      total_tokens: 321,
    });
    expect(completion).toMatchObject({
      id: "chatcmpl-round-0",
      model: "gpt-test",
      object: "chat.completion",
    });
    expect(await stream.finalFunctionToolCall()).toMatchObject({ name: "read_file" });
    return [answerOf(completion)];
  },
});

describe("openai: the stream helper's events", () => {
  it("tell of a mixed turn what the user may see: texts, own calls from index 0, each done once, the summed usage", async () => {
    const events: unknown[][] = [];
    const { ask } = await converse(eventsOf(events), (add) => [
      { text: "I look.", calls: [{ id: "call_0", name: add, arguments: '{"a":1,"b":1}' }] },
      {
        text: "I ask.",
        calls: [
          { id: "call_1", name: add, arguments: '{"a":2,"b":3}' },
          { id: "call_2", name: "ask_user", arguments: ASK },
          { id: "call_3", name: add, arguments: '{"a":4,"b":4}' },
          { id: "call_4", name: "read_file", arguments: '{"path":"a.txt"}' },
        ],
      },
    ]);
    const [answer] = await ask("go");
    expect(answer).toMatchObject({ text: "I look.\n\nI ask.", finishReason: "tool_calls" });
    expect(answer?.calls.map(({ id }) => id)).toEqual(["call_2", "call_4"]);
    const named = (name: string) => events.filter(([event]) => event === name);
    expect(named("content.delta").at(-1)).toEqual(["content.delta", "I look.\n\nI ask."]);
    expect(named("content.delta").length, "text comes in pieces").toBeGreaterThan(2);
    expect(named("content.done")).toEqual([["content.done", "I look.\n\nI ask."]]);
    expect(named("arguments.done")).toEqual([
      ["arguments.done", 0, "ask_user", ASK],
      ["arguments.done", 1, "read_file", '{"path":"a.txt"}'],
    ]);
    const deltas = named("arguments.delta");
    expect(deltas.findLast(([, index]) => index === 0)).toEqual([
      "arguments.delta",
      0,
      "ask_user",
      ASK,
    ]);
    expect(deltas.findLast(([, index]) => index === 1)).toEqual([
      "arguments.delta",
      1,
      "read_file",
      '{"path":"a.txt"}',
    ]);
    expect(named("functionToolCall")).toEqual([
      ["functionToolCall", "ask_user"],
      ["functionToolCall", "read_file"],
    ]);
    expect(named("finalContent")).toEqual([["finalContent", "I look.\n\nI ask."]]);
    expect(named("totalUsage")).toEqual([["totalUsage", 321]]);
    expect(events.findIndex(([event]) => event === "arguments.delta")).toBeGreaterThan(
      events.findLastIndex(([event]) => event === "content.delta"),
    );
  });
});

const Sum = z.object({ sum: z.number() });

interface ParseBody {
  model: string;
  messages: ChatCompletionMessageParam[];
  response_format: ReturnType<typeof zodResponseFormat<typeof Sum>>;
}

type Parse = (
  client: OpenAI,
  body: ParseBody,
) => Promise<ParsedChatCompletion<z.infer<typeof Sum>>>;

const parsing = (name: string, parse: Parse): ClientDriver => ({
  ...streamByHand,
  name,
  open: (options) => async (question) => {
    const messages = [{ role: "user" as const, content: question }];
    const completion = await parse(clientOf(options), {
      model: "gpt-test",
      messages,
      response_format: zodResponseFormat(Sum, "sum"),
    });
    expect(completion.choices[0]?.message.parsed).toEqual({ sum: 5 });
    return [answerOf(completion)];
  },
});

describe("openai: structured outputs", () => {
  const parsers = [
    parsing("whole", (client, body) => client.chat.completions.parse(body)),
    parsing("streamed", (client, body) =>
      client.chat.completions.stream(body).finalChatCompletion(),
    ),
  ];

  it.each([...parsers, ...parsers.map(overResponses)])(
    "are parsed after a hidden round: $name",
    async (driver) => {
      const { ask } = await converse(driver, (add) => [
        { calls: [{ id: "call_1", name: add, arguments: '{"a":2,"b":3}' }] },
        { text: '{"sum":5}' },
      ]);
      expect(await ask("2+3?")).toMatchObject([{ text: '{"sum":5}', finishReason: "stop" }]);
    },
  );
});
