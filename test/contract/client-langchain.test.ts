import {
  HumanMessage,
  SystemMessage,
  mapChatMessagesToStoredMessages,
  mapStoredMessagesToChatMessages,
  trimMessages,
  type AIMessageChunk,
  type BaseMessage,
  type UsageMetadata,
} from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { describe, expect, it } from "vitest";
import {
  converse,
  type ClientAnswer,
  type ClientDriver,
  type ClientOptions,
} from "../helpers/client-driver.ts";
import { describeToolLoop, overResponses } from "../helpers/client-promises.ts";
import { historyOf, type TokenSum } from "../helpers/mixed-upstream.ts";

const says = { stop: "stop", calls: "tool_calls" };

const tokensOfMessage = (usage: UsageMetadata | undefined): TokenSum => ({
  input: usage?.input_tokens ?? 0,
  cached: usage?.input_token_details?.cache_read ?? 0,
  output: usage?.output_tokens ?? 0,
  reasoning: usage?.output_token_details?.reasoning ?? 0,
  total: usage?.total_tokens ?? 0,
});

function answerOf(message: AIMessageChunk): ClientAnswer {
  expect(message.invalid_tool_calls ?? []).toEqual([]);
  return {
    text: message.text,
    calls: (message.tool_calls ?? []).map(({ id = "", name, args }) => ({ id, name, args })),
    finishReason: String(message.response_metadata["finish_reason"]),
    usage: tokensOfMessage(message.usage_metadata),
  };
}

type OutputVersion = "v0" | "v1";

const modelOf = (
  { baseURL, apiKey }: Pick<ClientOptions, "baseURL" | "apiKey">,
  outputVersion: OutputVersion = "v0",
) =>
  new ChatOpenAI({
    model: "gpt-test",
    apiKey,
    configuration: { baseURL },
    maxRetries: 0,
    outputVersion,
  });

function boundModel(options: ClientOptions, outputVersion: OutputVersion) {
  const tools = options.tools.map(({ name, description, parameters, run }) =>
    tool((args: unknown) => run(args), { name, description, schema: parameters }),
  );
  return { tools, model: modelOf(options, outputVersion).bindTools(tools) };
}

type BoundModel = ReturnType<typeof boundModel>["model"];

async function streamWhole(model: BoundModel, messages: BaseMessage[]): Promise<AIMessageChunk> {
  let answer: AIMessageChunk | undefined;
  for await (const part of await model.stream(messages))
    answer = answer === undefined ? part : answer.concat(part);
  if (answer === undefined) throw new Error("The stream was empty");
  return answer;
}

type Ask = (model: BoundModel, messages: BaseMessage[]) => Promise<AIMessageChunk>;

/**
 * LangChain leaves the loop to its user: answers and tool messages go into the history as the
 * library makes them.
 */
const driver = (name: string, answer: Ask, outputVersion: OutputVersion = "v0"): ClientDriver => ({
  name,
  says,
  open: (options) => {
    const messages: BaseMessage[] = [];
    const { model, tools } = boundModel(options, outputVersion);
    return async (question) => {
      messages.push(new HumanMessage(question));
      const answers: ClientAnswer[] = [];
      for (;;) {
        const message = await answer(model, messages);
        messages.push(message);
        answers.push(answerOf(message));
        if (!message.tool_calls?.length) return answers;
        for (const call of message.tool_calls) {
          const found = tools.find((candidate) => candidate.name === call.name);
          messages.push(
            (await found?.invoke({ ...call, type: "tool_call" as const })) as BaseMessage,
          );
        }
      }
    };
  },
});

const invoke: Ask = (model, messages) => model.invoke(messages);

/** As an application does that keeps its conversations in a database. */
const stored = (messages: BaseMessage[]): BaseMessage[] =>
  mapStoredMessagesToChatMessages(
    JSON.parse(JSON.stringify(mapChatMessagesToStoredMessages(messages))) as ReturnType<
      typeof mapChatMessagesToStoredMessages
    >,
  );

describeToolLoop(driver("langchain: ChatOpenAI.invoke", invoke));
describeToolLoop(driver("langchain: ChatOpenAI.stream", streamWhole));
describeToolLoop(overResponses(driver("langchain: ChatOpenAI.invoke", invoke)));
describeToolLoop(overResponses(driver("langchain: ChatOpenAI.stream", streamWhole)));
// Content blocks come back to us as arrays of text parts, beside the calls.
describeToolLoop(driver("langchain: ChatOpenAI.invoke, in content blocks", invoke, "v1"));
describeToolLoop(driver("langchain: ChatOpenAI.stream, in content blocks", streamWhole, "v1"));
describeToolLoop(
  driver("langchain: ChatOpenAI.invoke, with a stored history", (model, messages) =>
    invoke(model, stored(messages)),
  ),
);
describeToolLoop(
  driver("langchain: ChatOpenAI.stream, with a stored history", (model, messages) =>
    streamWhole(model, stored(messages)),
  ),
);

