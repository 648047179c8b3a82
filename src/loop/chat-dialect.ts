/**
 * How the tool loop speaks chat completions: the body of each round, the calls of an answer, one
 * message out of many.
 */
import type { CollectedMessage } from "../openai/collect-chat-chunks.ts";
import { toolName, type ChatRequest } from "../openai/chat-request.ts";
import { isObject, objectsOf, parseJson, type JsonObject } from "../openai/json.ts";
import { mergeField } from "../openai/merge-field.ts";
import { appendElements, memberText, setMembers } from "../openai/json-object-text.ts";
import { addUsage, type Usage } from "../openai/usage.ts";
import { joinTexts } from "../openai/join-texts.ts";
import type { LoopEnd, LoopState, Round, ToolCall } from "./run-tool-loop.ts";

function arrayText(text: string, name: string): string {
  const value = memberText(text, name);
  return value?.startsWith("[") ? value : "[]";
}

/**
 * A forced choice holds for the first round only; kept, it would force the model to call tools for
 * ever.
 */
function relaxedToolChoice(choice: unknown, withdrawn: ReadonlySet<string>): unknown {
  if (choice === "required") return "auto";
  if (!isObject(choice)) return choice;
  if (choice["type"] !== "allowed_tools") return "auto";
  const nested = isObject(choice["allowed_tools"]) ? choice["allowed_tools"] : choice;
  const tools = objectsOf(nested["tools"]).filter((tool) => !withdrawn.has(toolName(tool) ?? ""));
  if (tools.length === 0) return "none";
  const allowed = { ...nested, mode: "auto", tools };
  return nested === choice ? allowed : { ...choice, allowed_tools: allowed };
}

/** Members that upstreams refuse where a request has no tools. */
const NEED_TOOLS = ["tools", "tool_choice", "parallel_tool_calls"];

/**
 * The request body of a round. What the client sent stays as it was spelled.
 * @param offered JSON text of each server tool, by name, in the order in which the model sees them
 */
export function roundBody(
  request: ChatRequest,
  offered: Map<string, string>,
  state: LoopState,
): string {
  const { text } = request;
  const left = [...offered]
    .filter(([name]) => !state.withdrawn.has(name))
    .map(([, spelling]) => spelling);
  const changes: Record<string, string | undefined> = {
    tools: appendElements(arrayText(text, "tools"), left),
  };
  if (state.appended.length > 0) {
    changes["messages"] = appendElements(
      arrayText(text, "messages"),
      state.appended.map((message) => JSON.stringify(message)),
    );
  }
  if (changes["tools"] === "[]") for (const member of NEED_TOOLS) changes[member] = undefined;
  else if (state.toolsEnded) changes["tool_choice"] = '"none"';
  else if (state.round > 1 && request.toolChoice !== undefined)
    changes["tool_choice"] = JSON.stringify(relaxedToolChoice(request.toolChoice, state.withdrawn));
  if (request.stream && !request.includeUsage)
    changes["stream_options"] = JSON.stringify({ ...request.streamOptions, include_usage: true });
  return setMembers(text, changes);
}

const textOf = (value: unknown) => (typeof value === "string" ? value : "");

/** A collected answer as a round of the loop. */
export function readRound(collected: CollectedMessage): Round {
  const sent = objectsOf(collected.message["tool_calls"]);
  const calls = sent.map((call) => {
    const definition = isObject(call["function"])
      ? call["function"]
      : isObject(call["custom"])
        ? call["custom"]
        : {};
    return {
      id: textOf(call["id"]),
      name: textOf(definition["name"]),
      arguments: textOf(definition["arguments"]),
      isCut: false,
    };
  });
  const last = calls.at(-1);
  // Only the end of an answer can be missing, and arguments that are a whole object are complete.
  if (last !== undefined && collected.finishReason === "length")
    last.isCut = !isObject(parseJson(last.arguments));
  return { ...collected, calls };
}

function callsOf(round: Round, calls: ToolCall[]): JsonObject[] {
  const ids = new Set(calls.map((call) => call.id));
  return objectsOf(round.message["tool_calls"]).filter((call) => ids.has(textOf(call["id"])));
}

/** What the client gets of a whole turn. */
export interface MergedTurn {
  message: JsonObject;
  logprobs: JsonObject | null;
  finishReason: string;
  usage: Usage | null;
}

/** The log probabilities of the text of all rounds. */
function joinLogprobs(rounds: Round[]): JsonObject | null {
  const joined: JsonObject = {};
  for (const { logprobs } of rounds) if (logprobs !== null) mergeField(joined, "all", logprobs);
  return isObject(joined["all"]) ? joined["all"] : null;
}

/**
 * What the client has of a turn that was broken off: the rounds that ended, and what came of the
 * one that did not.
 */
export function brokenOffMessage(
  rounds: Round[],
  soFar: CollectedMessage | null,
  chat: { wantsJson: boolean; isServerTool(name: string): boolean },
): JsonObject {
  const messages = [...rounds, ...(soFar === null ? [] : [soFar])].map((round) => round.message);
  const calls =
    soFar === null
      ? []
      : objectsOf(soFar.message["tool_calls"]).filter(
          (call) => !chat.isServerTool(toolName(call) ?? ""),
        );
  return {
    role: "assistant",
    content: null,
    ...joinTexts(messages, chat.wantsJson),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  };
}

/**
 * One message out of all rounds: their texts joined, the last round's everything else, the client's
 * calls only.
 */
export function mergeRounds(end: LoopEnd, wantsJson: boolean): MergedTurn {
  const last = end.rounds.at(-1);
  if (last === undefined) throw new Error("A turn has at least one round");
  const { tool_calls: _calls, ...message } = last.message;
  const calls = callsOf(last, end.clientCalls);
  const texts = joinTexts(
    end.rounds.map((round) => round.message),
    wantsJson,
  );
  const withheld = last.finishReason === "tool_calls" && calls.length === 0;
  return {
    message: { ...message, ...texts, ...(calls.length > 0 ? { tool_calls: calls } : {}) },
    logprobs: joinLogprobs(end.rounds),
    finishReason: withheld
      ? "stop"
      : (last.finishReason ?? (calls.length > 0 ? "tool_calls" : "stop")),
    usage: end.rounds.reduce<Usage | null>((sum, round) => addUsage(sum, round.usage), null),
  };
}
