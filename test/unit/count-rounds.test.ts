import { describe, expect, it } from "vitest";
import { readTurn } from "../../src/record/turn-rows.ts";
import type { RoundRecord, TurnRecord } from "../../src/record/turn-record.ts";
import { Turn } from "../../src/turn/turn.ts";

/** A turn that ended, with these parts. */
function record(parts: Partial<TurnRecord>): TurnRecord {
  const turn = new Turn({
    id: crypto.randomUUID(),
    endpoint: "/v1/chat/completions",
    apiKey: { id: "1", name: "k", logContent: "full" },
    startedAt: Date.now(),
    observers: [],
  });
  return Object.assign(turn.record, {
    model: "gpt-4o",
    request: '{"messages":[{"role":"user","content":"hello"}]}',
    ...parts,
  });
}

const round = (parts: Partial<RoundRecord>): RoundRecord => ({
  round: 1,
  status: "completed",
  usage: null,
  timeToFirstTokenMs: null,
  durationMs: 1,
  finishReason: null,
  error: null,
  ...parts,
});

/** 3 for the message, 1 for its role, 1 for `hello`, 3 for the reply's start. */
const PROMPT = 8;

describe("the tokens of a turn's rounds", () => {
  it("are those that came of a round that was broken off", async () => {
    const received = { role: "assistant", content: "hello" };
    const { rounds, usage, tokensEstimated } = await readTurn(
      record({ rounds: [round({ status: "cancelled", received })] }),
    );
    expect(rounds).toMatchObject([
      { usage: { prompt_tokens: PROMPT, completion_tokens: 1 }, tokensEstimated: true },
    ]);
    expect(usage).toEqual({
      prompt_tokens: PROMPT,
      completion_tokens: 1,
      total_tokens: PROMPT + 1,
    });
    expect(tokensEstimated).toBe(true);
  });

  it("hold the prompt as soon as an answer has begun, and nothing before", async () => {
    const begun = await readTurn(
      record({
        rounds: [round({ status: "cancelled", received: { role: "assistant", content: "" } })],
      }),
    );
    expect(begun.usage).toEqual({
      prompt_tokens: PROMPT,
      completion_tokens: 0,
      total_tokens: PROMPT,
    });
    for (const parts of [{ received: { role: "assistant", content: null } }, {}]) {
      const { usage, tokensEstimated } = await readTurn(
        record({ rounds: [round({ status: "failed", ...parts })] }),
      );
      expect({ usage, tokensEstimated }).toEqual({ usage: null, tokensEstimated: false });
    }
  });

  it("hold the tools and messages that the proxy added, and in later rounds what the client did not see", async () => {
    const hello = { role: "assistant", content: "hello" };
    const add = (added: Partial<TurnRecord>) =>
      record({ rounds: [round({ received: hello })], ...added });
    const prompt = async (turn: TurnRecord) => (await readTurn(turn)).usage?.prompt_tokens ?? 0;
    expect(await prompt(add({ restored: [JSON.stringify([hello])] }))).toBe(PROMPT + 5);
    const tool =
      '{"type":"function","function":{"name":"add","description":"adds","parameters":{"type":"object","properties":{}}}}';
    expect(await prompt(add({ addedTools: [tool] }))).toBe(PROMPT + 7 + 3 + 12);
    const two = record({
      rounds: [round({ received: hello }), round({ round: 2, received: hello })],
      produced: [
        { message: hello, round: 1, hidden: true },
        { message: { role: "assistant", content: "hello\n\nhello" }, round: 2, hidden: false },
      ],
    });
    expect((await readTurn(two)).rounds.map(({ usage }) => usage?.prompt_tokens)).toEqual([
      PROMPT,
      PROMPT + 5,
    ]);
  });

  it("are taken from a record of an older version, which says nothing of what came", async () => {
    const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
    const { rounds, ...turn } = await readTurn(
      record({ rounds: [round({ usage }), round({ round: 2, finishReason: "stop" })] }),
    );
    expect(rounds.map(({ tokensEstimated }) => tokensEstimated)).toEqual([false, false]);
    expect(turn).toMatchObject({ usage, tokensEstimated: false });
  });
});
