/** How the tool loop speaks chat completions: the body of each round, the calls of an answer, one message out of many. */
import type { ChatRequest } from "../openai/chat-request.ts";
import type { CollectedMessage } from "../openai/collect-chat-chunks.ts";
import { isObject, objectsOf, type JsonObject } from "../openai/json.ts";
import { appendElements, memberText, setMembers } from "../openai/json-object-text.ts";
import { addUsage, type Usage } from "../openai/usage.ts";
import { joinTexts } from "../openai/join-texts.ts";
import type { LoopEnd, LoopState, Round, ToolCall } from "./run-tool-loop.ts";

function arrayText(text: string, name: string): string {
  const value = memberText(text, name);
  return value?.startsWith("[") ? value : "[]";
}

/** A forced choice holds for the first round only; kept, it would force the model to call tools for ever. */
function relaxedToolChoice(choice: unknown): unknown {
  if (choice === "required") return "auto";
  if (!isObject(choice)) return choice;
  if (choice["type"] !== "allowed_tools") return "auto";
  const allowed = choice["allowed_tools"];
  return isObject(allowed) ? { ...choice, allowed_tools: { ...allowed, mode: "auto" } } : { ...choice, mode: "auto" };
}

/**
 * The request body of a round. What the client sent stays as it was spelled.
 * @param offered JSON text of each server tool, by name, in the order in which the model sees them
 */
export function roundBody(request: ChatRequest, offered: Map<string, string>, state: LoopState): string {
  const { text } = request;
  const tools = [...offered].filter(([name]) => !state.withdrawn.has(name)).map(([, spelling]) => spelling);
  const changes: Record<string, string | undefined> = { tools: appendElements(arrayText(text, "tools"), tools) };
  if (changes["tools"] === "[]") delete changes["tools"];
  if (state.appended.length > 0) {
    changes["messages"] = appendElements(
      arrayText(text, "messages"),
      state.appended.map((message) => JSON.stringify(message)),
    );
  }
  if (state.toolsEnded && changes["tools"] !== undefined) changes["tool_choice"] = '"none"';
  else if (state.round > 1 && request.toolChoice !== undefined)
    changes["tool_choice"] = JSON.stringify(relaxedToolChoice(request.toolChoice));
  if (request.stream && !request.includeUsage)
    changes["stream_options"] = JSON.stringify({ ...request.streamOptions, include_usage: true });
  return setMembers(text, changes);
}

/** A message whose calls all have an id and arguments as text, as the next round's history needs them. */
function normalizeCall(call: JsonObject): JsonObject {
  const definition = isObject(call["function"]) ? call["function"] : {};
  const args = definition["arguments"];
  const text = typeof args === "string" ? args : args === undefined || args === null ? "" : JSON.stringify(args);
  const id = typeof call["id"] === "string" && call["id"] !== "" ? call["id"] : `call_${crypto.randomUUID().replaceAll("-", "")}`;
  return { ...call, id, type: call["type"] ?? "function", function: { ...definition, arguments: text === "" ? "{}" : text } };
}

const textOf = (value: unknown) => (typeof value === "string" ? value : "");

/** A collected answer as a round of the loop. Calls of custom tools are left as they are: they are the client's. */
export function readRound(collected: CollectedMessage): Round {
  const calls = objectsOf(collected.message["tool_calls"]).map((call) => (isObject(call["custom"]) ? call : normalizeCall(call)));
  return {
    ...collected,
    message: { role: "assistant", ...collected.message, ...(calls.length > 0 ? { tool_calls: calls } : {}) },
    calls: calls.map((call) => {
      const definition = isObject(call["function"]) ? call["function"] : isObject(call["custom"]) ? call["custom"] : {};
      return { id: textOf(call["id"]), name: textOf(definition["name"]), arguments: textOf(definition["arguments"]) };
    }),
  };
}

function callsOf(round: Round, calls: ToolCall[]): JsonObject[] {
  const ids = new Set(calls.map((call) => call.id));
  return objectsOf(round.message["tool_calls"]).filter((call) => ids.has(textOf(call["id"])));
}

/** What the client gets of a whole turn. */
export interface MergedTurn {
  message: JsonObject;
  finishReason: string;
  usage: Usage | null;
}

/** One message out of all rounds: their texts joined, the last round's everything else, the client's calls only. */
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
    finishReason: withheld ? "stop" : (last.finishReason ?? (calls.length > 0 ? "tool_calls" : "stop")),
    usage: end.rounds.reduce<Usage | null>((sum, round) => addUsage(sum, round.usage), null),
  };
}
