/** An upstream that says the same in whichever dialect it is asked. */
import { setImmediate } from "node:timers/promises";
import { specFaults } from "./openai-spec.ts";
import {
  eventText,
  functionCall,
  message,
  reasoning,
  responseEvents,
  responseOf,
} from "./responses-upstream.ts";
import { chunk, toolCall, type Answer } from "./upstream.ts";

type Json = Record<string, unknown>;

/** What a model says in one round; an empty text is none. */
export interface SaidRound {
  reasoning?: string;
  content?: string;
  refusal?: string;
  /** Its calls, each with the JSON text of its arguments. */
  calls?: { id: string; name: string; arguments: string }[];
  /** Why it ends before it is whole. */
  cutBy?: "length" | "content_filter";
  /** Tokens. Null: upstream does not say. */
  usage?: { prompt: number; cached: number; completion: number; reasoning: number } | null;
}

/** How a stream is written. */
export interface Writes {
  /** Where its bytes are cut into writes. */
  cuts: number[];
  lineEnd: "\n" | "\r\n";
  /** Events of responses that are not sent, as some servers do not. */
  leftOut?: string[];
}

const USUAL = { prompt: 10, cached: 2, completion: 5, reasoning: 1 };

const usageOf = ({ usage = USUAL }: SaidRound) => usage;

/** Usage as chat completions have it. */
function chatUsage(round: SaidRound): Json | null {
  const usage = usageOf(round);
  if (usage === null) return null;
  return {
    prompt_tokens: usage.prompt,
    completion_tokens: usage.completion,
    total_tokens: usage.prompt + usage.completion,
    prompt_tokens_details: { cached_tokens: usage.cached, cache_write_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: usage.reasoning },
  };
}

/** The same as responses have it. */
function responseUsage(round: SaidRound): Json | null {
  const usage = usageOf(round);
  if (usage === null) return null;
  return {
    input_tokens: usage.prompt,
    input_tokens_details: { cached_tokens: usage.cached, cache_write_tokens: 0 },
    output_tokens: usage.completion,
    output_tokens_details: { reasoning_tokens: usage.reasoning },
    total_tokens: usage.prompt + usage.completion,
  };
}

const textsOf = ({ reasoning: thought, content, refusal }: SaidRound): Json =>
  Object.fromEntries(
    Object.entries({ reasoning_content: thought, content, refusal }).filter(
      ([, text]) => text !== undefined && text !== "",
    ),
  );

const callsOf = ({ calls = [] }: SaidRound): Json[] =>
  calls.map(({ id, name, arguments: args }) => toolCall(id, name, args));

const finishReason = ({ calls = [], cutBy }: SaidRound): string =>
  cutBy ?? (calls.length > 0 ? "tool_calls" : "stop");

