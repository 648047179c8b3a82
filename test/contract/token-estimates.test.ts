/**
 * Tokens of which upstream said nothing. The upstream's own counts, where there are any, are 10 in
 * and 5 out.
 */
import { describe, expect, it } from "vitest";
import { EXAMPLE_MESSAGES as MESSAGES } from "../helpers/cookbook.ts";
import { ask, keyWithAdd, post, streamed, whole } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import {
  chunk,
  completion,
  events,
  startUpstream,
  toolCall,
  usageChunk,
  type Answer,
} from "../helpers/upstream.ts";

interface Counts {
  promptTokens: number | null;
  completionTokens: number | null;
  totalTokens: number | null;
  tokensEstimated: boolean;
}

type Counted = Counts & { turns: Counts[]; rounds: (Counts & { round: number; status: string })[] };

const PROMPT = 124;
/** "Hello! How can I assist you today?": 9 tokens with either vocabulary. */
const HELLO = ["Hello! How can I", " assist you today?"];
const ANSWER = 9;

const NO_USAGE = { usage: undefined };
const hello = (...more: unknown[]): Answer =>
  events(...HELLO.map((content) => chunk({ content })), chunk({}, "stop"), ...more);
const total = (rounds: Counts[], field: "promptTokens" | "completionTokens" | "totalTokens") =>
  rounds.reduce((sum, round) => sum + (round[field] ?? 0), 0);

/**
 * What is on record of the latest request of a key, in the detail and in the list, which must
 * agree.
 */
async function recorded(response: Response): Promise<Counted> {
  const id = response.headers.get("x-proxy-conversation-id") ?? "";
  const detail = (await proxy.conversation(id)) as unknown as Counted & { apiKeyId: string };
  const list = await proxy.admin(`/conversations?apiKeyId=${detail.apiKeyId}`);
  const { data } = (await list.json()) as { data: (Counts & { id: string })[] };
  const { promptTokens, completionTokens, totalTokens, tokensEstimated } = detail;
  expect(data.find((row) => row.id === id)).toMatchObject({
    promptTokens,
    completionTokens,
    totalTokens,
    tokensEstimated,
  });
  expect(detail.turns).toMatchObject([
    { promptTokens, completionTokens, totalTokens, tokensEstimated },
  ]);
  return detail;
}

const keyFor = async (answer: Answer): Promise<string> => {
  const upstream = await startUpstream(answer);
  return (await proxy.createKey({ openaiBaseUrl: upstream.url })).key;
};

describe("tokens that upstream did not count", () => {
  it.each([
    ["streamed", { stream: true, stream_options: { include_usage: true } }, hello()],
    ["whole", {}, completion({ content: HELLO.join("") }, NO_USAGE)],
  ])("are counted by tokenizer, and marked: %s", async (_way, more, answer) => {
    const key = await keyFor(answer);
    const response = await post(key, ask({ model: "gpt-4o", messages: MESSAGES, ...more }));
    expect(await response.text(), "the client sees what upstream said").not.toContain(
      "prompt_tokens",
    );
    const counts = {
      promptTokens: PROMPT,
      completionTokens: ANSWER,
      totalTokens: PROMPT + ANSWER,
      tokensEstimated: true,
    };
    const detail = await recorded(response);
    expect(detail).toMatchObject(counts);
    expect(detail.rounds).toMatchObject([counts]);
  });

  it("are counted with the vocabulary of the model", async () => {
    const key = await keyFor(completion({ content: HELLO.join("") }, NO_USAGE));
    const response = await post(key, ask({ model: "gpt-4", messages: MESSAGES }));
    expect(await recorded(response)).toMatchObject({
      promptTokens: 129,
      completionTokens: ANSWER,
      tokensEstimated: true,
    });
  });

  it("are not estimated where it did count them", async () => {
    for (const answer of [completion({ content: "hello" }), hello(usageChunk())]) {
      const detail = await recorded(await post(await keyFor(answer), ask()));
      expect(detail).toMatchObject({
        promptTokens: 10,
        completionTokens: 5,
        totalTokens: 15,
        tokensEstimated: false,
      });
      expect(detail.rounds).toMatchObject([{ totalTokens: 15, tokensEstimated: false }]);
    }
  });

  it("include all answers of a request for several", async () => {
    const choices = [0, 1, 2].map((index) => ({
      index,
      message: { role: "assistant", content: HELLO.join("") },
      finish_reason: "stop",
    }));
    const parts = [0, 1, 2].flatMap((index) =>
      HELLO.map((content) => chunk({}, null, { choices: [{ index, delta: { content } }] })),
    );
    for (const answer of [completion({}, { ...NO_USAGE, choices }), events(...parts)]) {
      const detail = await recorded(await post(await keyFor(answer), ask({ n: 3 })));
      expect(detail).toMatchObject({ completionTokens: 3 * ANSWER, tokensEstimated: true });
    }
  });

  it("are unknown, and not estimated, where upstream refused the request", async () => {
    const key = await keyFor(
      (_request, response) => void response.writeHead(429).end('{"error":{"message":"slow down"}}'),
    );
    const detail = await recorded(await post(key, ask()));
    expect(detail).toMatchObject({
      promptTokens: null,
      completionTokens: null,
      totalTokens: null,
      tokensEstimated: false,
    });
  });
});

