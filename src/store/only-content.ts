/**
 * What was sent and answered in a request of its own, as one text: a JSON array of messages without
 * the members that are null.
 */
import { objectsOf, parseJson } from "../openai/json.ts";
import type { StoredMessage } from "../record/turn-rows.ts";
import type { MessageDetail } from "./message-detail.ts";
import { uuidOf } from "./uuid.ts";

/** More than that is found by words as messages are, and goes as they do when it is old. */
const MAX_LENGTH = 100_000;

function written({ role, content, toolCalls, toolCallId, extra, round }: StoredMessage): string {
  const members = [
    ["role", JSON.stringify(role)],
    ["round", round === null ? null : String(round)],
    ["content", content],
    ["toolCalls", toolCalls === "null" ? null : toolCalls],
    ["toolCallId", toolCallId === null ? null : JSON.stringify(toolCallId)],
    ["extra", extra],
  ] as const;
  const named = members.flatMap(([name, text]) => (text === null ? [] : [`"${name}":${text}`]));
  return `{${named.join(",")}}`;
}

/** The text; null where there are no messages. */
export const onlyContent = (messages: StoredMessage[]): string | null =>
  messages.length === 0 ? null : `[${messages.map(written).join(",")}]`;

/** Whether messages can be kept as such a text. */
export function isOnlyContent(messages: StoredMessage[]): boolean {
  const length = messages.reduce(
    (sum, { content, toolCalls, extra }) =>
      sum + content.length + toolCalls.length + (extra?.length ?? 0),
    0,
  );
  return length <= MAX_LENGTH && messages.every(({ hidden }) => !hidden);
}

interface OnlyRequest {
  requestId: string;
  content: string | null;
  createdAt: Date;
  durationMs: number;
}

/** The messages of such a text, in their order. Their ids are always the same. */
export function messagesOfContent(request: OnlyRequest): MessageDetail[] {
  const { requestId, createdAt, durationMs } = request;
  const end = new Date(createdAt.getTime() + durationMs);
  return objectsOf(parseJson(request.content ?? "[]")).map((message, position) => {
    const { role, round = null, content = null, toolCalls = null, extra = null } = message;
    return {
      id: uuidOf(`${requestId} ${position}`),
      turnId: requestId,
      role: String(role),
      toolCallId: (message["toolCallId"] as string | undefined) ?? null,
      hidden: false,
      round: round as number | null,
      createdAt: round === null ? createdAt : end,
      content,
      toolCalls,
      extra,
    };
  });
}
