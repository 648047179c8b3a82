/** A client of chat completions whose rounds an upstream answers in the Responses API. */
import { describe, expect, it } from "vitest";
import { checkSent, overResponses } from "../helpers/chat-over-responses.ts";
import { streamed, whole } from "../helpers/chat-turn.ts";
import { sentBody, sentInput } from "../helpers/response-turn.ts";
import { functionCall, message, reasoning, says } from "../helpers/responses-upstream.ts";
const own = { type: "function", function: { name: "ask_user", parameters: { type: "object" } } };

const WAYS = [
  { way: "streamed", ask: streamed, more: { stream_options: { include_usage: true } } },
  { way: "whole", ask: whole, more: {} },
];

describe.each(WAYS)("A chat client at an upstream of Responses, $way", ({ ask, more }) => {
  it("gets the answer of a turn whose tool ran", async () => {
    const key = await overResponses((add) => [
      says([
        reasoning("Two and three."),
        message("Adding."),
        functionCall("c1", add, { a: 2, b: 3 }),
      ]),
      says([message("It is 5.")]),
    ]);
    const seen = await ask(key, more);
    expect(seen).toMatchObject({
      content: "Adding.\n\nIt is 5.",
      reasoning: "Two and three.",
      calls: [],
      finishReason: "stop",
      usage: {
        prompt_tokens: 20,
        completion_tokens: 10,
        total_tokens: 30,
        prompt_tokens_details: { cached_tokens: 4 },
        completion_tokens_details: { reasoning_tokens: 2 },
      },
    });
    checkSent(key.upstream);
    const second = sentInput(key.upstream, 1);
    expect(second.map(({ type, role }) => type ?? role)).toEqual([
      "user",
      "reasoning",
      "message",
      "function_call",
      "function_call_output",
    ]);
    expect(sentBody(key.upstream, 0)).toMatchObject({
      store: false,
      include: ["reasoning.encrypted_content"],
    });
  });

  it("is given its own calls of a mixed round, and the model its results in order", async () => {
    const key = await overResponses((add) => [
      says([
        reasoning("Both."),
        functionCall("c1", add, { a: 2, b: 3 }),
        functionCall("c2", "ask_user", { q: "?" }),
      ]),
      says([message("Done.")]),
    ]);
    const seen = await ask(key, { ...more, tools: [own] });
    expect(seen).toMatchObject({
      calls: [{ id: "c2", name: "ask_user", arguments: '{"q":"?"}' }],
      finishReason: "tool_calls",
    });
    const calls = [
      { id: "c2", type: "function", function: { name: "ask_user", arguments: '{"q":"?"}' } },
    ];
    const messages = [
      { role: "user", content: "2+3?" },
      { role: "assistant", content: null, tool_calls: calls },
      { role: "tool", tool_call_id: "c2", content: "Yes." },
    ];
    const next = await ask(key, { ...more, tools: [own], messages });
    expect(next).toMatchObject({ content: "Done.", finishReason: "stop" });
    checkSent(key.upstream);
    expect(sentInput(key.upstream, 1)).toMatchObject([
      { role: "user", content: "2+3?" },
      { type: "reasoning", encrypted_content: expect.stringMatching(/^sealed/) as string },
      { type: "function_call", call_id: "c1" },
      { type: "function_call", call_id: "c2" },
      { type: "function_call_output", call_id: "c1", output: "5" },
      { type: "function_call_output", call_id: "c2", output: "Yes." },
    ]);
  });
});