const CALLS = {
  add: (name: string, id: string) => ({ id, name, arguments: '{"a":2,"b":3}' }),
  ask: { id: "call_ask", name: "ask_user", arguments: '{"question":"?"}' },
  read: { id: "call_read", name: "read_file", arguments: '{"path":"a.txt"}' },
};

describe("langchain: a history that the application has changed", () => {
  /** Keeps the last messages only, from a question on. */
  const shortened = (messages: BaseMessage[]) =>
    trimMessages(messages, {
      maxTokens: 3,
      tokenCounter: (kept) => kept.length,
      strategy: "last",
      startOn: "human",
    });

  it.each([
    { way: "invoke", ask: invoke },
    { way: "stream", ask: streamWhole },
  ])(
    "brings its result of a mixed round, without the turns before: $way",
    async ({ way, ask: answer }) => {
      const trimming = driver(way, async (model, messages) =>
        answer(model, await shortened(messages)),
      );
      const { ask, upstream, add } = await converse(trimming, (name) => [
        { text: "Hello." },
        { text: "Both.", calls: [CALLS.ask, CALLS.add(name, "call_add")] },
        { text: "It is 5." },
      ]);
      await ask("hi");
      expect((await ask("go")).map(({ text }) => text)).toEqual(["Both.", "It is 5."]);
      expect(historyOf(upstream, 2)).toEqual([
        "user: go",
        `assistant: Both. [call_ask ask_user {"question":"?"}] [call_add ${add} {"a":2,"b":3}]`,
        "tool call_ask: result of ask_user",
        "tool call_add: 5",
      ]);
    },
  );

  it("brings its results in another order than the model called", async () => {
    const reversed = driver("reversed", (model, messages) => {
      const results = messages.filter((message) => message.type === "tool").toReversed();
      return model.invoke([...messages.filter((message) => message.type !== "tool"), ...results]);
    });
    const { ask, upstream, add } = await converse(reversed, (name) => [
      { calls: [CALLS.ask, CALLS.add(name, "call_add"), CALLS.read] },
      { text: "Done." },
    ]);
    expect((await ask("go")).map(({ text }) => text)).toEqual(["", "Done."]);
    expect(historyOf(upstream, 1)).toEqual([
      "user: go",
      `assistant:  [call_ask ask_user {"question":"?"}] [call_add ${add} {"a":2,"b":3}] [call_read read_file {"path":"a.txt"}]`,
      "tool call_ask: result of ask_user",
      "tool call_add: 5",
      "tool call_read: result of read_file",
    ]);
  });
});

describe("langchain: instructions with the time of day", () => {
  it("keep both calls of a mixed round together, though they are new in every request", async () => {
    let time = 0;
    const timed = driver("timed", (model, messages) =>
      model.invoke([new SystemMessage(`It is ${++time} o'clock.`), ...messages]),
    );
    const { ask, upstream, add } = await converse(timed, (name) => [
      { calls: [CALLS.add(name, "call_add"), CALLS.ask] },
      { text: "It is 5." },
    ]);
    expect((await ask("go")).map(({ text }) => text)).toEqual(["", "It is 5."]);
    expect(historyOf(upstream, 1)).toEqual([
      "system: It is 2 o'clock.",
      "user: go",
      `assistant:  [call_add ${add} {"a":2,"b":3}] [call_ask ask_user {"question":"?"}]`,
      "tool call_add: 5",
      "tool call_ask: result of ask_user",
    ]);
  });
});

describe("langchain: withStructuredOutput", () => {
  const schema = {
    title: "sum",
    type: "object",
    properties: { sum: { type: "number" } },
    required: ["sum"],
  };
  const structured = (method: "functionCalling" | "jsonSchema"): ClientDriver => ({
    name: method,
    says,
    open: (options) => async (question) => {
      expect(
        await modelOf(options).withStructuredOutput(schema, { method }).invoke(question),
      ).toEqual({ sum: 5 });
      return [];
    },
  });

  it("is read after a hidden round, where the answer is JSON", async () => {
    const { ask, upstream } = await converse(structured("jsonSchema"), (add) => [
      { calls: [CALLS.add(add, "call_1")] },
      { text: '{"sum":5}' },
    ]);
    await ask("2+3?");
    expect(upstream.requests).toHaveLength(2);
  });

  it("is read from the one call that it forces", async () => {
    // OpenAI ends an answer to a named `tool_choice` with "stop".
    const forced = {
      calls: [{ id: "call_1", name: "sum", arguments: '{"sum":5}' }],
      finishReason: "stop",
    };
    const { ask, upstream } = await converse(structured("functionCalling"), () => [forced]);
    await ask("2+3?");
    expect(upstream.requests[0]?.json()["tool_choice"]).toEqual({
      type: "function",
      function: { name: "sum" },
    });
  });
});
