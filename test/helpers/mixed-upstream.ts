/**
 * An upstream that answers a script of rounds, streamed or whole as it was asked, and that is as
 * strict about histories as OpenAI is: a call without its result, or a result without its call, is
 * a 400.
 */
import {
  chunk,
  completion,
  events,
  json,
  sentMessages,
  startUpstream,
  type Answer,
  type ScriptedUpstream,
} from "./upstream.ts";

/** A call that the model makes. `arguments` is JSON text, in the model's own spelling. */
interface ScriptedCall {
  id: string;
  name: string;
  arguments: string;
}

/** What the model answers in one round. */
export interface ScriptedRound {
  text?: string;
  reasoning?: string;
  refusal?: string;
  calls?: ScriptedCall[];
  /** Where it is not the usual one for an answer with, or without, calls. */
  finishReason?: string;
}

type Json = Record<string, unknown>;

interface HistoryMessage extends Json {
  role: string;
  content?: unknown;
  tool_call_id?: string;
  tool_calls?: { id: string; type: string; function: { name: string; arguments: string } }[];
}

/**
 * The tokens of the nth request, from 0: different ones for each, so that a sum tells which rounds
 * it counted.
 */
function usageOf(index: number): Json {
  const [prompt, answer] = [100 * (index + 1), 7 * (index + 1)];
  return {
    prompt_tokens: prompt,
    completion_tokens: answer,
    total_tokens: prompt + answer,
    prompt_tokens_details: { cached_tokens: 10 * (index + 1), audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: index + 1, audio_tokens: 0 },
  };
}

/** What all clients can tell of the tokens of some requests. */
export interface TokenSum {
  input: number;
  cached: number;
  output: number;
  reasoning: number;
  total: number;
}

/** The tokens of these requests together. */
export function tokensOf(...requests: number[]): TokenSum {
  const weight = requests.reduce((sum, index) => sum + index + 1, 0);
  return {
    input: 100 * weight,
    cached: 10 * weight,
    output: 7 * weight,
    reasoning: weight,
    total: 107 * weight,
  };
}

/** A text in pieces that a stream may bring it in. */
const pieces = (text: string, length: number): string[] =>
  text.match(new RegExp(`[^]{1,${length}}`, "gu")) ?? [];

/**
 * Why OpenAI would refuse this history, or null.
 * https://platform.openai.com/docs/guides/function-calling
 */
function faultOf(messages: HistoryMessage[]): string | null {
  let open = new Set<string>();
  for (const { role, tool_calls: calls, tool_call_id: id } of messages) {
    if (role === "tool") {
      if (id === undefined || !open.delete(id))
        return `Messages with role 'tool' must answer a preceding call once: ${id}`;
      continue;
    }
    if (open.size > 0)
      return `These tool_call_ids did not have response messages: ${[...open].join(", ")}`;
    open = new Set(calls?.map((call) => call.id));
  }
  return open.size > 0
    ? `These tool_call_ids did not have response messages: ${[...open].join(", ")}`
    : null;
}

const fragmentsOf = (call: ScriptedCall, index: number): Json[] => [
  { index, id: call.id, type: "function", function: { name: call.name, arguments: "" } },
  ...pieces(call.arguments, 5).map((part) => ({ index, function: { arguments: part } })),
];

function streamOf(round: ScriptedRound, index: number, asked: boolean): Answer {
  const more = { id: `chatcmpl-round-${index}`, ...(asked ? { usage: null } : {}) };
  const finish = round.finishReason ?? (round.calls === undefined ? "stop" : "tool_calls");
  const deltas = [
    { role: "assistant", content: round.text === undefined ? null : "", refusal: null },
    ...pieces(round.reasoning ?? "", 6).map((part) => ({ reasoning_content: part })),
    ...pieces(round.refusal ?? "", 6).map((part) => ({ refusal: part })),
    ...pieces(round.text ?? "", 6).map((part) => ({ content: part })),
    ...(round.calls ?? []).flatMap(fragmentsOf).map((fragment) => ({ tool_calls: [fragment] })),
  ];
  const usage = asked ? [{ ...chunk({}, null, more), choices: [], usage: usageOf(index) }] : [];
  return events(
    ...deltas.map((delta) => chunk(delta, null, more)),
    chunk({}, finish, more),
    ...usage,
  );
}

function wholeOf(
  { text, reasoning, refusal, calls, finishReason }: ScriptedRound,
  index: number,
): Answer {
  const message = {
    role: "assistant",
    content: text ?? null,
    refusal: refusal ?? null,
    ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
    ...(calls === undefined
      ? {}
      : {
          tool_calls: calls.map(({ id, ...definition }) => ({
            id,
            type: "function",
            function: definition,
          })),
        }),
  };
  const finish = finishReason ?? (calls === undefined ? "stop" : "tool_calls");
  const choices = [{ index: 0, message, logprobs: null, finish_reason: finish }];
  return completion({}, { id: `chatcmpl-round-${index}`, choices, usage: usageOf(index) });
}

function answerOf(round: ScriptedRound, index: number): Answer {
  return (request, response) => {
    const body = request.json();
    const fault = faultOf(body["messages"] as HistoryMessage[]);
    const error = { message: fault, type: "invalid_request_error", param: "messages", code: null };
    if (fault !== null) return json({ error }, 400)(request, response);
    const { include_usage: asked } = (body["stream_options"] ?? {}) as { include_usage?: boolean };
    return (
      body["stream"] === true ? streamOf(round, index, asked === true) : wholeOf(round, index)
    )(request, response);
  };
}

/** Starts an upstream that gives these rounds in turn, and refuses to be asked more often. */
export function startRounds(...rounds: ScriptedRound[]): Promise<ScriptedUpstream> {
  const surplus: Answer = json(
    { error: { message: "The script has ended", type: "invalid_request_error" } },
    400,
  );
  return startUpstream(...rounds.map(answerOf), surplus);
}

/** Text is text, whether a client spells it as a string or as parts. */
function textOf(content: unknown): string {
  if (content === null || content === undefined) return "";
  if (typeof content === "string") return content;
  const texts = (content as { type: string; text?: string }[]).map((part) =>
    part.type === "text" ? part.text : `(${part.type})`,
  );
  return texts.join("");
}

function lineOf(message: HistoryMessage): string {
  const calls = (message.tool_calls ?? []).map(
    (call) => ` [${call.id} ${call.function.name} ${call.function.arguments}]`,
  );
  const from =
    message.tool_call_id === undefined ? message.role : `${message.role} ${message.tool_call_id}`;
  return `${from}: ${textOf(message.content)}${calls.join("")}`;
}

/**
 * The messages of the upstream's nth request, from 0, one line each: `assistant: text [call_1 add
 * {"a":2}]`, `tool call_1: 5`.
 */
export function historyOf(upstream: ScriptedUpstream, index: number): string[] {
  return (sentMessages(upstream, index) as HistoryMessage[]).map(lineOf);
}
