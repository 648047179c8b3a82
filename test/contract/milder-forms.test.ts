/**
 * Upstreams that refuse a round for what the proxy added to it, in their own words: the client sees
 * an answer, because it is asked for again in the mildest form.
 */
import { describe, expect, it } from "vitest";
import { ask, post, readStream, readWhole } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import {
  chunk,
  completion,
  events,
  json,
  startUpstream,
  type Answer,
  type ScriptedUpstream,
} from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const hasTools = (body: Json): boolean => Array.isArray(body["tools"]);
const countOf = (body: Json): number => (body["tools"] as unknown[] | undefined)?.length ?? 0;
const openai = (message: string, more: Json = {}): Json => ({
  error: { message, type: "invalid_request_error", param: null, code: null, ...more },
});

/** What an upstream does not take, how it says so, and how it is asked again. */
interface Refusal {
  status: number;
  words: unknown;
  refuses(body: Json): boolean;
  /** What the client asks for beside a question. */
  asks?: Json;
  /** What the second body has beside the client's own members; absent: not one byte. */
  again?(tools: unknown): Json;
  /** Whether it is about streams alone. */
  streamedOnly?: true;
  /** How many tools the key has. */
  tools?: number;
}

const USAGE = { stream_options: { include_usage: true } };

const REFUSALS: Record<string, Refusal> = {
  "OpenAI's gpt-5.4: tools beside the reasoning that the client asked for": {
    status: 400,
    words: openai(
      "Function tools with reasoning_effort are not supported for gpt-5.4 in " +
        "/v1/chat/completions. To use function tools, use /v1/responses or set " +
        "reasoning_effort to 'none'.",
      { param: "reasoning_effort" },
    ),
    refuses: (body) => hasTools(body) && body["reasoning_effort"] !== "none",
    asks: { reasoning_effort: "high" },
    again: (tools) => ({ reasoning_effort: "none", tools }),
  },
  "OpenAI's gpt-5.6: tools, whatever the client asked for": {
    status: 400,
    words: openai(
      "Function tools with reasoning_effort are not supported for gpt-5.6 in " +
        "/v1/chat/completions. To use function tools, use /v1/responses or set " +
        "reasoning_effort to 'none'.",
      { param: "reasoning_effort" },
    ),
    refuses: (body) => hasTools(body) && body["reasoning_effort"] !== "none",
    again: (tools) => ({ reasoning_effort: "none", tools }),
  },
  "Groq: tools beside a JSON format": {
    status: 400,
    words: openai("json mode cannot be combined with tool/function calling"),
    refuses: hasTools,
    asks: { response_format: { type: "json_object" } },
  },
  "Ollama: a model without tools": {
    status: 400,
    words: openai("registry.ollama.ai/library/gemma2:2b does not support tools", {
      type: "api_error",
    }),
    refuses: hasTools,
  },
  "vLLM, started without a parser of calls": {
    status: 400,
    words: {
      object: "error",
      message:
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
      type: "BadRequestError",
      param: null,
      code: 400,
    },
    refuses: hasTools,
  },
  "llama.cpp, started without --jinja": {
    status: 500,
    words: {
      error: { code: 500, message: "tools param requires --jinja flag", type: "server_error" },
    },
    refuses: hasTools,
  },
  "Mistral: stream_options": {
    status: 422,
    words: {
      object: "error",
      message: {
        detail: [
          {
            type: "extra_forbidden",
            loc: ["body", "stream_options"],
            msg: "Extra inputs are not permitted",
            input: { include_usage: true },
          },
        ],
      },
      type: "invalid_request_error",
      param: null,
      code: null,
    },
    refuses: (body) => "stream_options" in body,
    again: (tools) => ({ tools }),
    streamedOnly: true,
  },
  "Gemini: tools beside a JSON format": {
    status: 400,
    words: [
      {
        error: {
          code: 400,
          message: "Function calling with a response mime type: 'application/json' is unsupported",
          status: "INVALID_ARGUMENT",
        },
      },
    ],
    refuses: hasTools,
    asks: { response_format: { type: "json_object" } },
  },
  "OpenRouter: no provider of the model takes tools": {
    status: 404,
    words: { error: { message: "No endpoints found that support tool use.", code: 404 } },
    refuses: hasTools,
  },
  "OpenAI: the 129th tool": {
    status: 400,
    words: openai(
      "Invalid 'tools': array too long. Expected an array with maximum length 128, but got an " +
        "array with length 129 instead.",
      { param: "tools", code: "array_above_max_length" },
    ),
    refuses: (body) => countOf(body) > 128,
    asks: { tools: Array.from({ length: 127 }, (_, index) => clientTool(`own_${index}`)) },
    again: (tools) => ({ tools: (tools as unknown[]).slice(0, 128) }),
    tools: 2,
  },
  "a smaller limit of tools, in other words": {
    status: 422,
    words: { detail: "tools: List should have at most 2 items after validation, not 3" },
    refuses: (body) => countOf(body) > 2,
    again: (tools) => ({ tools: (tools as unknown[]).slice(0, 2) }),
    tools: 3,
  },
  "OpenAI: tools beside a prediction": {
    status: 400,
    words: openai("Prediction is not supported with tools.", { param: "prediction" }),
    refuses: hasTools,
    asks: { prediction: { type: "content", content: "2+3=5" } },
  },
  "an upstream that does not say why": {
    status: 400,
    words: { error: "Bad Request" },
    refuses: hasTools,
  },
};

