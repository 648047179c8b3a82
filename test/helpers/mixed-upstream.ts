/**
 * An upstream that answers a script of rounds in either dialect, streamed or whole as it was asked,
 * and that is as strict about histories as OpenAI is: a call without its result, or a result
 * without its call, is a 400.
 */
import { functionCall, message, reasoning, refusal, says } from "./responses-upstream.ts";
import {
  chunk,
  completion,
  events,
  json,
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

/** A round as a response. */
function responseTo(round: ScriptedRound, index: number): Answer {
  const { text, calls = [] } = round;
  const { prompt_tokens, completion_tokens, total_tokens, ...details } = usageOf(index);
  const usage = {
    input_tokens: prompt_tokens,
    output_tokens: completion_tokens,
    total_tokens,
    input_tokens_details: details["prompt_tokens_details"],
    output_tokens_details: details["completion_tokens_details"],
  };
  const output = [
    ...(round.reasoning === undefined ? [] : [reasoning(round.reasoning)]),
    ...(text === undefined ? [] : [message(text)]),
    ...(round.refusal === undefined ? [] : [refusal(round.refusal)]),
    ...calls.map((call) => functionCall(call.id, call.name, call.arguments)),
  ];
  return says(output, { usage, model: "gpt-test" });
}

function answerOf(round: ScriptedRound, index: number): Answer {
  return (request, response) => {
    const body = request.json();
    const fault = faultOf(historyIn(body));
    const error = { message: fault, type: "invalid_request_error", param: "messages", code: null };
    if (fault !== null) return json({ error }, 400)(request, response);
    if (request.url.endsWith("/responses")) return responseTo(round, index)(request, response);
    const { include_usage: asked } = (body["stream_options"] ?? {}) as { include_usage?: boolean };
    return (
      body["stream"] === true ? streamOf(round, index, asked === true) : wholeOf(round, index)
    )(request, response);
  };
}

const SURPLUS: Answer = json(
  { error: { message: "The script has ended", type: "invalid_request_error" } },
  400,
);

/** Starts an upstream that gives these rounds in turn, and refuses to be asked more often. */
export function startRounds(...rounds: ScriptedRound[]): Promise<ScriptedUpstream> {
  return startUpstream(...rounds.map(answerOf), SURPLUS);
}

/** OpenAI's words, of September 2026. */
const NO_TOOLS =
  "Function tools with reasoning_effort are not supported for gpt-test in /v1/chat/completions. " +
  "To use function tools, use /v1/responses or set reasoning_effort to 'none'.";

/**
 * The same with a model that takes no tools on chat completions, whatever it is asked. What it
 * refuses is none of its requests.
 */
export async function startRoundsOverResponses(
  ...rounds: ScriptedRound[]
): Promise<ScriptedUpstream> {
  const error = { message: NO_TOOLS, type: "invalid_request_error", param: "reasoning_effort" };
  const strict = (answer: Answer): Answer => {
    return (request, response) => {
      const isChat = request.url.endsWith("/chat/completions");
      if (!isChat || request.json()["tools"] === undefined) return answer(request, response);
      upstream.requests.pop();
      return json({ error }, 400)(request, response);
    };
  };
  const upstream = await startUpstream(...rounds.map(answerOf).map(strict), SURPLUS);
  return upstream;
}

/** A history, whichever dialect it is in: an answer of several items is one message. */
function historyIn(body: Json): HistoryMessage[] {
  if (body["messages"] !== undefined) return body["messages"] as HistoryMessage[];
  const messages: HistoryMessage[] = [];
  for (const { type, call_id: id, output, name, arguments: args, ...item } of body[
    "input"
  ] as Json[]) {
    if (type === "function_call_output")
      messages.push({ role: "tool", tool_call_id: String(id), content: output });
    if (item["role"] !== undefined) messages.push(item as HistoryMessage);
    if (type !== "function_call") continue;
    if (messages.at(-1)?.role !== "assistant") messages.push({ role: "assistant" });
    const call = {
      id: String(id),
      type: "function",
      function: { name: String(name), arguments: String(args) },
    };
    (messages.at(-1) as HistoryMessage).tool_calls ??= [];
    messages.at(-1)?.tool_calls?.push(call);
  }
  return messages;
}

/** The names of the tools that the upstream's nth request offered, from 0. */
export function offeredIn(upstream: ScriptedUpstream, index: number): (string | undefined)[] {
  const tools = bodyOf(upstream, index)["tools"] as {
    name?: string;
    function?: { name: string };
  }[];
  return tools.map((tool) => tool.function?.name ?? tool.name);
}

function bodyOf(upstream: ScriptedUpstream, index: number): Json {
  const request = upstream.requests[index];
  if (request === undefined)
    throw new Error(`The upstream was asked ${upstream.requests.length} times only`);
  return request.json();
}

/** Text is text, whether a client spells it as a string or as parts. */
function textOf(content: unknown): string {
  if (content === null || content === undefined) return "";
  if (typeof content === "string") return content;
  const texts = (content as { type: string; text?: string }[]).map((part) =>
    /^(?:input_|output_)?text$/.test(part.type) ? part.text : `(${part.type})`,
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
  return historyIn(bodyOf(upstream, index)).map(lineOf);
}
