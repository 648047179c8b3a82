/** An upstream that speaks the Responses API as OpenAI does, by a test's script. */
import type { Answer } from "./upstream.ts";

type Json = Record<string, unknown>;

let count = 0;

/** An id that no other item of this process has. */
const newId = (prefix: string) => `${prefix}_${String(++count).padStart(6, "0")}`;

/** A message of the model. */
export const message = (text: string, more: Json = {}): Json => ({
  id: newId("msg"),
  type: "message",
  status: "completed",
  role: "assistant",
  content: [{ type: "output_text", annotations: [], logprobs: [], text }],
  ...more,
});

/** A refusal. */
export const refusal = (text: string): Json => ({
  ...message(""),
  content: [{ type: "refusal", refusal: text }],
});

/** A call of a function. */
export const functionCall = (
  callId: string,
  name: string,
  args: unknown,
  more: Json = {},
): Json => ({
  id: newId("fc"),
  type: "function_call",
  status: "completed",
  arguments: typeof args === "string" ? args : JSON.stringify(args),
  call_id: callId,
  name,
  ...more,
});

/** What a model reasoned; encrypted where the request asks for it. */
export const reasoning = (summary: string, more: Json = {}): Json => ({
  id: newId("rs"),
  type: "reasoning",
  summary: summary === "" ? [] : [{ type: "summary_text", text: summary }],
  ...more,
});

const USAGE = {
  input_tokens: 10,
  input_tokens_details: { cached_tokens: 2, cache_write_tokens: 0 },
  output_tokens: 5,
  output_tokens_details: { reasoning_tokens: 1 },
  total_tokens: 15,
};

/** The response to a request. */
export function responseOf(body: Json, output: Json[], more: Json = {}): Json {
  const given = (name: string, usual: unknown) => body[name] ?? usual;
  return {
    id: newId("resp"),
    object: "response",
    created_at: 1_700_000_000,
    status: "completed",
    background: false,
    error: null,
    incomplete_details: null,
    instructions: given("instructions", null),
    max_output_tokens: null,
    max_tool_calls: given("max_tool_calls", null),
    model: "gpt-test-2026-11-01",
    output,
    parallel_tool_calls: true,
    previous_response_id: given("previous_response_id", null),
    reasoning: { effort: null, summary: null },
    store: given("store", true),
    temperature: 1,
    text: given("text", { format: { type: "text" } }),
    tool_choice: given("tool_choice", "auto"),
    tools: given("tools", []),
    top_p: 1,
    truncation: "disabled",
    usage: USAGE,
    metadata: given("metadata", {}),
    ...more,
  };
}

/** Two pieces of a text, or one where it is short. */
function piecesOf(text: string): string[] {
  const middle = Math.ceil(text.length / 2);
  return text.length < 2 ? [text] : [text.slice(0, middle), text.slice(middle)];
}

const NO_TEXT = ["", "", ""] as const;
const TEXTS: Record<string, readonly [delta: string, done: string, member: string]> = {
  output_text: ["response.output_text.delta", "response.output_text.done", "text"],
  refusal: ["response.refusal.delta", "response.refusal.done", "refusal"],
  summary_text: [
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.done",
    "text",
  ],
};

/** The events of one part. */
function partEvents(part: Json, place: Json, frame: string): Json[] {
  const [delta, done, member] = TEXTS[String(part["type"])] ?? NO_TEXT;
  const text = String(part[member]);
  const beside = part["type"] === "output_text" ? { logprobs: [] } : {};
  const pieces = text === "" ? [] : piecesOf(text);
  return [
    { type: `${frame}.added`, ...place, part: { ...part, [member]: "" } },
    ...pieces.map((piece) => ({
      type: delta,
      ...place,
      delta: piece,
      ...beside,
      obfuscation: "x",
    })),
    { type: done, ...place, [member]: text, ...beside },
    { type: `${frame}.done`, ...place, part },
  ];
}

const callEvents = (item: Json, place: Json): Json[] => [
  ...piecesOf(String(item["arguments"])).map((delta) => ({
    type: "response.function_call_arguments.delta",
    ...place,
    delta,
  })),
  {
    type: "response.function_call_arguments.done",
    ...place,
    name: item["name"],
    arguments: item["arguments"],
  },
];

/** The events of one item. */
function itemEvents(item: Json, output_index: number): Json[] {
  const place = { item_id: item["id"], output_index };
  const content = (item["content"] ?? []) as Json[];
  const summary = (item["summary"] ?? []) as Json[];
  const empty: Json = { ...item };
  if (item["type"] === "message") Object.assign(empty, { content: [], status: "in_progress" });
  if (item["type"] === "function_call")
    Object.assign(empty, { arguments: "", status: "in_progress" });
  if (item["type"] === "reasoning") empty["summary"] = [];
  return [
    { type: "response.output_item.added", output_index, item: empty },
    ...summary.flatMap((part, summary_index) =>
      partEvents(part, { ...place, summary_index }, "response.reasoning_summary_part"),
    ),
    ...content.flatMap((part, content_index) =>
      partEvents(part, { ...place, content_index }, "response.content_part"),
    ),
    ...(item["type"] === "function_call" ? callEvents(item, place) : []),
    { type: "response.output_item.done", output_index, item },
  ];
}

const END: Record<string, string> = {
  completed: "response.completed",
  incomplete: "response.incomplete",
  failed: "response.failed",
};

/** The events of a response, numbered. */
export function responseEvents(response: Json): Json[] {
  const begun = { ...response, status: "in_progress", output: [], usage: null };
  const output = response["output"] as Json[];
  const events = [
    { type: "response.created", response: begun },
    { type: "response.in_progress", response: begun },
    ...output.flatMap((item, index) => itemEvents(item, index)),
    { type: END[String(response["status"])] ?? "response.completed", response },
  ];
  return events.map((event, sequence_number) => ({ ...event, sequence_number }));
}

/** The text of events as OpenAI writes them. */
export const eventText = (event: Json): string =>
  `event: ${String(event["type"])}\ndata: ${JSON.stringify(event)}\n\n`;

/** Encrypted content is given to who asks for it. */
function asAsked(item: Json, body: Json): Json {
  const include = (body["include"] ?? []) as unknown[];
  const isAsked = include.includes("reasoning.encrypted_content");
  if (item["type"] !== "reasoning" || !isAsked) return item;
  return { encrypted_content: `sealed ${String(item["id"])}`, ...item };
}

/** Answers the way it is asked: streamed or whole. */
export function says(output: Json[], more: Json = {}): Answer {
  return async (request, response) => {
    const body = request.json();
    const items = output.map((item) => asAsked(item, body));
    const answer = responseOf(body, items, more);
    if (body["stream"] !== true) {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const event of responseEvents(answer)) {
      response.write(eventText(event));
      await new Promise((resolve) => setImmediate(resolve));
    }
    response.end();
  };
}
