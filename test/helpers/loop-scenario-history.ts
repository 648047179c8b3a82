/** Histories as upstream is sent them: in short, and whether a model could make sense of them. */
import { expect } from "vitest";
import type { Json } from "./loop-scenario.ts";

interface SentCall {
  id: string;
  function: { name: string; arguments: string };
}

const callsOf = (message: Json) => (message["tool_calls"] ?? []) as SentCall[];

/**
 * Messages in short: `user: go`, `assistant: Let me see. [c1 @add {"a":1}]`, and `c1: 5` for a
 * result.
 */
export function transcriptOf(messages: Json[]): string[] {
  return messages.map((message) => {
    const { role, content, tool_call_id: callId } = message;
    const calls = callsOf(message).map(
      ({ id, function: { name, arguments: args } }) => ` [${id} ${name} ${args}]`,
    );
    const text = typeof content === "string" ? content : JSON.stringify(content ?? "");
    return `${String(callId ?? role)}${text === '""' || text === "" ? "" : `: ${text}`}${calls.join("")}`;
  });
}

/**
 * Every call is followed by its one result before anything else comes, and there is no result
 * without a call.
 */
export function checkHistory(messages: Json[]): void {
  const told = JSON.stringify(transcriptOf(messages), null, 1);
  for (let index = 0; index < messages.length; index++) {
    const message = messages[index] ?? {};
    expect(message["role"], `a result that nobody asked for: ${told}`).not.toBe("tool");
    const rest = messages.slice(index + 1);
    const end = rest.findIndex(({ role }) => role !== "tool");
    const results = end === -1 ? rest : rest.slice(0, end);
    const answered = results.map((result) => result["tool_call_id"]);
    const made = callsOf(message).map(({ id }) => id);
    expect([answered.length, new Set(answered)], `one result for each call: ${told}`).toEqual([
      made.length,
      new Set(made),
    ]);
    index += results.length;
  }
}
