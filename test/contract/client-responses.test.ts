/**
 * Clients of the Responses API that we did not write, on their default settings: a turn with calls
 * of both sides, and one that follows it.
 */
import { Agent, OpenAIProvider, Runner, tool as agentTool } from "@openai/agents";
import { createOpenAI } from "@ai-sdk/openai";
import {
  HumanMessage,
  ToolMessage,
  type AIMessage,
  type BaseMessage,
} from "@langchain/core/messages";
import { ChatOpenAI } from "@langchain/openai";
import {
  generateText,
  isStepCount,
  jsonSchema,
  streamText,
  tool as aiTool,
  type ModelMessage,
} from "ai";
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import type {
  Response as OpenAIResponse,
  ResponseInput,
  ResponseInputItem,
} from "openai/resources/responses/responses";
import { ResponsesWS } from "openai/resources/responses/ws";
import { describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { proxy } from "../helpers/proxy.ts";
import { ADD } from "../helpers/chat-turn.ts";
import { keyWithAdder, sentInput, type AdderKey } from "../helpers/response-turn.ts";
import { historyOf, startRounds } from "../helpers/mixed-upstream.ts";
import { functionCall, message, reasoning, says } from "../helpers/responses-upstream.ts";
import type { ScriptedUpstream } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const PARAMETERS = {
  type: "object" as const,
  properties: { question: { type: "string" as const } },
  required: ["question"],
  additionalProperties: false,
};

/**
 * What a client's conversation is: it asks, runs its own tool where it must, and gives the text.
 */
type Ask = (question: string) => Promise<string>;

interface Client {
  name: string;
  open(key: string, run: () => string): Ask;
}

const sdk = (key: string) => new OpenAI({ apiKey: key, baseURL: `${proxy.url}/v1`, maxRetries: 0 });
const OPENAI_TOOL = {
  type: "function" as const,
  name: "ask_user",
  description: "Asks the user.",
  strict: true,
  parameters: PARAMETERS,
};

/** The loop that the documentation shows. @param next makes a response */
const openaiLoop = (
  run: () => string,
  next: (input: ResponseInput) => Promise<OpenAIResponse>,
): Ask => {
  const history: ResponseInput = [];
  return async (question) => {
    history.push({ role: "user", content: question });
    for (;;) {
      const response = await next(history);
      history.push(...(response.output as ResponseInputItem[]));
      const calls = response.output.filter((item) => item.type === "function_call");
      if (calls.length === 0) return response.output_text;
      for (const { call_id } of calls)
        history.push({ type: "function_call_output", call_id, output: run() });
    }
  };
};

/** Whether they are streamed, and over a WebSocket. */
const AGENTS = [
  [true, false],
  [false, false],
  [true, true],
  [false, true],
] as const;

/** The loop of OpenAI's guide to WebSocket mode, where nobody keeps responses. */
function socketLoop(key: string, run: () => string): Ask {
  const ws = new ResponsesWS(sdk(key));
  onTestFinished(() => ws.close());
  const events = ws.stream();
  const ended = async (): Promise<OpenAIResponse> => {
    for (;;) {
      const { value: event } = await events.next();
      if (event.type === "error") throw event.error;
      const isEnd = event.type === "message" && event.message.type === "response.completed";
      if (isEnd) return event.message.response;
    }
  };
  let previous: string | null = null;
  return async (question) => {
    let input: ResponseInput = [{ role: "user", content: question }];
    for (;;) {
      const asked = { model: "gpt-test", store: false, tools: [OPENAI_TOOL], input };
      ws.send({ type: "response.create", ...asked, previous_response_id: previous });
      const response = await ended();
      previous = response.id;
      const calls = response.output.filter((item) => item.type === "function_call");
      const said = response.output.flatMap((item) => (item.type === "message" ? item.content : []));
      if (calls.length === 0)
        return said.map((part) => (part.type === "output_text" ? part.text : "")).join("");
      input = calls.map(({ call_id }) => {
        return { type: "function_call_output", call_id, output: run() };
      });
    }
  };
}

const CLIENTS: Client[] = [
  {
    name: "openai: responses.create",
    open: (key, run) =>
      openaiLoop(run, (input) =>
        sdk(key).responses.create({ model: "gpt-test", input, tools: [OPENAI_TOOL] }),
      ),
  },
  {
    name: "openai: responses.stream",
    open: (key, run) =>
      openaiLoop(run, async (input) => {
        const stream = sdk(key).responses.stream({
          model: "gpt-test",
          input,
          tools: [OPENAI_TOOL],
        });
        let text = "";
        stream.on("response.output_text.delta", ({ delta }) => (text += delta));
        const response = await stream.finalResponse();
        expect(text).toBe(response.output_text);
        return response;
      }),
  },
  {
    name: "openai: previous_response_id",
    open: (key, run) => {
      let previous: string | null = null;
      return async (question) => {
        let input: ResponseInput = [{ role: "user", content: question }];
        for (;;) {
          const response: OpenAIResponse = await sdk(key).responses.create({
            model: "gpt-test",
            input,
            tools: [OPENAI_TOOL],
            previous_response_id: previous,
          });
          previous = response.id;
          const calls = response.output.filter((item) => item.type === "function_call");
          if (calls.length === 0) return response.output_text;
          input = calls.map(({ call_id }) => {
            return { type: "function_call_output", call_id, output: run() };
          });
        }
      };
    },
  },
  ...[true, false].map((store): Client => ({
    name: `ai: generateText, store ${store}`,
    open: (key, run) => {
      const messages: ModelMessage[] = [];
      return async (question) => {
        messages.push({ role: "user", content: question });
        const result = await generateText({ ...aiSettings(key, run, store), messages });
        messages.push(...result.responseMessages);
        return result.text;
      };
    },
  })),
  {
    name: "ai: streamText",
    open: (key, run) => {
      const messages: ModelMessage[] = [];
      return async (question) => {
        messages.push({ role: "user", content: question });
        const onError = ({ error }: { error: unknown }): never => expect.fail(String(error));
        const result = streamText({ ...aiSettings(key, run, true), messages, onError });
        for await (const part of result.stream) expect(part.type).not.toBe("error");
        messages.push(...(await result.responseMessages));
        return result.text;
      };
    },
  },
  ...[true, false].map((streaming): Client => ({
    name: `LangChain: useResponsesApi, streaming ${streaming}`,
    open: (key, run) => {
      const model = new ChatOpenAI({
        model: "gpt-test",
        apiKey: key,
        configuration: { baseURL: `${proxy.url}/v1` },
        useResponsesApi: true,
        streaming,
        maxRetries: 0,
      }).bindTools([OPENAI_TOOL]);
      const messages: BaseMessage[] = [];
      return async (question) => {
        messages.push(new HumanMessage(question));
        for (;;) {
          const answer = (await model.invoke(messages)) as AIMessage;
          messages.push(answer);
          const own = (answer.tool_calls ?? []).filter(({ name }) => name === "ask_user");
          if (own.length === 0) return answer.text;
          for (const { id } of own)
            messages.push(new ToolMessage({ tool_call_id: id ?? "", content: run() }));
        }
      };
    },
  })),
  {
    name: "openai: ResponsesWS, store false",
    open: socketLoop,
  },
  ...AGENTS.map(([stream, useResponsesWebSocket]): Client => ({
    name: `@openai/agents, stream ${stream}, WebSocket ${useResponsesWebSocket}`,
    open: (key, run) => {
      const openAIClient = sdk(key);
      const how = { useResponses: true, useResponsesWebSocket };
      const modelProvider = new OpenAIProvider({ openAIClient, ...how });
      const runner = new Runner({ modelProvider, tracingDisabled: true });
      const agent = new Agent({
        name: "tester",
        model: "gpt-test",
        tools: [
          agentTool({
            name: "ask_user",
            description: "Asks the user.",
            parameters: z.object({ question: z.string() }),
            execute: () => run(),
          }),
        ],
      });
      let history: Parameters<typeof runner.run>[1] = [];
      return async (question) => {
        const input = [...(history as []), { role: "user" as const, content: question }];
        const result = stream
          ? await runner.run(agent, input, { stream: true })
          : await runner.run(agent, input);
        if ("completed" in result) await result.completed;
        history = result.history;
        return String(result.finalOutput);
      };
    },
  })),
];

function aiSettings(key: string, run: () => string, store: boolean) {
  const provider = createOpenAI({ apiKey: key, baseURL: `${proxy.url}/v1` });
  return {
    model: provider("gpt-test"),
    maxRetries: 0,
    stopWhen: isStepCount(5),
    ...(store ? {} : { providerOptions: { openai: { store } } }),
    tools: {
      ask_user: aiTool({
        description: "Asks the user.",
        inputSchema: jsonSchema<Json>(PARAMETERS),
        execute: () => run(),
      }),
    },
  };
}

const conversing = (): Promise<AdderKey> =>
  keyWithAdder((add) => [
    says([
      reasoning("Both."),
      functionCall("call_1", add, { a: 2, b: 3 }),
      functionCall("call_ask", "ask_user", { question: "?" }),
    ]),
    says([message("It is 5.")]),
    says([functionCall("call_2", add, { a: 4, b: 5 })]),
    says([message("And 9.")]),
  ]);

/** A message that upstream has kept may come as a reference to it. */
const nameOf = ({ type, role, id }: Json): unknown =>
  type === "item_reference" && String(id).startsWith("msg_") ? "assistant" : (role ?? type);

const spelled = (items: Json[]) =>
  items
    .filter(({ type }) => type !== "reasoning")
    .map((item) => [nameOf(item), item["call_id"]].filter(Boolean).join(" "));

const FIRST = [
  "user",
  "function_call call_1",
  "function_call call_ask",
  "function_call_output call_1",
  "function_call_output call_ask",
];
const SECOND = [...FIRST, "assistant", "user"];

describe.each(CLIENTS)("$name", ({ open }) => {
  it("has its own tool run beside a server's, and finds both in the next turn", async () => {
    const key = await conversing();
    const ran: string[] = [];
    const ask = open(key.key, () => {
      ran.push("ask_user");
      return "yes";
    });
    expect(await ask("2+3?")).toBe("It is 5.");
    expect(ran).toEqual(["ask_user"]);
    expect(spelled(sentInput(key.upstream, 1))).toEqual(FIRST);
    expect(await ask("4+5?")).toBe("And 9.");
    expect(ran).toEqual(["ask_user"]);
    expect(spelled(sentInput(key.upstream, 2))).toEqual(SECOND);
    expect(key.upstream.requests).toHaveLength(4);
  });
});

/** The same conversation with an upstream that speaks chat completions alone. */
async function conversingOverChat(): Promise<{
  key: string;
  add: string;
  upstream: ScriptedUpstream;
}> {
  const { id, name: add } = await proxy.createTool(ADD);
  const upstream = await startRounds(
    {
      reasoning: "Both.",
      calls: [
        { id: "call_1", name: add, arguments: '{"a":2,"b":3}' },
        { id: "call_ask", name: "ask_user", arguments: '{"question":"?"}' },
      ],
    },
    { text: "It is 5." },
    { calls: [{ id: "call_2", name: add, arguments: '{"a":4,"b":5}' }] },
    { text: "And 9." },
  );
  const made = { toolIds: [id], openaiBaseUrl: upstream.url, upstreamDialect: "chat" };
  return { ...(await proxy.createKey(made)), add, upstream };
}

describe.each(CLIENTS)("$name, over chat completions", ({ open }) => {
  it("has its own tool run beside a server's, and finds both in the next turn", async () => {
    const { key, add, upstream } = await conversingOverChat();
    const ran: string[] = [];
    const ask = open(key, () => {
      ran.push("ask_user");
      return "yes";
    });
    expect(await ask("2+3?")).toBe("It is 5.");
    expect(ran).toEqual(["ask_user"]);
    const first = [
      "user: 2+3?",
      `assistant:  [call_1 ${add} {"a":2,"b":3}] [call_ask ask_user {"question":"?"}]`,
      "tool call_1: 5",
      "tool call_ask: yes",
    ];
    expect(historyOf(upstream, 1)).toEqual(first);
    expect(await ask("4+5?")).toBe("And 9.");
    expect(ran).toEqual(["ask_user"]);
    expect(historyOf(upstream, 2)).toEqual([...first, "assistant: It is 5.", "user: 4+5?"]);
    expect(upstream.requests).toHaveLength(4);
  });
});

it("openai: responses.parse and cancel, over chat completions", async () => {
  const { id, name: add } = await proxy.createTool(ADD);
  const upstream = await startRounds(
    { text: "I add first.", calls: [{ id: "call_1", name: add, arguments: '{"a":2,"b":3}' }] },
    { text: '{"sum":5}' },
  );
  const made = { toolIds: [id], openaiBaseUrl: upstream.url, upstreamDialect: "chat" };
  const client = sdk((await proxy.createKey(made)).key);
  const format = zodTextFormat(z.object({ sum: z.number() }), "sum");
  const asked = { model: "gpt-test", input: "2+3?", text: { format } };
  const response = await client.responses.parse(asked);
  expect(response.output_parsed).toEqual({ sum: 5 });
  await expect(client.responses.cancel(response.id)).rejects.toMatchObject({ status: 400 });
  expect(await client.responses.retrieve(response.id)).toMatchObject({ id: response.id });
});

it("openai: responses.parse has the last round's document", async () => {
  const key = await keyWithAdder((add) => [
    says([message("I add first."), functionCall("call_1", add, { a: 2, b: 3 })]),
    says([message('{"sum":5}')]),
  ]);
  const response = await sdk(key.key).responses.parse({
    model: "gpt-test",
    input: "2+3?",
    text: { format: zodTextFormat(z.object({ sum: z.number() }), "sum") },
  });
  expect(response.output_parsed).toEqual({ sum: 5 });
});

describe("openai-node in the background", () => {
  const addingKey = () =>
    keyWithAdder((add) => [
      says([functionCall("call_1", add, { a: 2, b: 3 })]),
      says([message("It is 5.")]),
    ]);
  const asked = { model: "gpt-test", input: "2+3?", background: true as const };

  it("polls until the response is made", async () => {
    const client = sdk((await addingKey()).key);
    let response = await client.responses.create(asked);
    expect(response.status).toBe("queued");
    while (response.status === "queued" || response.status === "in_progress")
      response = await client.responses.retrieve(response.id);
    expect(response.output_text).toBe("It is 5.");
    expect(await client.responses.cancel(response.id)).toMatchObject({ status: "completed" });
  });

  it("cancels", async () => {
    const client = sdk((await keyWithAdder(() => [() => {}])).key);
    const { id } = await client.responses.create(asked);
    expect((await client.responses.cancel(id)).status).toBe("cancelled");
  });

  it("leaves a stream, and takes it up again by the last number it has", async () => {
    const client = sdk((await addingKey()).key);
    const seen: number[] = [];
    let id = "";
    for await (const event of await client.responses.create({ ...asked, stream: true })) {
      seen.push(event.sequence_number);
      if (event.type === "response.created") id = event.response.id;
      if (event.type === "response.mcp_call.completed") break;
    }
    const more = { stream: true as const, starting_after: seen.at(-1) ?? 0 };
    let text = "";
    for await (const event of await client.responses.retrieve(id, more)) {
      seen.push(event.sequence_number);
      if (event.type === "response.completed") text = textIn(event);
    }
    expect(seen).toEqual(seen.map((_number, at) => at));
    expect(text).toBe("It is 5.");
  });

  const textIn = ({ response }: { response: OpenAIResponse }): string =>
    response.output
      .flatMap((item) => (item.type === "message" ? item.content : []))
      .map((part) => (part.type === "output_text" ? part.text : ""))
      .join("");
});
