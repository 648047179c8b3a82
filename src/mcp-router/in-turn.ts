import { openLimits, type KeyLimits } from "../limits/open-limits.ts";
import { nameConversation } from "../turn/name-conversation.ts";
import { openTurn } from "../turn/open-turn.ts";
import type { Turn } from "../turn/turn.ts";
import type { RouterCaller } from "./router-tool.ts";

/** A call that no route of `/v1` serves. */
export interface CallTurn {
  turn: Turn;
  limits: KeyLimits;
}

/**
 * Serves a call in a turn of its own, on record under `/mcp`; what it throws ends the turn.
 * @param headers may have `x-conversation-id`
 */
export async function inTurn<Result>(
  { scope, key }: RouterCaller,
  headers: Record<string, string>,
  serve: (parts: CallTurn) => Promise<Result>,
): Promise<Result> {
  const limits = openLimits(scope, key);
  const turn = openTurn(scope, { key, limits, endpoint: "/mcp", startedAt: Date.now() });
  try {
    nameConversation({ scope, turn, key }, new Headers(headers));
    return await serve({ turn, limits });
  } catch (error) {
    await turn.endedBy(error, scope.clientGone.aborted);
    throw error;
  }
}
