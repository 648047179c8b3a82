/**
 * A server tool's call as a client of Responses sees it: OpenAI's own item for a tool that somebody
 * else runs. https://platform.openai.com/docs/guides/tools-connectors-mcp
 */
import { isObject, textOf, type JsonObject } from "../../openai/json.ts";

/** Whose tools they are, as clients see it. */
const SERVER_LABEL = "proxy";

/** The id of an item that is ours begins with it, and with the id of its response after that. */
const ITEM_PREFIX = "mcp_";

/** The id of a response that we make. */
export function newResponseId(): string {
  return `resp_${crypto.randomUUID().replaceAll("-", "")}${crypto.randomUUID().slice(0, 8)}`;
}

/** Whether an id of a response has the form of ours. */
export const isOwnResponseId = (id: string): boolean => /^resp_[0-9a-f]{40}$/.test(id);

/** The id of a response's nth call. */
export const ownItemId = (responseId: string, index: number): string =>
  `${ITEM_PREFIX}${responseId.replace(/^resp_/, "")}${String(index).padStart(4, "0")}`;

/** A call of a server tool. */
export interface OwnCall {
  id: string;
  name: string;
  arguments: string;
}

/** What became of it. */
export interface OwnResult {
  text: string;
  failed: boolean;
}

/** The item while it runs, or when it has ended. */
export function ownItem(call: OwnCall, result: OwnResult | null): JsonObject {
  const { id, name, arguments: args } = call;
  const item = { id, type: "mcp_call", server_label: SERVER_LABEL, name, arguments: args };
  if (result === null)
    return { ...item, approval_request_id: null, error: null, output: null, status: "in_progress" };
  const { text, failed } = result;
  const error = failed
    ? { type: "mcp_tool_execution_error", content: [{ type: "text", text }] }
    : null;
  const status = failed ? "failed" : "completed";
  return { ...item, approval_request_id: null, error, output: failed ? null : text, status };
}

/** What {@link ownItemId} makes: a client may have a server of its own with our label. */
const OWN_ITEM_ID = /^mcp_[0-9a-f]{40}\d{4,}$/;

/** Whether an item is ours. */
export function isOwnItem(item: unknown): item is JsonObject {
  if (!isObject(item) || item["type"] !== "mcp_call") return false;
  return item["server_label"] === SERVER_LABEL && OWN_ITEM_ID.test(textOf(item["id"]));
}

/** The words of an item's error. */
function errorText(error: unknown): string {
  if (!isObject(error)) return textOf(error);
  const content = Array.isArray(error["content"]) ? (error["content"] as unknown[]) : [];
  const texts = content.filter(isObject).map(({ text }) => textOf(text));
  return texts.join("\n") || textOf(error["message"]);
}

/**
 * An item of ours that came back, as any upstream takes it: a call and its output. Its id is ours,
 * so it becomes the call's.
 */
export function ownItemSentBack(item: JsonObject): JsonObject[] {
  const callId = `call_${textOf(item["id"]).replace(ITEM_PREFIX, "")}`.slice(0, 64);
  const { name, arguments: args, output, error } = item;
  const said = textOf(output) || errorText(error) || "(The tool gave an empty result.)";
  return [
    { type: "function_call", call_id: callId, name, arguments: textOf(args) || "{}" },
    { type: "function_call_output", call_id: callId, output: said },
  ];
}
