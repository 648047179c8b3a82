/** Reasoning, refusals, log probabilities, and content in parts. */
import { describe, expect, it } from "vitest";
import { keyWithAdd, streamed, whole } from "../helpers/chat-turn.ts";
import { specFaults } from "../helpers/openai-spec.ts";
import { proxy } from "../helpers/proxy.ts";
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

const callDelta = (name: string) => ({
  tool_calls: [
    { index: 0, id: "c1", type: "function", function: { name, arguments: '{"a":2,"b":3}' } },
  ],
});
const callRound = (name: string, ...before: Json[]): Answer =>
  events(
    chunk({ role: "assistant", content: null }),
    ...before,
    chunk(callDelta(name)),
    chunk({}, "tool_calls"),
    usageChunk(),
  );
const textRound = (...chunks: Json[]): Answer => events(...chunks, usageChunk());
const choiceOf = (one: Json | undefined) => ((one?.["choices"] ?? []) as Json[])[0] ?? {};

const logprob = (token: string) => ({ token, logprob: -0.5, bytes: null, top_logprobs: [] });
const withLogprobs = (one: Json, ...tokens: string[]) => ({
  ...one,
  choices: [{ ...choiceOf(one), logprobs: { content: tokens.map(logprob), refusal: null } }],
});

describe("text that is not content alone", () => {
  it("gives the log probabilities of every round's text, streamed and whole", async () => {
    const key = await keyWithAdd((name) => [
      callRound(name, withLogprobs(chunk({ content: "Let" }), "Let")),
      textRound(
        chunk({ role: "assistant" }),
        withLogprobs(chunk({ content: "o" }), "o"),
        withLogprobs(chunk({ content: "k" }, "stop"), "k"),
      ),
    ]);
    const { chunks } = await streamed(key);
    const seen = chunks.flatMap(
      (one) =>
        (choiceOf(one)["logprobs"] as { content: { token: string }[] } | null)?.content ?? [],
    );
    expect(seen.map(({ token }) => token)).toEqual(["Let", "o", "k"]);

    const answer = (message: Json, reason: string, ...tokens: string[]) => ({
      choices: [
        {
          index: 0,
          message: { role: "assistant", refusal: null, ...message },
          logprobs: { content: tokens.map(logprob), refusal: null },
          finish_reason: reason,
        },
      ],
    });
    const atOnce = await keyWithAdd((name) => [
      completion(
        {},
        answer(
          { content: "Let", tool_calls: [toolCall("c1", name, { a: 1, b: 1 })] },
          "tool_calls",
          "Let",
        ),
      ),
      completion({}, answer({ content: "ok" }, "stop", "o", "k")),
    ]);
    const { completion: seenWhole } = await whole(atOnce);
    expect(choiceOf(seenWhole)["logprobs"]).toEqual({
      content: ["Let", "o", "k"].map(logprob),
      refusal: null,
    });
    expect(specFaults("CreateChatCompletionResponse", seenWhole)).toEqual([]);
  });

  it("gives those of the last round's document alone where the answer must be JSON", async () => {
    const key = await keyWithAdd((name) => [
      callRound(name, withLogprobs(chunk({ content: "{}" }), "{}")),
      textRound(
        withLogprobs(chunk({ content: '{"a"' }), '{"a"'),
        withLogprobs(chunk({ content: ":1}" }, "stop"), ":1}"),
      ),
    ]);
    const { chunks, content } = await streamed(key, { response_format: { type: "json_object" } });
    const seen = chunks.flatMap(
      (one) =>
        (choiceOf(one)["logprobs"] as { content: { token: string }[] } | null)?.content ?? [],
    );
    expect([content, seen.map(({ token }) => token)]).toEqual(['{"a":1}', ['{"a"', ":1}"]]);
  });

  it("gives a refusal, streamed and whole", async () => {
    const inStream = await keyWithAdd((name) => [
      callRound(name),
      textRound(
        chunk({ role: "assistant", refusal: "" }),
        chunk({ refusal: "I can" }),
        chunk({ refusal: "not." }),
        chunk({}, "stop"),
      ),
    ]);
    expect(await streamed(inStream)).toMatchObject({
      content: "",
      refusal: "I cannot.",
      finishReason: "stop",
    });
    const stream = proxy
      .client((await keyWithAdd(() => [events(chunk({ refusal: "No." }, "stop"))])).key)
      .chat.completions.stream({
        model: "gpt-test",
        messages: [{ role: "user", content: "go" }],
      });
    expect((await stream.finalMessage()).refusal).toBe("No.");
    const atOnce = await keyWithAdd((name) => [
      completion({ tool_calls: [toolCall("c1", name, { a: 1, b: 1 })] }),
      completion({ refusal: "I cannot." }),
    ]);
    const { message, completion: seen } = await whole(atOnce);
    expect(message).toMatchObject({ content: null, refusal: "I cannot." });
    expect(specFaults("CreateChatCompletionResponse", seen)).toEqual([]);
  });

  it("sends reasoning_content back with the call, verbatim, and shows it to the client", async () => {
    const details = [{ type: "reasoning.encrypted", data: "abc==", index: 0 }];
    const thoughts = [
      chunk({ reasoning_content: "Two\n" }),
      chunk({ reasoning_content: " and three", reasoning_details: details }),
      chunk({ reasoning_content: null }),
    ];
    const inStream = await keyWithAdd((name) => [
      callRound(name, ...thoughts),
      textRound(
        chunk({ role: "assistant", reasoning_content: "Done" }),
        chunk({ content: "ok" }),
        chunk({}, "stop"),
      ),
    ]);
    expect(await streamed(inStream)).toMatchObject({
      content: "ok",
      reasoning: "Two\n and three\n\nDone",
    });
    const message = (name: string) => ({
      content: null,
      reasoning_content: "Two\n and three",
      reasoning_details: details,
      tool_calls: [toolCall("c1", name, { a: 2, b: 3 })],
    });
    const atOnce = await keyWithAdd((name) => [
      completion(message(name)),
      completion({ content: "ok", reasoning_content: "Done" }),
    ]);
    expect(await whole(atOnce)).toMatchObject({
      content: "ok",
      reasoning: "Two\n and three\n\nDone",
    });
    for (const { upstream } of [inStream, atOnce]) {
      expect(sentMessages(upstream, 1)[1]).toMatchObject({
        content: null,
        reasoning_content: "Two\n and three",
        reasoning_details: details,
      });
    }
  });

  it("gives content that comes as text parts as text, streamed and whole", async () => {
    const parts = (...texts: string[]) => texts.map((text) => ({ type: "text", text }));
    const inStream = await keyWithAdd((name) => [
      callRound(name, chunk({ content: "Let me " }), chunk({ content: parts("add", ".") })),
      textRound(
        chunk({ role: "assistant", content: parts("It ") }),
        chunk({ content: parts("is 5.") }),
        chunk({}, "stop"),
      ),
    ]);
    expect((await streamed(inStream)).content).toBe("Let me add.\n\nIt is 5.");
    const atOnce = await keyWithAdd((name) => [
      completion({ content: "Let me add.", tool_calls: [toolCall("c1", name, { a: 2, b: 3 })] }),
      completion({ content: parts("It ", "is 5.") }),
    ]);
    expect((await whole(atOnce)).content).toBe("Let me add.\n\nIt is 5.");
    expect(sentMessages(inStream.upstream, 1)[1]?.content).toBe("Let me add.");
  });

  it("loses no part of content that is more than text", async () => {
    const thinking = { type: "thinking", thinking: [{ type: "text", text: "hm" }] };
    const answer = [thinking, { type: "text", text: "It is 5." }];
    const key = await keyWithAdd((name) => [
      completion({ content: "Let me add.", tool_calls: [toolCall("c1", name, { a: 2, b: 3 })] }),
      completion({ content: answer }),
    ]);
    expect((await whole(key)).message["content"]).toEqual([
      { type: "text", text: "Let me add." },
      ...answer,
    ]);
  });

  it("keeps unknown members of a whole answer", async () => {
    const choice = {
      index: 0,
      message: { role: "assistant", content: "ok", annotations: [], x_message: 1 },
      finish_reason: "stop",
      stop_reason: 7,
      x_choice: 2,
    };
    const key = await keyWithAdd((name) => [
      completion({ tool_calls: [toolCall("c1", name, { a: 1, b: 1 })] }),
      completion({}, { choices: [choice], x_completion: 3, service_tier: "flex" }),
    ]);
    const { completion: seen } = await whole(key);
    expect(seen).toMatchObject({ x_completion: 3, service_tier: "flex", choices: [choice] });
  });

  it("sends a blank beside calls back as nothing, and a sound that the model made by its id", async () => {
    const audio = { id: "audio_1", data: "AAAA", transcript: "Let me add.", expires_at: 1 };
    const key = await keyWithAdd((name) => {
      const call = toolCall("c1", name, { a: 1, b: 2 });
      return [
        completion({ content: " \n", audio, tool_calls: [call] }),
        completion({ content: "3" }),
      ];
    });
    expect((await whole(key)).content.trim()).toBe("3");
    expect(sentMessages(key.upstream, 1)[1]).toMatchObject({
      role: "assistant",
      content: null,
      audio: { id: "audio_1" },
      tool_calls: [{ id: "c1" }],
    });
    expect(key.upstream.requests[1]?.body.includes("AAAA")).toBe(false);
  });
});
