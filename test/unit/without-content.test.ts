import { expect, it } from "vitest";
import { withoutContent } from "../../src/record/without-content.ts";
import { answerOf, recordOf, ROUND } from "../helpers/turn-records.ts";

it("a record without its content has who, when and how much, and no word of what was said", () => {
  const message = { role: "assistant", content: "secret" };
  const counts = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3, cost: 0.5 };
  const details = { prompt_tokens_details: { cached_tokens: 1, excerpt: "secret" } };
  const record = recordOf("/v1/chat/completions", {
    model: "gpt-test",
    request: "secret",
    response: answerOf("secret"),
    produced: [{ message, round: 1, hidden: false }],
    rounds: [{ ...ROUND, usage: { ...counts, ...details, excerpt: "secret" }, received: message }],
    toolExecutions: [
      {
        id: "e",
        toolId: "t",
        toolName: "look",
        type: "function",
        toolCallId: "c",
        round: 1,
        arguments: "secret",
        result: "secret",
        error: null,
        logs: ["secret"],
        startedAt: 1,
        durationMs: 1,
      },
    ],
    toolsOffered: ["look"],
    restored: ["secret"],
    hiddenRounds: { lookups: ["l"], messages: "secret", expiresAt: 1 },
    addedTools: ["secret"],
  });
  const bare = withoutContent(record);
  expect(JSON.stringify(bare)).not.toContain("secret");
  const { id, apiKeyId, model, startedAt, durationMs, toolsOffered } = record;
  expect(bare).toMatchObject({ id, apiKeyId, model, startedAt, durationMs, toolsOffered });
  const figures = { ...counts, prompt_tokens_details: { cached_tokens: 1 } };
  expect(bare.rounds).toMatchObject([{ round: 1, usage: figures }]);
});
