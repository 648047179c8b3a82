/** A round of the Responses API. */
import { isObject, objectsOf, textOf, textOrNull, type JsonObject } from "../../openai/json.ts";
import { messagesOfItems } from "../../openai/response-items.ts";
import { readUsage } from "../../openai/usage.ts";
import type { Round, ToolCall } from "../dialect.ts";
import { areArguments } from "../show-results.ts";

/** A round whose answer is a response. */
export interface ResponsesRound extends Round, RoundOfResponse {}

/** What a response says of a round. */
export interface RoundOfResponse {
  /** Its items as upstream spelled them, each with an id. */
  output: JsonObject[];
  /** The response without them. */
  response: JsonObject;
}

/** Where a call's arguments are; other calls say what they want in members of their own. */
const ARGUMENTS = new Map([
  ["function_call", "arguments"],
  ["custom_tool_call", "input"],
]);

/**
 * The name by which a call's owner is looked up. Tools of a namespace, and those that are no
 * functions, are nobody's but the client's: a tool's name has no colon in it.
 */
function nameOf({ type, name, namespace }: JsonObject): string {
  const isPlain = type === "function_call" && (namespace === undefined || namespace === null);
  return isPlain ? textOf(name) : `${textOf(namespace) || textOf(type)}:${textOf(name)}`;
}

/** Whether somebody has to answer an item: upstream did not in the same response. */
function isCall(item: JsonObject, answered: ReadonlySet<unknown>): boolean {
  const type = textOf(item["type"]);
  if (type === "mcp_approval_request") return true;
  return type.endsWith("_call") && item["call_id"] !== undefined && !answered.has(item["call_id"]);
}

function callsOf(output: JsonObject[], isIncomplete: boolean): ToolCall[] {
  const outputs = output.filter(({ type }) => textOf(type).endsWith("_output"));
  const answered = new Set(outputs.map((item) => item["call_id"]));
  const calls = output.filter((item) => isCall(item, answered));
  return calls.map((item): ToolCall => {
    const args = textOf(item[ARGUMENTS.get(textOf(item["type"])) ?? "arguments"]);
    const mayBeCut = isIncomplete && item["type"] === "function_call" && item === output.at(-1);
    return {
      id: textOf(item["call_id"]) || textOf(item["id"]),
      name: nameOf(item),
      arguments: args,
      isCut: mayBeCut && !areArguments(args),
    };
  });
}

/** The words of chat completions for why a response is incomplete. */
const REASONS = new Map([["max_output_tokens", "length"]]);

function finishReasonOf(response: JsonObject, hasCalls: boolean): string {
  const { status, incomplete_details: details } = response;
  if (status === "failed" || status === "cancelled") return status;
  if (status !== "incomplete") return hasCalls ? "tool_calls" : "stop";
  const reason = isObject(details) ? textOf(details["reason"]) : "";
  return REASONS.get(reason) ?? (reason || "length");
}

/** A call as upstreams take it back: some read its arguments, and answer 400 to bad ones. */
function wellFormed(item: JsonObject): JsonObject {
  const isFine = item["type"] !== "function_call" || areArguments(textOf(item["arguments"]));
  return isFine ? item : { ...item, arguments: "{}" };
}

const joined = (texts: unknown[]): string =>
  texts.filter((text) => typeof text === "string" && text !== "").join("\n\n");

/** What the items of an answer say, as one message of chat completions. */
export function recordedAnswer(output: JsonObject[]): JsonObject {
  const messages = messagesOfItems(output);
  const parts = messages.flatMap(({ content }) => objectsOf(content));
  const texts = messages.map(({ content }) => (typeof content === "string" ? content : ""));
  const text = joined([...texts, ...parts.map((part) => part["text"])]);
  const refusal = joined(parts.map((part) => part["refusal"]));
  const reasoning = joined(messages.map((message) => message["reasoning"]));
  const calls = messages.flatMap((message) => objectsOf(message["tool_calls"]));
  return {
    role: "assistant",
    content: text === "" ? null : text,
    ...(refusal === "" ? {} : { refusal }),
    ...(reasoning === "" ? {} : { reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

/** The error object of a response that failed. */
function failureOf({ error }: JsonObject): JsonObject {
  const { message, code } = isObject(error) ? error : {};
  const said = textOf(message) || "The response failed.";
  return { message: said, type: "upstream_error", param: null, code: textOrNull(code) };
}

/** A response as a round of the loop. @param output its items, as they are collected */
export function responsesRound(output: JsonObject[], response: JsonObject): ResponsesRound {
  const { output: _output, ...members } = response;
  const isFailed = response["status"] === "failed" || response["status"] === "cancelled";
  const calls = isFailed ? [] : callsOf(output, response["status"] === "incomplete");
  return {
    calls,
    finishReason: finishReasonOf(response, calls.length > 0),
    usage: readUsage(response["usage"]),
    model: textOf(response["model"]) || null,
    items: output.map(wellFormed),
    message: recordedAnswer(output),
    output,
    response: members,
    ...(isFailed ? { failure: failureOf(response) } : {}),
  };
}
