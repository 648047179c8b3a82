import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import {
  convertToModelMessages,
  generateText,
  isStepCount,
  jsonSchema,
  readUIMessageStream,
  streamText,
  tool,
  toUIMessageStream,
  type LanguageModel,
  type ModelMessage,
  type StepResult,
  type ToolSet,
  type UIMessage,
} from "ai";
import { describe, expect, it } from "vitest";
import {
  converse,
  type ClientAnswer,
  type ClientDriver,
  type ClientOptions,
} from "../helpers/client-driver.ts";
import { describeToolLoop, overResponses } from "../helpers/client-promises.ts";
import { sentMessages } from "../helpers/upstream.ts";

const says = { stop: "stop", calls: "tool-calls" };

function answerOf(step: StepResult<ToolSet>): ClientAnswer {
  expect(step.warnings ?? []).toEqual([]);
  return {
    text: step.text,
    calls: step.toolCalls.map(({ toolCallId, toolName, input }) => ({
      id: toolCallId,
      name: toolName,
      args: input as unknown,
    })),
    finishReason: step.finishReason,
    usage: {
      input: step.usage.inputTokens ?? 0,
      cached: step.usage.inputTokenDetails.cacheReadTokens ?? 0,
      output: step.usage.outputTokens ?? 0,
      reasoning: step.usage.outputTokenDetails.reasoningTokens ?? 0,
      total: step.usage.totalTokens ?? 0,
    },
  };
}

type ModelOf = (options: ClientOptions) => LanguageModel;

const compatible: ModelOf = ({ baseURL, apiKey }) =>
  createOpenAICompatible({ name: "proxy", baseURL, apiKey, includeUsage: true })("gpt-test");

const openai: ModelOf = ({ baseURL, apiKey }) => createOpenAI({ baseURL, apiKey }).chat("gpt-test");

function settingsOf(options: ClientOptions, modelOf: ModelOf = compatible) {
  const { tools } = options;
  return {
    model: modelOf(options),
    maxRetries: 0,
    stopWhen: isStepCount(9),
    onError: ({ error }: { error: unknown }): never => expect.fail(String(error)),
    tools: Object.fromEntries(
      tools.map(({ name, description, parameters, run }) => [
        name,
        tool({
          description,
          inputSchema: jsonSchema<Record<string, unknown>>(parameters),
          execute: (args) => run(args),
        }),
      ]),
    ) satisfies ToolSet,
  };
}

const wholeWith = (name: string, modelOf: ModelOf): ClientDriver => ({
  name: `ai: generateText with ${name}`,
  says,
  open: (options) => {
    const { onError: _onError, ...settings } = settingsOf(options, modelOf);
    const messages: ModelMessage[] = [];
    return async (question) => {
      messages.push({ role: "user", content: question });
      const result = await generateText({ ...settings, messages });
      messages.push(...result.responseMessages);
      return result.steps.map(answerOf);
    };
  },
});

const streamedWith = (name: string, modelOf: ModelOf): ClientDriver => ({
  name: `ai: streamText with ${name}`,
  says,
  open: (options) => {
    const messages: ModelMessage[] = [];
    return async (question) => {
      messages.push({ role: "user", content: question });
      const result = streamText({ ...settingsOf(options, modelOf), messages });
      let text = "";
      for await (const part of result.stream) if (part.type === "text-delta") text += part.text;
      messages.push(...(await result.responseMessages));
      const answers = (await result.steps).map(answerOf);
      expect(text).toBe(answers.map((answer) => answer.text).join(""));
      expect((await result.usage).totalTokens).toBe(
        answers.reduce((sum, { usage }) => sum + usage.total, 0),
      );
      return answers;
    };
  },
});

/**
 * As `useChat` does it: the history is what a browser kept of the answers, with all steps of a turn
 * in one message.
 */
const fromPage: ClientDriver = {
  name: "ai: streamText, with a history of UI messages",
  says,
  open: (options) => {
    const history: UIMessage[] = [];
    return async (question) => {
      history.push({
        id: crypto.randomUUID(),
        role: "user",
        parts: [{ type: "text", text: question }],
      });
      const messages = await convertToModelMessages(history);
      const result = streamText({ ...settingsOf(options), messages });
      let answer: UIMessage | undefined;
      for await (const message of readUIMessageStream({
        stream: toUIMessageStream({ stream: result.stream }),
      }))
        answer = message;
      const answers = (await result.steps).map(answerOf);
      if (answer !== undefined) history.push(answer);
      return answers;
    };
  },
};

const whole = wholeWith("@ai-sdk/openai-compatible", compatible);
const streamed = streamedWith("@ai-sdk/openai-compatible", compatible);