describe("tokens that upstream did not count, of a turn with tools", () => {
  const call = (name: string) => ({
    content: null,
    tool_calls: [toolCall("call_1", name, { a: 2, b: 3 })],
  });
  const callChunks = (name: string) => [
    chunk({ tool_calls: [{ index: 0, ...toolCall("call_1", name, { a: 2, b: 3 }) }] }),
    chunk({}, "tool_calls"),
  ];

  it.each([
    ["streamed", streamed, (name: string) => [events(...callChunks(name)), hello()]],
    [
      "whole",
      whole,
      (name: string) => [
        completion(call(name), NO_USAGE),
        completion({ content: HELLO.join("") }, NO_USAGE),
      ],
    ],
  ])(
    "are counted for each round, with what the client did not see: %s",
    async (_way, run, script) => {
      const adding = await keyWithAdd(script);
      const response = await send(adding, run === streamed);
      const { rounds, ...detail } = await recorded(response);
      const [first, second] = rounds;
      expect(rounds).toMatchObject([
        { tokensEstimated: true },
        { tokensEstimated: true, completionTokens: ANSWER },
      ]);
      // The messages, and a definition of two numbers.
      expect(first?.promptTokens).toBeGreaterThan(PROMPT + 25);
      expect(first?.promptTokens).toBeLessThan(PROMPT + 60);
      expect(first?.completionTokens).toBeGreaterThan(10);
      // The call goes back to the model, and its result.
      expect(second?.promptTokens).toBeGreaterThan(
        (first?.promptTokens ?? 0) + (first?.completionTokens ?? 0),
      );
      expect(second?.promptTokens).toBeLessThan(
        (first?.promptTokens ?? 0) + (first?.completionTokens ?? 0) + 12,
      );
      for (const field of ["promptTokens", "completionTokens", "totalTokens"] as const)
        expect(detail[field]).toBe(total(rounds, field));
      expect(detail.tokensEstimated).toBe(true);
    },
  );

  const send = async (
    { key, name }: { key: string; name: string },
    stream: boolean,
  ): Promise<Response> => {
    const response = await post(key, ask({ model: "gpt-4o", messages: MESSAGES, stream }));
    const text = await response.text();
    expect(response.status, text).toBe(200);
    expect(text).not.toContain("prompt_tokens");
    expect(text).not.toContain(name);
    return response;
  };

  it("are added to those that it counted, and the sum is marked", async () => {
    const adding = await keyWithAdd((name) => [
      completion(call(name)),
      completion({ content: HELLO.join("") }, NO_USAGE),
    ]);
    const response = await post(adding.key, ask({ model: "gpt-4o", messages: MESSAGES }));
    expect(await response.json(), "the client sees what upstream said").toMatchObject({
      usage: { prompt_tokens: 10, completion_tokens: 5 },
    });
    const { rounds, ...detail } = await recorded(response);
    expect(rounds).toMatchObject([
      { totalTokens: 15, tokensEstimated: false },
      { completionTokens: ANSWER, tokensEstimated: true },
    ]);
    expect(rounds[1]?.promptTokens).toBeGreaterThan(PROMPT);
    expect(detail).toMatchObject({
      totalTokens: total(rounds, "totalTokens"),
      tokensEstimated: true,
    });
  });

  it("do not hide what it counted before it failed", async () => {
    const adding = await keyWithAdd((name) => [
      completion(call(name)),
      (_request, response) =>
        void response
          .writeHead(500, { "content-type": "application/json" })
          .end('{"error":{"message":"broken"}}'),
    ]);
    const { rounds, ...detail } = await recorded(await post(adding.key, ask()));
    expect(rounds).toMatchObject([
      { totalTokens: 15, tokensEstimated: false },
      { status: "failed", totalTokens: null, tokensEstimated: false },
    ]);
    expect(detail).toMatchObject({
      promptTokens: 10,
      completionTokens: 5,
      totalTokens: 15,
      tokensEstimated: false,
    });
  });
});

