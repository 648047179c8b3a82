import type { JsonObject } from "../openai/json.ts";
import type { Usage } from "../openai/usage.ts";
import type { Turn } from "../turn/turn.ts";

/** A call that is answered again. */
interface AnsweredCall {
  /** The request body; `messages` of it are shown. */
  request: JsonObject & { model: string };
  /** What the record shows as the answer. */
  answer: string;
  finishReason: string | null;
  usage: Usage | null;
}

/**
 * Puts an answered call on record, with nothing asked of upstream.
 * @returns the id of its conversation
 */
export async function recordCall(turn: Turn, call: AnsweredCall): Promise<string> {
  turn.requested({ text: JSON.stringify(call.request), model: call.request.model });
  turn.cached();
  turn.looped({ finishReason: call.finishReason, stopReason: null });
  turn.produced({ role: "assistant", content: call.answer }, { round: 1, hidden: false });
  turn.roundEnded({
    round: 1,
    status: "completed",
    usage: call.usage,
    timeToFirstTokenMs: null,
    durationMs: Math.max(0, Date.now() - turn.record.startedAt),
    finishReason: call.finishReason,
    error: null,
  });
  await turn.ended({ status: "completed" });
  return turn.conversationId;
}
