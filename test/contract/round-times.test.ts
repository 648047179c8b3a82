import { expect, it } from "vitest";
import { ask, keyWithAdd, post } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import {
  chunk,
  completion,
  events,
  toolCall,
  usageChunk,
  type Answer,
} from "../helpers/upstream.ts";

const WAIT_MS = 200;
const late =
  (answer: Answer): Answer =>
  async (request, response) => {
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
    return answer(request, response);
  };

it.each([true, false])(
  "counts a round from the moment when it was asked for, streamed: %s",
  async (stream) => {
    const key = await keyWithAdd((name) => {
      const call = toolCall("c1", name, { a: 1, b: 2 });
      const rounds = [
        { tool_calls: [{ index: 0, ...call }], reason: "tool_calls" },
        { content: "3", reason: "stop" },
      ];
      return stream
        ? rounds.map(({ reason, ...delta }) =>
            late(events(chunk({ role: "assistant", ...delta }), chunk({}, reason), usageChunk())),
          )
        : [late(completion({ tool_calls: [call] })), late(completion({ content: "3" }))];
    });
    const response = await post(key.key, ask({ stream }));
    await response.text();
    const { rounds } = await proxy.conversation(
      response.headers.get("x-proxy-conversation-id") ?? "",
    );
    expect(rounds).toHaveLength(2);
    for (const round of rounds) {
      expect(round.durationMs).toBeGreaterThanOrEqual(WAIT_MS - 5);
      expect(round.durationMs).toBeLessThan(WAIT_MS * 10);
      expect(round.timeToFirstTokenMs ?? WAIT_MS).toBeGreaterThanOrEqual(WAIT_MS - 5);
      expect(round.timeToFirstTokenMs === null).toBe(!stream);
    }
  },
);
