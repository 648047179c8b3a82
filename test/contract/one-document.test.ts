/** Under a JSON format the client's content is the last round's document, and nothing before it. */
import { zodResponseFormat } from "openai/helpers/zod";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ask, keyWithAdd, post, streamed, whole } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import { chunk, completion, events, json, toolCall, type Answer } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const Numbered = z.object({ n: z.number() });
const FORMATS: Record<string, Json> = {
  json_object: { type: "json_object" },
  json_schema: zodResponseFormat(Numbered, "numbered") as unknown as Json,
};

/** A message, the way it was asked for; its text comes in pieces. */
const saying =
  (content: string, calls: Json[] = [], more: Json = {}): Answer =>
  (request, response) => {
    if (request.json()["stream"] !== true) {
      const message = { ...more, content, ...(calls.length === 0 ? {} : { tool_calls: calls }) };
      return completion(message)(request, response);
    }
    const pieces = content.match(/.{1,3}/gs) ?? [];
    const tool_calls = calls.map((call, index) => ({ index, ...call }));
    return events(
      chunk({ role: "assistant", ...more }),
      ...pieces.map((piece) => chunk({ content: piece })),
      ...(calls.length === 0 ? [] : [chunk({ tool_calls })]),
      chunk({}, calls.length === 0 ? "stop" : "tool_calls"),
    )(request, response);
  };

const call = (name: string, id = "c1") => toolCall(id, name, { a: 2, b: 3 });
const own = { type: "function", function: { name: "own", parameters: { type: "object" } } };

describe.each(Object.entries(FORMATS))("Under %s", (_title, format) => {
  const asks = { response_format: format };

  it.each([['{"n":0}'], ["Let me add them."], ["Here it is: "]])(
    "what an earlier round wrote is not the client's, streamed and whole: %s",
    async (before) => {
      const script = (name: string) => [saying(before, [call(name)]), saying('{"n":5}')];
      expect((await whole(await keyWithAdd(script), asks)).content).toBe('{"n":5}');
      expect((await streamed(await keyWithAdd(script), asks)).content).toBe('{"n":5}');
    },
  );

  it("is kept all the same: on record, and in the history of the next round", async () => {
    const key = await keyWithAdd((name) => [saying('{"n":0}', [call(name)]), saying('{"n":5}')]);
    const response = await post(key.key, ask(asks));
    await response.text();
    const id = response.headers.get("x-proxy-conversation-id") ?? "";
    const { messages } = await proxy.conversation(id);
    expect(messages.filter(({ role }) => role === "assistant")).toMatchObject([
      { content: '{"n":0}', hidden: true },
      { content: '{"n":5}', hidden: false },
    ]);
    expect(JSON.stringify(key.upstream.requests[1]?.json())).toContain('{\\"n\\":0}');
  });

  it("a mixed round's own words are its document, streamed and whole", async () => {
    const script = (name: string) => [
      saying('{"n":0}', [call(name)]),
      saying('{"n":1}', [call(name, "c2"), toolCall("c3", "own", {})]),
    ];
    const mixed = { ...asks, tools: [own] };
    for (const turn of [
      await whole(await keyWithAdd(script), mixed),
      await streamed(await keyWithAdd(script), mixed),
    ]) {
      expect([turn.content, turn.finishReason]).toEqual(['{"n":1}', "tool_calls"]);
      expect(turn.calls.map(({ id }) => id)).toEqual(["c3"]);
    }
  });

  it("no text is lost where a stream's last round says nothing", async () => {
    const key = await keyWithAdd((name) => [saying('{"n":0}', [call(name)]), saying("")]);
    expect((await streamed(key, asks)).content).toBe("");
  });
});

describe("The official client", () => {
  const body = {
    model: "gpt-test",
    messages: [{ role: "user" as const, content: "2+3?" }],
    response_format: zodResponseFormat(Numbered, "numbered"),
  };
  const script = (name: string) => [saying('{"n":0}', [call(name)]), saying('{"n":5}')];

  it("parses a whole answer whose earlier round was a document too", async () => {
    const client = proxy.client((await keyWithAdd(script)).key);
    const { choices } = await client.chat.completions.parse(body);
    expect(choices[0]?.message.parsed).toEqual({ n: 5 });
  });

  it("parses a streamed one, in its helper", async () => {
    const client = proxy.client((await keyWithAdd(script)).key);
    const stream = client.chat.completions.stream(body);
    const snapshots: string[] = [];
    stream.on("content", (_delta, snapshot) => snapshots.push(snapshot));
    const { choices } = await stream.finalChatCompletion();
    expect(choices[0]?.message.parsed).toEqual({ n: 5 });
    expect('{"n":5}'.startsWith(snapshots[0] ?? "nothing")).toBe(true);
  });
});

/** An upstream that stops in the midst of its stream until it is let go on. */
function heldRound(before: Json[], after: Json[]) {
  const gate = Promise.withResolvers<void>();
  const answer: Answer = async (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const write = (one: Json) => response.write(`data: ${JSON.stringify(one)}\n\n`);
    for (const one of before) write(one);
    await gate.promise;
    for (const one of after) write(one);
    response.end("data: [DONE]\n\n");
  };
  return { answer, release: gate.resolve };
}

/** Reads a response, and tells what came so far. */
function readAlong(response: Response) {
  const seen = { text: "" };
  const done = (async () => {
    for await (const bytes of response.body ?? []) seen.text += new TextDecoder().decode(bytes);
  })();
  return { seen, done };
}

describe("While a document is held", () => {
  const asks = ask({ stream: true, response_format: { type: "json_object" } });

  it("reasoning is told the moment it comes", async () => {
    const held = heldRound(
      [chunk({ role: "assistant", reasoning_content: "Hm." }), chunk({ content: '{"n":' })],
      [chunk({ content: "5}" }), chunk({}, "stop")],
    );
    const key = await keyWithAdd(() => [held.answer]);
    const { seen, done } = readAlong(await post(key.key, asks));
    await expect.poll(() => seen.text).toContain('"Hm."');
    expect(seen.text).not.toContain('n\\"');
    held.release();
    await done;
    expect(seen.text).toContain("[DONE]");
  });

  it("nothing is, where upstream takes no tools beside it: then it is told as it comes", async () => {
    const refusal = {
      error: { message: "json mode cannot be combined with tool/function calling" },
    };
    const held = heldRound(
      [chunk({ role: "assistant", content: '{"n":' })],
      [chunk({ content: "5}" }), chunk({}, "stop")],
    );
    const key = await keyWithAdd(() => [json(refusal, 400), held.answer]);
    const { seen, done } = readAlong(await post(key.key, asks));
    await expect.poll(() => seen.text, { timeout: 3000 }).toContain('{\\"n\\":');
    held.release();
    await done;
  });
});
