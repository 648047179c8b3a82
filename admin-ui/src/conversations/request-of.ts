/**
 * A conversation as a request that can be sent again: what the client saw, up to the last thing
 * that it said.
 */
import type { ConversationDetail, Message } from "../api-shapes.ts";
import { isObject, readToolCalls } from "./read-record.ts";

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

/** What was asked last. */
interface LastRequest {
  /** Below `/v1`: that of Responses, or of chat completions. */
  endpoint: "/responses" | "/chat/completions";
  model: string;
  messages: RequestMessage[];
}

/** The request that led to the last answer. */
export function requestOf(detail: ConversationDetail): LastRequest {
  const messages = visibleMessages(detail);
  const end = messages.findLastIndex(({ role }) => role !== "assistant");
  const isResponse = detail.turns.at(-1)?.endpoint === "/v1/responses";
  return {
    endpoint: isResponse ? "/responses" : "/chat/completions",
    model: detail.model ?? "",
    messages: messages.slice(0, end + 1),
  };
}

/** A message as items of the Responses API: its text, and each of its calls. */
function messageItems(message: RequestMessage): object[] {
  const { role, content } = message;
  const { tool_calls: toolCalls, tool_call_id: callId } = message;
  if (role === "tool") return [{ type: "function_call_output", call_id: callId, output: content }];
  const calls = readToolCalls(toolCalls).map(({ id, name, arguments: text }) => ({
    type: "function_call",
    call_id: id,
    name,
    arguments: text,
  }));
  const isSaid = content !== null && content !== undefined && content !== "";
  return [...(isSaid ? [{ role, content }] : []), ...calls];
}

/** Messages as the input of a response. */
export const itemsOf = (messages: RequestMessage[]): object[] => messages.flatMap(messageItems);

const quoted = (text: string) => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** The same as a command for a shell, with the key to be filled in. */
export function asCurl(detail: ConversationDetail): string {
  const { endpoint, model, messages } = requestOf(detail);
  const body =
    endpoint === "/responses" ? { model, input: itemsOf(messages) } : { model, messages };
  return `curl ${location.origin}/v1${endpoint} \\
  -H "Authorization: Bearer $PROXY_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d ${quoted(JSON.stringify(body, null, 2))}`;
}