describeToolLoop(whole);
describeToolLoop(streamed);
describeToolLoop(fromPage);
describeToolLoop(overResponses(whole));
describeToolLoop(overResponses(streamed));
describeToolLoop(overResponses(wholeWith("@ai-sdk/openai, chat", openai)));
describeToolLoop(overResponses(streamedWith("@ai-sdk/openai, chat", openai)));

/** A stream's parts as `type text`, where neighbours of one kind are one. */
const partsOf = (parts: string[][]): ClientDriver => ({
  ...streamed,
  open: (options) => async (question) => {
    const result = streamText({
      ...settingsOf(options),
      prompt: question,
      stopWhen: isStepCount(1),
    });
    for await (const part of result.stream) {
      const text = part.type === "reasoning-delta" || part.type === "text-delta" ? part.text : "";
      const named =
        part.type === "tool-input-start" || part.type === "tool-call"
          ? part.toolName
          : part.type === "tool-input-delta"
            ? part.delta
            : text;
      const last = parts.at(-1);
      if (last !== undefined && last[0] === part.type && part.type.endsWith("-delta"))
        last[1] += named;
      else parts.push(named === "" ? [part.type] : [part.type, named]);
    }
    return (await result.steps).map(answerOf);
  },
});

describe("ai: the parts of a stream", () => {
  it("are reasoning, text and the client's calls, each begun and ended once, in a turn of hidden and mixed rounds", async () => {
    const parts: string[][] = [];
    const { ask } = await converse(partsOf(parts), (add) => [
      {
        reasoning: "I must add.",
        text: "I look.",
        calls: [{ id: "call_1", name: add, arguments: '{"a":1,"b":1}' }],
      },
      {
        reasoning: "And ask.",
        text: "I ask.",
        calls: [
          { id: "call_2", name: add, arguments: '{"a":2,"b":2}' },
          { id: "call_3", name: "ask_user", arguments: '{"question":"?"}' },
        ],
      },
    ]);
    const [answer] = await ask("go");
    expect(answer).toMatchObject({ text: "I look.\n\nI ask.", finishReason: "tool-calls" });
    const about = (kind: string) => parts.filter(([type]) => type?.startsWith(kind));
    expect(
      about("reasoning-delta")
        .map(([, text]) => text)
        .join(""),
    ).toBe("I must add.\n\nAnd ask.");
    expect(about("reasoning-start").length).toBe(about("reasoning-end").length);
    expect(about("text-start").length).toBe(about("text-end").length);
    expect(about("tool")).toEqual([
      ["tool-input-start", "ask_user"],
      ["tool-input-delta", '{"question":"?"}'],
      ["tool-input-end"],
      ["tool-call", "ask_user"],
      ["tool-result"],
    ]);
    expect(parts.at(-1)).toEqual(["finish"]);
    expect(parts.some(([type]) => type === "error" || type === "abort")).toBe(false);
  });
});

describe("ai: a model that reasons", () => {
  it.each([whole, streamed, fromPage])(
    "finds the reasoning of each round in its own place: $name",
    async (driver) => {
      const { ask, upstream } = await converse(driver, (add) => [
        {
          reasoning: "I must add.",
          calls: [{ id: "call_1", name: add, arguments: '{"a":1,"b":1}' }],
        },
        {
          reasoning: "And ask.",
          calls: [
            { id: "call_2", name: "ask_user", arguments: '{"question":"?"}' },
            { id: "call_3", name: add, arguments: '{"a":2,"b":2}' },
          ],
        },
        { reasoning: "Now I know.", text: "It is 4." },
      ]);
      expect((await ask("go")).map(({ text }) => text)).toEqual(["", "It is 4."]);
      const reasoning = sentMessages(upstream, 2).map((message) => message["reasoning_content"]);
      expect(reasoning).toEqual([
        undefined,
        "I must add.",
        undefined,
        "And ask.",
        undefined,
        undefined,
      ]);
    },
  );

  it("is read by generateText: the reasoning of all rounds", async () => {
    const { ask } = await converse(
      {
        ...whole,
        open: (options) => async (question) => {
          const { onError: _onError, ...settings } = settingsOf(options);
          const result = await generateText({ ...settings, prompt: question });
          expect(result.finalStep.reasoningText).toBe("I must add.\n\nNow I know.");
          return result.steps.map(answerOf);
        },
      },
      (add) => [
        {
          reasoning: "I must add.",
          calls: [{ id: "call_1", name: add, arguments: '{"a":1,"b":1}' }],
        },
        { reasoning: "Now I know.", text: "It is 2." },
      ],
    );
    expect(await ask("go")).toMatchObject([{ text: "It is 2.", finishReason: "stop" }]);
  });
});
