/**
 * A conversation as a request that can be sent again: what the client saw, up to the last thing
 * that it said.
 */
import type { ConversationDetail, Message } from "../api-shapes.ts";
import { isObject } from "./read-record.ts";

/** A message as chat completions take it. */
export interface RequestMessage {
  role: string;
  content: unknown;
  [member: string]: unknown;
}

function asRequestMessage({
  role,
  content,
  toolCalls,
  toolCallId,
  extra,
}: Message): RequestMessage {
  const name = isObject(extra) && typeof extra["name"] === "string" ? { name: extra["name"] } : {};
  return {
    role,
    content,
    ...name,
    ...(Array.isArray(toolCalls) && toolCalls.length > 0 ? { tool_calls: toolCalls } : {}),
    ...(toolCallId === null ? {} : { tool_call_id: toolCallId }),
  };
}

/** The rounds of one turn are one message to the client. */
function joinRounds(messages: Message[]): RequestMessage[] {
  const joined: { turnId: string; isProduced: boolean; message: RequestMessage }[] = [];
  for (const message of messages) {
    const last = joined.at(-1);
    const isProduced = message.round !== null;
    const next = asRequestMessage(message);
    if (
      last?.isProduced === true &&
      isProduced &&
      last.turnId === message.turnId &&
      message.role === "assistant"
    ) {
      const texts = [last.message.content, next.content].filter(
        (text) => typeof text === "string" && text !== "",
      );
      last.message = {
        ...last.message,
        ...next,
        content: texts.length === 0 ? null : texts.join("\n\n"),
      };
    } else joined.push({ turnId: message.turnId, isProduced, message: next });
  }
  return joined.map(({ message }) => message);
}

/** Every message that the client saw, oldest first. */
function visibleMessages(detail: ConversationDetail): RequestMessage[] {
  const all = [...(detail.inherited?.messages ?? []), ...detail.messages];
  return joinRounds(all.filter(({ hidden }) => !hidden));
}

/** The request that led to the last answer. */
export function requestOf(detail: ConversationDetail): {
  model: string;
  messages: RequestMessage[];
} {
  const messages = visibleMessages(detail);
  const end = messages.findLastIndex(({ role }) => role !== "assistant");
  return { model: detail.model ?? "", messages: messages.slice(0, end + 1) };
}

const quoted = (text: string) => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** The same as a command for a shell, with the key to be filled in. */
export function asCurl(detail: ConversationDetail): string {
  return `curl ${location.origin}/v1/chat/completions \\
  -H "Authorization: Bearer $PROXY_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d ${quoted(JSON.stringify(requestOf(detail), null, 2))}`;
}