function clientTool(name: string): Json {
  return { type: "function", function: { name, parameters: { type: "object" } } };
}

/** "5", the way it was asked for. */
const five: Answer = (request, response) => {
  const answer =
    request.json()["stream"] === true
      ? events(chunk({ role: "assistant", content: "5" }), chunk({}, "stop"))
      : completion({ content: "5" });
  return answer(request, response);
};

const picky =
  ({ status, words, refuses }: Pick<Refusal, "status" | "words" | "refuses">): Answer =>
  (request, response) =>
    (refuses(request.json()) ? json(words, status) : five)(request, response);

const FIVE = {
  name: "add",
  type: "function",
  parameters: { type: "object" },
  implementation: "return 5;",
};

/** A key with tools, and their names. */
interface PickyKey {
  key: string;
  names: string[];
  upstream: ScriptedUpstream;
}

async function keyAt(answer: Answer, tools = 1): Promise<PickyKey> {
  const upstream = await startUpstream(answer);
  const made: { id: string; name: string }[] = [];
  for (let index = 0; index < tools; index++) made.push(await proxy.createTool(FIVE));
  const toolIds = made.map(({ id }) => id);
  const fields = { toolIds, openaiBaseUrl: upstream.url, upstreamDialect: "chat" };
  const { key } = await proxy.createKey(fields);
  return { key, names: made.map(({ name }) => name), upstream };
}

const notesOf = async (response: Response): Promise<string[]> => {
  const id = response.headers.get("x-proxy-conversation-id") ?? "";
  return (await proxy.conversation(id)).rounds.flatMap(({ notes }) => notes);
};

/** Asks, expects "5", and gives the response for its headers. */
async function answered({ key, names }: PickyKey, body: Json): Promise<Response> {
  const response = await post(key, body);
  const text = await response.text();
  expect(response.status, text).toBe(200);
  const hidden = names[0] ?? "";
  const { content } = body["stream"] === true ? readStream(text, hidden) : readWhole(text, hidden);
  expect(content).toBe("5");
  return response;
}

const BOTH = [
  ["whole", {}],
  ["streamed", { stream: true }],
] as const;

