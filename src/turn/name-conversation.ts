import { ApiError } from "../openai/api-error.ts";
import { isUuid, uuidOf } from "../store/uuid.ts";
import type { Turn } from "./turn.ts";

const MAX_NAME_LENGTH = 200;

/**
 * The conversation that a client names in `x-conversation-id`: one that there is, by its id, or any
 * text of its own.
 * @throws ApiError 400 for a name that is too long
 */
export function nameConversation(turn: Turn, key: { id: string }, headers: Headers): void {
  const name = headers.get("x-conversation-id")?.trim() ?? "";
  if (name === "") return;
  if (name.length > MAX_NAME_LENGTH) {
    const message = `x-conversation-id has ${name.length} characters; it may have ${MAX_NAME_LENGTH}.`;
    throw new ApiError("invalid_value", message, { param: "x-conversation-id" });
  }
  turn.named(isUuid(name) ? name.toLowerCase() : uuidOf(`${key.id} ${name}`));
}