/** A round as a whole completion. */
function completionOf(round: SaidRound): Json {
  const calls = callsOf(round);
  const said = {
    role: "assistant",
    content: null,
    refusal: null,
    ...textsOf(round),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
  const choice = { index: 0, message: said, logprobs: null, finish_reason: finishReason(round) };
  const { object: _object, ...head } = chunk({});
  return { ...head, object: "chat.completion", choices: [choice], usage: chatUsage(round) };
}

const halves = (text: string): string[] => [
  text.slice(0, Math.ceil(text.length / 2)),
  text.slice(Math.ceil(text.length / 2)),
];

/** The chunks of a round. */
function chunksOf(round: SaidRound): Json[] {
  const texts = Object.entries(textsOf(round)).flatMap(([field, text]) =>
    halves(text as string).map((piece) => chunk({ [field]: piece })),
  );
  const calls = (round.calls ?? []).flatMap(({ id, name, arguments: args }, index) => {
    const [first = "", second = ""] = halves(args);
    const begun = { index, id, type: "function", function: { name, arguments: first } };
    const more = { index, function: { arguments: second } };
    return [chunk({ tool_calls: [begun] }), chunk({ tool_calls: [more] })];
  });
  const usage = chatUsage(round);
  const end = chunk({}, finishReason(round));
  const counted = usage === null ? [] : [{ ...chunk({}), choices: [], usage }];
  return [chunk({ role: "assistant", content: "" }), ...texts, ...calls, end, ...counted];
}

/** The items of a round. */
function outputOf(round: SaidRound): Json[] {
  const { reasoning: thought = "", content = "", refusal = "", calls = [] } = round;
  const text = { type: "output_text", annotations: [], logprobs: [], text: content };
  const refused = { type: "refusal", refusal };
  const parts = [...(content === "" ? [] : [text]), ...(refusal === "" ? [] : [refused])];
  const status = round.cutBy === undefined ? "completed" : "incomplete";
  return [
    ...(thought === "" ? [] : [reasoning(thought)]),
    ...(parts.length === 0 ? [] : [message("", { content: parts, status })]),
    ...calls.map(({ id, name, arguments: args }) => functionCall(id, name, args, { status })),
  ];
}

const REASONS = { length: "max_output_tokens", content_filter: "content_filter" };

/** A round as the response to a request. */
function responseIn(body: Json, round: SaidRound): Json {
  const { cutBy } = round;
  const cut =
    cutBy === undefined
      ? {}
      : { status: "incomplete", incomplete_details: { reason: REASONS[cutBy] } };
  const include = (body["include"] ?? []) as unknown[];
  const isSealed = include.includes("reasoning.encrypted_content");
  const output = outputOf(round).map((item) =>
    item["type"] === "reasoning" && isSealed
      ? { ...item, encrypted_content: `sealed ${String(item["id"])}` }
      : item,
  );
  return responseOf(body, output, { ...cut, usage: responseUsage(round) });
}

/**
 * An item as the document can judge it: it wants ids for answers in parts, which the API does not,
 * and calls a message in parts two things at once, but not a result in the same parts.
 */
function judged(item: Json): Json {
  if (!Array.isArray(item["content"])) return item;
  return item["role"] === "assistant"
    ? { type: "message", id: "msg_1", status: "completed", ...item }
    : { type: "function_call_output", call_id: "c", output: item["content"] };
}

/**
 * Where a request is none that the Responses API takes, in words: by its document, and by its
 * rules for calls and reasoning.
 */
export function requestFaults(body: Json): string[] {
  const input = body["input"] as Json[];
  const faults = specFaults("CreateResponse", { ...body, input: input.map(judged) });
  const idsOf = (pattern: RegExp) =>
    input
      .filter(({ type }) => pattern.test(String(type)))
      .map((item) => String(item["call_id"]))
      .toSorted();
  const [called, answered] = [idsOf(/_call$/), idsOf(/_call_output$/)];
  if (called.join() !== answered.join())
    faults.push(`calls ${called.join()} and results ${answered.join()}`);
  for (const [index, { type }] of input.entries()) {
    const next = input[index + 1];
    const isFollowed =
      next?.["role"] === "assistant" || /_call$|^reason/.test(String(next?.["type"]));
    if (type === "reasoning" && !isFollowed) faults.push(`nothing came of the reasoning ${index}`);
  }
  return faults;
}

const dataText = (payload: Json) => `data: ${JSON.stringify(payload)}\n\n`;

/** The whole stream of a round. */
function streamOf(isChat: boolean, body: Json, round: SaidRound, { leftOut = [] }: Writes): string {
  if (isChat) return `${chunksOf(round).map(dataText).join("")}data: [DONE]\n\n`;
  const events = responseEvents(responseIn(body, round));
  return events
    .filter(({ type }) => !leftOut.includes(String(type)))
    .map(eventText)
    .join("");
}

function writesOf(text: string, { cuts, lineEnd }: Writes): Uint8Array[] {
  const bytes = new TextEncoder().encode(text.replaceAll("\n", lineEnd));
  const ends = [...cuts.toSorted((a, b) => a - b), bytes.byteLength];
  return ends.map((end, index) => bytes.slice(ends[index - 1] ?? 0, end));
}

/** A round in the dialect in which it is asked for, streamed or whole. */
export function saysInBoth(
  round: SaidRound,
  writes: Writes = { cuts: [40, 900], lineEnd: "\n" },
): Answer {
  return async (request, response) => {
    const body = request.json();
    const isChat = request.url.endsWith("/chat/completions");
    if (body["stream"] !== true) {
      const answer = isChat ? completionOf(round) : responseIn(body, round);
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const bytes of writesOf(streamOf(isChat, body, round, writes), writes)) {
      response.write(bytes);
      await setImmediate();
    }
    response.end();
  };
}