describe.each(BOTH)(
  "A %s round that upstream refused for what was added is asked again",
  (way, more) => {
    const rows = Object.entries(REFUSALS).filter(
      ([, { streamedOnly }]) => way === "streamed" || streamedOnly !== true,
    );

    it.each(rows)("%s", async (_title, refusal) => {
      const { status, asks = {}, again, tools } = refusal;
      const key = await keyAt(picky(refusal), tools);
      const body = ask({ ...asks, ...more });
      const first = await answered(key, body);
      const { requests } = key.upstream;
      expect(requests).toHaveLength(2);
      const [refused, taken] = requests.map((request) => request.json());
      const usage = way === "streamed" && refusal.streamedOnly !== true ? USAGE : {};
      expect(refused).toMatchObject(way === "streamed" ? USAGE : {});
      expect(taken).toEqual({ ...body, ...usage, ...again?.(refused?.["tools"]) });
      const [note, ...others] = await notesOf(first);
      expect(note).toMatch(new RegExp(`^Asked again with.*: upstream refused with ${status}: `));
      expect(others).toEqual([]);
      // Now it is known: the next turn asks once, and says so.
      const second = await answered(key, { ...body, user: "another" });
      expect(requests).toHaveLength(3);
      expect(requests[2]?.json()).toEqual({ ...taken, user: "another" });
      expect(await notesOf(second)).toEqual([expect.stringMatching(/^Asked with.* before\.?$/)]);
    });
  },
);

describe("What upstream refused", () => {
  it("is remembered for its model, and for requests of that kind alone", async () => {
    const refusal = REFUSALS["Groq: tools beside a JSON format"];
    if (refusal === undefined) throw new Error("There is no such row");
    const refuses = (body: Json) => hasTools(body) && "response_format" in body;
    const key = await keyAt(picky({ ...refusal, refuses }));
    const format = { response_format: { type: "json_object" } };
    await answered(key, ask(format));
    await answered(key, ask());
    await answered(key, ask({ ...format, model: "another" }));
    const had = key.upstream.requests.map((request) => hasTools(request.json()));
    expect(had).toEqual([true, false, true, true, false]);
  });

  it("is remembered for that upstream, and asked for anew at another", async () => {
    const refusal = REFUSALS["Ollama: a model without tools"];
    if (refusal === undefined) throw new Error("There is no such row");
    await answered(await keyAt(picky(refusal)), ask());
    const other = await keyAt(five);
    await answered(other, ask());
    expect(other.upstream.requests.map((request) => hasTools(request.json()))).toEqual([true]);
  });

  it("is not remembered where the request was too long with the tools", async () => {
    const words = openai(
      "This model's maximum context length is 8192 tokens. However, your messages resulted in " +
        "8300 tokens (8000 in the messages, 300 in the functions). Please reduce the length of " +
        "the messages or functions.",
      { param: "messages", code: "context_length_exceeded" },
    );
    const isLong = (body: Json) => JSON.stringify(body).includes("long story");
    const refuses = (body: Json) => hasTools(body) && isLong(body);
    const key = await keyAt(picky({ status: 400, words, refuses }));
    await answered(key, ask({ messages: [{ role: "user", content: "a long story" }] }));
    await answered(key, ask());
    const had = key.upstream.requests.map((request) => hasTools(request.json()));
    expect(had).toEqual([true, false, true]);
  });

  it("does not lose tools for an hour where a server only stumbled", async () => {
    const { requests } = await stumble(500, "Traceback: in function call_next: broken pipe");
    expect(requests.map((request) => hasTools(request.json()))).toEqual([true, true]);
  });
});

/** An upstream that fails once; the client asks twice. */
async function stumble(status: number, message: string): Promise<ScriptedUpstream> {
  let failures = 0;
  const refuses = () => failures++ === 0;
  const key = await keyAt(picky({ status, words: { error: { message } }, refuses }));
  const first = await post(key.key, ask());
  expect([first.status, await first.json()]).toEqual([status, { error: { message } }]);
  await answered(key, ask());
  return key.upstream;
}

