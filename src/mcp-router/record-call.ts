import type { JsonObject } from "../openai/json.ts";
import type { Usage } from "../openai/usage.ts";
import { openTurn } from "../record/open-turn.ts";
import { nameConversation } from "../store/name-conversation.ts";
import type { RouterCaller } from "./router-tool.ts";

/** A call that no other route puts on record. */
interface AnsweredCall {
  /** The request body; `messages` of it are shown. */
  request: JsonObject & { model: string };
  /** What the record shows as the answer. */
  answer: string;
  finishReason: string | null;
  usage: Usage | null;
  /** May have `x-conversation-id`. */
  headers: Record<string, string>;
  /** Milliseconds since 1970; absent: now. */
  startedAt?: number;
  cached?: true;
}

/** Puts an answered call on record under `/mcp`. @returns the id of its conversation */
export async function recordCall(
  { scope, key }: RouterCaller,
  call: AnsweredCall,
): Promise<string> {
  const { platform } = scope;
  const upstream = key.openaiBaseUrl ?? platform.config.openaiBaseUrl;
  const turn = openTurn(platform, { id: scope.requestId, endpoint: "/mcp", apiKey: key, upstream });
  nameConversation({ key, turn }, new Headers(call.headers));
  const { record } = turn;
  if (call.startedAt !== undefined) record.startedAt = call.startedAt;
  record.request = JSON.stringify(call.request);
  record.model = call.request.model;
  record.finishReason = call.finishReason;
  if (call.cached === true) record.cached = true;
  record.produced = [
    { message: { role: "assistant", content: call.answer }, round: 1, hidden: false },
  ];
  record.rounds = [
    {
      round: 1,
      status: "completed",
      usage: call.usage,
      timeToFirstTokenMs: null,
      durationMs: Date.now() - record.startedAt,
      finishReason: call.finishReason,
      error: null,
    },
  ];
  await turn.end({ status: "completed" });
  return record.conversationId;
}
