import { ApiError } from "../openai/api-error.ts";
import type { RequestScope } from "../platform.ts";
import { conversationIndex } from "../record/conversation-index.ts";
import { isUuid, ownConversation, uuidOf } from "../store/uuid.ts";
import type { Turn } from "./turn.ts";

const MAX_NAME_LENGTH = 200;

/** Whose request names a conversation. */
export interface NamingTurn {
  scope: RequestScope;
  turn: Turn;
  key: { id: string };
}

/**
 * The conversation that a client names in `x-conversation-id`: one that there is, by its id, or any
 * text of its own. Where it is known to be another key's, the client is told of its own at once;
 * else it gets its own when the turn is written.
 * @throws ApiError 400 for a name that is too long
 */
export function nameConversation({ scope, turn, key }: NamingTurn, headers: Headers): void {
  const index = conversationIndex.of(scope.platform.memory);
  const name = headers.get("x-conversation-id")?.trim() ?? "";
  if (name === "") return index.own(key.id, turn.conversationId);
  if (name.length > MAX_NAME_LENGTH) {
    const message = `x-conversation-id has ${name.length} characters; it may have ${MAX_NAME_LENGTH}.`;
    throw new ApiError("invalid_value", message, { param: "x-conversation-id" });
  }
  const id = isUuid(name) ? name.toLowerCase() : uuidOf(`${key.id} ${name}`);
  turn.named(index.isForeign(key.id, id) ? ownConversation(key.id, id) : id);
}