describe("What does not help", () => {
  it("is undone: without its tools a request is the client's own again, reasoning included", async () => {
    const refusal =
      REFUSALS["OpenAI's gpt-5.4: tools beside the reasoning that the client asked for"];
    if (refusal === undefined) throw new Error("There is no such row");
    const key = await keyAt(picky({ ...refusal, refuses: hasTools }));
    const body = ask({ reasoning_effort: "high" });
    await answered(key, body);
    expect(key.upstream.requests.map((request) => request.json())).toEqual([
      expect.objectContaining({ reasoning_effort: "high" }),
      expect.objectContaining({ reasoning_effort: "none" }),
      body,
    ]);
    await answered(key, body);
    expect(key.upstream.requests).toHaveLength(4);
    expect(key.upstream.requests[3]?.json()).toEqual(body);
  });
});

/** What is the client's own fault, and how often upstream is asked in all. */
const OWN_FAULTS: Record<string, Omit<Refusal, "refuses"> & { times: number }> = {
  "tools of its own that the model does not take": {
    status: 400,
    words: openai("registry.ollama.ai/library/gemma2:2b does not support tools"),
    asks: { tools: [clientTool("own")] },
    times: 2,
  },
  "tools of its own beside reasoning": {
    status: 400,
    words: openai(
      "Function tools with reasoning_effort are not supported for gpt-5.6 in " +
        "/v1/chat/completions. To use function tools, use /v1/responses or set " +
        "reasoning_effort to 'none'.",
      { param: "reasoning_effort" },
    ),
    asks: { tools: [clientTool("own")], reasoning_effort: "high" },
    times: 2,
  },
  "129 tools of its own": {
    status: 400,
    words: openai("Invalid 'tools': array too long. Expected an array with maximum length 128.", {
      param: "tools",
      code: "array_above_max_length",
    }),
    asks: { tools: Array.from({ length: 129 }, (_, index) => clientTool(`own_${index}`)) },
    times: 2,
  },
  "stream_options of its own": {
    status: 422,
    words: { detail: [{ type: "extra_forbidden", loc: ["body", "stream_options"] }] },
    asks: { stream: true, stream_options: { include_usage: true } },
    times: 1,
  },
  "a member of stream_options that nobody knows": {
    status: 400,
    words: openai("Unknown parameter: 'stream_options.colour'."),
    asks: { stream: true, stream_options: { colour: "red" } },
    times: 2,
  },
  "a model that there is not": {
    status: 404,
    words: openai("The model `gpt-9` does not exist", { code: "model_not_found" }),
    times: 1,
  },
  "a model that there is not, said with 400": {
    status: 400,
    words: openai("The model `gpt-9` does not exist", { code: "model_not_found" }),
    times: 1,
  },
  "words that a filter caught": {
    status: 400,
    words: openai("The response was filtered.", { param: "prompt", code: "content_filter" }),
    times: 1,
  },
  "a member with a wrong value": {
    status: 400,
    words: openai("Invalid type for 'temperature'", { param: "temperature" }),
    times: 2,
  },
  "a credential that does not work": {
    status: 401,
    words: openai("Incorrect API key provided", { code: "invalid_api_key" }),
    times: 1,
  },
  "too many requests": {
    status: 429,
    words: openai("Rate limit reached for tools", { code: "rate_limit_exceeded" }),
    times: 1,
  },
};

describe.each(BOTH)("The client's own fault, asked for %s, is upstream's to tell", (_way, more) => {
  it.each(Object.entries(OWN_FAULTS))("%s", async (_title, { status, words, asks, times }) => {
    const key = await keyAt(picky({ status, words, refuses: () => true }));
    const body = ask({ ...more, ...asks });
    const response = await post(key.key, body);
    expect([response.status, await response.json()]).toEqual([status, words]);
    expect(key.upstream.requests).toHaveLength(times);
    // What was refused either way is no reason to offer no tools the next time.
    await (await post(key.key, body)).text();
    expect(key.upstream.requests[times]?.json()).toMatchObject({
      tools: expect.arrayContaining([
        expect.objectContaining({ function: expect.objectContaining({ name: key.names[0] }) }),
      ]) as unknown,
    });
  });
});
