/** One message out of the rounds of a turn, and one completion around it. */
import { joinTexts } from "../../openai/join-texts.ts";
import { isObject, objectsOf, type JsonObject } from "../../openai/json.ts";
import { mergeField } from "../../openai/merge-field.ts";
import { addUsage, type Usage } from "../../openai/usage.ts";
import { toolName } from "../../openai/chat-request.ts";
import type { MergedTurn, ToolCall } from "../dialect.ts";
import type { ChatRound } from "./chat-round.ts";

/** What a client of chat completions gets of a whole turn. */
export interface MergedChat extends MergedTurn {
  logprobs: JsonObject | null;
}

/** What the client gets of a turn that has ended. */
export interface EndedRounds {
  rounds: ChatRound[];
  /** The last round's calls that are the client's to run. */
  clientCalls: ToolCall[];
}

function callsOf({ message }: ChatRound, calls: ToolCall[]): JsonObject[] {
  const ids = new Set<unknown>(calls.map((call) => call.id));
  return objectsOf(message["tool_calls"]).filter((call) => ids.has(call["id"]));
}

/** The log probabilities of the text that the client gets. */
function joinLogprobs(rounds: ChatRound[], wantsJson: boolean): JsonObject | null {
  const joined: JsonObject = {};
  const shown = wantsJson ? rounds.slice(-1) : rounds;
  for (const { logprobs } of shown) if (logprobs !== null) mergeField(joined, "all", logprobs);
  return isObject(joined["all"]) ? joined["all"] : null;
}

/**
 * The texts of all rounds as one. Where the answer must be JSON it is the last round's document
 * alone: two documents, or words before one, would be none.
 */
function textsOf(messages: JsonObject[], wantsJson: boolean): JsonObject {
  const texts = joinTexts(messages, wantsJson);
  if (!wantsJson || messages.length < 2) return texts;
  const last = joinTexts(messages.slice(-1), wantsJson);
  return { ...texts, content: last["content"] ?? null };
}

/** One message out of all rounds: their texts joined, the last round's everything else, the client's calls only. */
export function mergeRounds({ rounds, clientCalls }: EndedRounds, wantsJson: boolean): MergedChat {
  const last = rounds.at(-1);
  if (last === undefined) throw new Error("A turn has at least one round");
  const { tool_calls: _calls, ...message } = last.message;
  const calls = callsOf(last, clientCalls);
  const messages = rounds.map((round) => round.message);
  const isWithheld = last.finishReason === "tool_calls" && calls.length === 0;
  const usual = calls.length > 0 ? "tool_calls" : "stop";
  return {
    message: {
      ...message,
      ...textsOf(messages, wantsJson),
      ...(calls.length > 0 ? { tool_calls: calls } : {}),
    },
    logprobs: joinLogprobs(rounds, wantsJson),
    finishReason: isWithheld ? "stop" : (last.finishReason ?? usual),
    usage: rounds.reduce<Usage | null>((sum, { usage }) => addUsage(sum, usage), null),
  };
}

/** What the client has of a turn that was broken off: the rounds that ended, and what came of the one that did not. */
export function brokenOffMessage(
  rounds: ChatRound[],
  soFar: ChatRound | null,
  chat: { wantsJson: boolean; isServerTool(name: string): boolean },
): JsonObject {
  const all = soFar === null ? rounds : [...rounds, soFar];
  const messages = all.map((round) => round.message);
  const isOwn = (call: JsonObject) => !chat.isServerTool(toolName(call) ?? "");
  const calls = objectsOf(soFar?.message["tool_calls"]).filter(isOwn);
  return {
    role: "assistant",
    content: null,
    ...joinTexts(messages, chat.wantsJson),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  };
}

/** Members of a completion that are one per turn: the first round's, as a stream has to have them. */
const ONCE_PER_TURN = ["id", "created", "model", "system_fingerprint"];

/** The completion that a client gets whole, with all that the last round's had. */
export function wholeCompletion(rounds: ChatRound[], merged: MergedChat): JsonObject {
  const first = rounds[0]?.completion ?? {};
  const last = rounds.at(-1)?.completion ?? {};
  const { usage: _usage, ...members } = last;
  const choice = objectsOf(last["choices"])[0] ?? {};
  const once = ONCE_PER_TURN.filter((name) => Object.hasOwn(first, name)).map((name) => [
    name,
    first[name],
  ]);
  return {
    ...members,
    ...Object.fromEntries(once),
    choices: [
      {
        ...choice,
        message: merged.message,
        ...(merged.logprobs === null ? {} : { logprobs: merged.logprobs }),
        finish_reason: merged.finishReason,
      },
    ],
    ...(merged.usage === null ? {} : { usage: merged.usage }),
  };
}
