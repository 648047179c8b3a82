import { describe, expect, it } from "vitest";
import { ask, keyWithAdd, post } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import { chunk, events, toolCall, usageChunk, type Answer } from "../helpers/upstream.ts";

const WORD = " on";

/**
 * Goes on until it is cancelled, because workerd learns of a client that has left when it writes to
 * it.
 */
const goesOn: Answer = async (request, response) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const send = () => response.write(`data: ${JSON.stringify(chunk({ content: WORD }))}\n\n`);
  const timer = setInterval(send, 20);
  await request.aborted;
  clearInterval(timer);
};

describe("a client that leaves in the midst of the second round's text", () => {
  it("leaves a record of both rounds, their tokens, and all text that came", async () => {
    const adding = await keyWithAdd((name) => [
      events(
        chunk({ role: "assistant", content: "Let me add." }),
        chunk({ tool_calls: [{ index: 0, ...toolCall("c1", name, { a: 2, b: 3 }) }] }),
        chunk({}, "tool_calls"),
        usageChunk(),
      ),
      goesOn,
    ]);
    const response = await post(adding.key, ask({ model: "gpt-4o", stream: true }));
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    if (reader === undefined) throw new Error("The answer has no body");
    for (
      let text = "";
      text.split(`${WORD}"`).length <= 5;
      text += (await reader.read()).value ?? ""
    );
    await reader.cancel();
    await adding.upstream.requests[1]?.aborted;

    const detail = await proxy.conversation(response.headers.get("x-proxy-conversation-id") ?? "");
    expect(detail).toMatchObject({
      status: "cancelled",
      turns: [{ status: "cancelled", error: null, tokensEstimated: true }],
    });
    expect(detail.rounds).toMatchObject([
      { round: 1, status: "completed", totalTokens: 15, tokensEstimated: false },
      { round: 2, status: "cancelled", tokensEstimated: true, error: null },
    ]);
    expect(detail.rounds[1]?.totalTokens).toBeGreaterThan(15);
    expect(detail.toolExecutions).toMatchObject([{ round: 1, result: "5", error: null }]);
    const seen = detail.messages.map(({ role, hidden, content }) => [role, hidden, content]);
    expect(seen).toEqual([
      ["user", false, "2+3?"],
      ["assistant", true, "Let me add."],
      ["tool", true, "5"],
      ["assistant", false, expect.stringMatching(/^Let me add\.\n\n on( on){4,}$/)],
    ]);
    expect(adding.upstream.requests).toHaveLength(2);
  });
});