describe("tokens of an answer that was broken off", () => {
  /**
   * Goes on until it is cancelled, a token at a time, because workerd learns of a client that has
   * left when it writes to it.
   */
  const goesOn =
    (sent: string[]): Answer =>
    async (request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const send = (content: string) =>
        response.write(`data: ${JSON.stringify(chunk({ content }))}\n\n`);
      for (const content of HELLO) send(content);
      const timer = setInterval(() => send(sent[sent.push(" and") - 1] ?? ""), 20);
      await request.aborted;
      clearInterval(timer);
    };
  const breaks: Answer = async (request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const content of HELLO) response.write(`data: ${JSON.stringify(chunk({ content }))}\n\n`);
    await new Promise((resolve) => setTimeout(resolve, 200));
    response.destroy();
    await request.aborted;
  };
  const keys: Record<string, (answer: Answer) => Promise<string>> = {
    "without tools": keyFor,
    "with tools": async (answer) => (await keyWithAdd(() => [answer])).key,
  };
  /** Reads until the whole text came. */
  const readHello = async (
    response: Response,
  ): Promise<ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>> => {
    const reader = response.body?.getReader();
    if (reader === undefined) throw new Error("The answer has no body");
    const decoder = new TextDecoder();
    for (let text = ""; !text.includes("today?");)
      text += decoder.decode((await reader.read()).value, { stream: true });
    return reader;
  };

  it.each(Object.keys(keys))("are those that came until the client went away: %s", async (way) => {
    const sent: string[] = [];
    const key = (await keys[way]?.(goesOn(sent))) ?? "";
    const response = await post(key, ask({ model: "gpt-4o", messages: MESSAGES, stream: true }));
    await (await readHello(response)).cancel();
    const { rounds, ...detail } = await recorded(response);
    expect(rounds).toMatchObject([{ status: "cancelled", tokensEstimated: true }]);
    expect(detail.completionTokens).toBeGreaterThanOrEqual(ANSWER);
    expect(detail.completionTokens).toBeLessThanOrEqual(ANSWER + sent.length);
    expect(detail.promptTokens).toBeGreaterThanOrEqual(PROMPT);
    expect(detail.tokensEstimated).toBe(true);
  });

  it.each(Object.keys(keys))("are those that came until upstream failed: %s", async (way) => {
    const key = (await keys[way]?.(breaks)) ?? "";
    const response = await post(key, ask({ model: "gpt-4o", messages: MESSAGES, stream: true }));
    expect(await response.text()).toContain('"error"');
    const detail = await recorded(response);
    expect(detail.rounds).toMatchObject([
      { status: "failed", completionTokens: ANSWER, tokensEstimated: true },
    ]);
    expect(detail.promptTokens).toBeGreaterThanOrEqual(PROMPT);
    expect(detail.tokensEstimated).toBe(true);
  });
});
