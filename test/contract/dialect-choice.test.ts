/**
 * In which dialect upstream is asked: by the settings, by the table of models, and by what
 * upstreams refused. The client sees nothing of it but a header; the record says why.
 */
import { describe, expect, it } from "vitest";
import { ask, post, readStream, readWhole } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import { postResponse, readResponse, sentBody } from "../helpers/response-turn.ts";
import { functionCall, message, says } from "../helpers/responses-upstream.ts";
import {
  chunk,
  completion,
  events,
  json,
  startUpstream,
  toolCall,
  usageChunk,
  type Answer,
  type ScriptedUpstream,
} from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const ADD = {
  name: "add",
  type: "function",
  parameters: { type: "object", properties: { a: { type: "number" }, b: { type: "number" } } },
  implementation: "return args.a + args.b;",
};

/** OpenAI's words, of September 2026. */
const noToolsIn = (model: unknown): Answer =>
  json(
    {
      error: {
        message:
          `Function tools with reasoning_effort are not supported for ${String(model)} in ` +
          "/v1/chat/completions. To use function tools, use /v1/responses or set " +
          "reasoning_effort to 'none'.",
        type: "invalid_request_error",
        param: "reasoning_effort",
        code: null,
      },
    },
    400,
  );

const isResult = (item: Json) => item["role"] === "tool" || item["type"] === "function_call_output";

/** Calls the tool that it is offered, and then says "5"; without one it says "5" at once. */
const overChat: Answer = (request, response) => {
  const {
    messages,
    stream,
    tools = [],
  } = request.json() as {
    messages: Json[];
    stream?: boolean;
    tools?: { function: { name: string } }[];
  };
  const name = tools[0]?.function.name;
  const isCalling = name !== undefined && !messages.some(isResult);
  const call = toolCall("call_1", name ?? "", { a: 2, b: 3 });
  const said = isCalling ? { tool_calls: [call] } : { content: "5" };
  if (stream !== true) return completion(said)(request, response);
  const delta = isCalling ? { tool_calls: [{ index: 0, ...call }] } : said;
  const end = chunk({}, isCalling ? "tool_calls" : "stop");
  return events(chunk({ role: "assistant", ...delta }), end, usageChunk())(request, response);
};

/** The same in the Responses API. */
const overResponses: Answer = (request, response) => {
  const { input, tools = [] } = request.json() as {
    input: string | Json[];
    tools?: { name: string }[];
  };
  const name = tools[0]?.name;
  const isAnswered = Array.isArray(input) && input.some(isResult);
  const isCalling = name !== undefined && !isAnswered;
  const output = isCalling ? functionCall("call_1", name, { a: 2, b: 3 }) : message("5");
  return says([output])(request, response);
};

/** Chat completions of OpenAI's models that take no tools beside reasoning. */
const chatWithoutTools: Answer = (request, response) => {
  const { tools, model, reasoning_effort: effort } = request.json();
  const isRefused = tools !== undefined && effort !== "none";
  return (isRefused ? noToolsIn(model) : overChat)(request, response);
};

/** What a server says of a path that it does not have. */
const ABSENT: Record<string, Answer> = {
  vLLM: json({ detail: "Not Found" }, 404),
  Groq: json(
    {
      error: {
        message: "Unknown request URL: POST /openai/v1/responses. Please check the URL for typos.",
        type: "invalid_request_error",
        code: "unknown_url",
      },
    },
    404,
  ),
  "a page": (_request, response) =>
    void response.writeHead(405, { "content-type": "text/html" }).end("<h1>Not Allowed</h1>"),
  "no words": (_request, response) => void response.writeHead(501).end(),
};
const absent = json({ detail: "Not Found" }, 404);

interface Served {
  id: string;
  key: string;
  /** The tool's name; empty where the key has none. */
  add: string;
  upstream: ScriptedUpstream;
  /** Path of each request below the base URL. */
  paths(): string[];
}

/**
 * A key, and an upstream with an answer for each of the two paths. Its base URL is nobody else's:
 * what a proxy learns of it is kept for an hour.
 */
async function serve(
  answers: { chat: Answer; responses: Answer },
  { hasTool = true, ...fields }: Json = {},
): Promise<Served> {
  const upstream = await startUpstream((request, response) =>
    (request.url.endsWith("/responses") ? answers.responses : answers.chat)(request, response),
  );
  const base = `/${crypto.randomUUID()}/v1`;
  const tool = hasTool === true ? await proxy.createTool(ADD) : null;
  const { id, key } = await proxy.createKey({
    toolIds: tool === null ? [] : [tool.id],
    openaiBaseUrl: upstream.url.replace("/v1", base),
    ...fields,
  });
  const paths = () => upstream.requests.map(({ url }) => url.slice(base.length));
  return { id, key, add: tool?.name ?? "", upstream, paths };
}

const both = { chat: overChat, responses: overResponses };
const chatOnly = { chat: overChat, responses: absent };

/** What became of a request. */
interface Outcome {
  content: string;
  usage: unknown;
  /** `x-proxy-upstream-dialect` */
  dialect: string | null;
  notes: string[];
}

async function outcomeOf(
  response: Response,
  read: (text: string) => { content: string; usage: unknown },
): Promise<Outcome> {
  const text = await response.text();
  expect(response.status, text).toBe(200);
  const id = response.headers.get("x-proxy-conversation-id") ?? "";
  const { rounds } = await proxy.conversation(id);
  expect(new Set(rounds.map(({ status }) => status))).toEqual(new Set(["completed"]));
  const dialect = response.headers.get("x-proxy-upstream-dialect");
  return { ...read(text), dialect, notes: rounds.flatMap(({ notes }) => notes) };
}

/** A request of chat completions that is answered with "5". */
async function chats({ key, add }: Served, more: Json = {}): Promise<Outcome> {
  const isStream = more["stream"] === true;
  const usage = isStream ? { stream_options: { include_usage: true } } : {};
  const hidden = add === "" ? "no such tool" : add;
  const outcome = await outcomeOf(await post(key, ask({ ...usage, ...more })), (text) =>
    isStream ? readStream(text, hidden, true) : readWhole(text, hidden),
  );
  expect(outcome.content).toBe("5");
  return outcome;
}

/** A response that says "5". */
async function responds(served: Served, more: Json = {}): Promise<Outcome & { id: string }> {
  const response = await postResponse(served, { input: "2+3?", ...more });
  let id = "";
  const outcome = await outcomeOf(response, (text) => {
    const seen = readResponse(text, more["stream"] === true);
    ({ id } = seen);
    const [said] = seen.output.flatMap(({ content }) => (content ?? []) as Json[]);
    return { content: String(said?.["text"]), usage: seen["usage"] };
  });
  expect(outcome.content).toBe("5");
  return { ...outcome, id };
}

const WAYS = [
  ["whole", {}],
  ["streamed", { stream: true }],
] as const;
const CHAT = "/chat/completions";
const RESPONSES = "/responses";

describe.each(WAYS)("A client of chat completions, %s", (_way, way) => {
  it("is asked in its own dialect where nothing speaks against it", async () => {
    const served = await serve(both);
    expect(await chats(served, way)).toMatchObject({ dialect: null, notes: [] });
    expect(served.paths()).toEqual([CHAT, CHAT]);
  });

  it("is answered over Responses where its key says so, with tools and without", async () => {
    for (const hasTool of [true, false]) {
      const served = await serve(both, { hasTool, upstreamDialect: "responses" });
      expect(await chats(served, way)).toMatchObject({
        dialect: "responses",
        notes: ["Asked over responses, because UPSTREAM_DIALECT or the key says so"],
      });
      expect(served.paths()).toEqual(hasTool ? [RESPONSES, RESPONSES] : [RESPONSES]);
    }
  });

  it("keeps its own where a member has no counterpart, and the record says which", async () => {
    for (const hasTool of [true, false]) {
      const served = await serve(both, { hasTool, upstreamDialect: "responses" });
      const { dialect, notes } = await chats(served, { ...way, stop: "6" });
      expect([dialect, new Set(served.paths())]).toEqual([null, new Set([CHAT])]);
      expect(notes).toEqual([expect.stringMatching(/^Asked over chat, and not over resp.*stop: /)]);
    }
  });

  it("has what was left out on record", async () => {
    const served = await serve(both, { upstreamDialect: "responses" });
    const { notes } = await chats(served, { ...way, seed: 7 });
    expect(notes).toEqual([expect.any(String), expect.stringContaining("seed")]);
  });

  it("is answered over Responses where the table says that its model takes no tools", async () => {
    const served = await serve({ chat: chatWithoutTools, responses: overResponses });
    const asks = { ...way, model: "gpt-5.6-sol" };
    expect(await chats(served, asks)).toMatchObject({
      dialect: "responses",
      usage: { prompt_tokens: 20, completion_tokens: 10 },
      notes: [
        "Asked over responses, because the model takes no function tools on chat completions",
      ],
    });
    // Without tools, and without reasoning, it is as any other.
    const none = { ...asks, reasoning_effort: "none" };
    expect(await chats(served, none)).toMatchObject({ dialect: null, notes: [] });
    const untooled = await post(served.key, ask({ ...asks, tool_choice: "none" }));
    expect(untooled.headers.get("x-proxy-upstream-dialect")).toBeNull();
    expect(served.paths()).toEqual([RESPONSES, RESPONSES, CHAT, CHAT, CHAT]);
  });

  it("is asked again over Responses where its model refuses tools, and remembered", async () => {
    const served = await serve({ chat: chatWithoutTools, responses: overResponses });
    const asks = { ...way, reasoning_effort: "high" };
    const first = await chats(served, asks);
    expect(first.dialect).toBe("responses");
    expect(first.notes).toEqual([
      expect.stringMatching(/^Asked again over responses, .* refused with 400: Function tools/),
    ]);
    const second = await chats(served, asks);
    expect(second.notes).toEqual([expect.stringMatching(/^Asked over responses, because/)]);
    expect(served.paths()).toEqual([CHAT, RESPONSES, RESPONSES, RESPONSES, RESPONSES]);
    const reasoning = served.upstream.requests.slice(1).map((sent) => sent.json()["reasoning"]);
    expect(reasoning).toEqual(Array.from({ length: 4 }, () => ({ effort: "high" })));
    // Of that model alone.
    await chats(served, { ...way, model: "another", reasoning_effort: "none" });
    expect(served.paths().slice(5)).toEqual([CHAT, CHAT]);
  });

  it("does not reason where upstream has nothing else, or can be told no other way", async () => {
    const cases = [
      { served: await serve({ chat: chatWithoutTools, responses: absent }), more: {} },
      {
        served: await serve({ chat: chatWithoutTools, responses: overResponses }),
        more: { stop: "6" },
      },
      {
        served: await serve(
          { chat: chatWithoutTools, responses: overResponses },
          { upstreamDialect: "chat" },
        ),
        more: {},
      },
    ];
    for (const { served, more } of cases) {
      const { dialect, notes } = await chats(served, { ...way, ...more });
      expect(dialect).toBeNull();
      expect(notes.at(-1)).toMatch(/^Asked again with reasoning_effort "none"/);
      const last = served.upstream.requests.at(-1)?.json();
      expect(last).toMatchObject({ reasoning_effort: "none" });
    }
    const [lacking] = cases;
    const asked = lacking?.served.paths();
    expect(asked).toEqual([CHAT, RESPONSES, CHAT, CHAT, CHAT]);
    // That there is nothing else is known now, and that the model takes no tools.
    if (lacking !== undefined) await chats(lacking.served, way);
    expect(lacking?.served.paths().slice(5)).toEqual([CHAT, CHAT]);
  });

  it("is asked in its own dialect where upstream takes its request in no other", async () => {
    const refused = json({ error: { message: "Missing scopes: api.responses.write" } }, 403);
    const served = await serve({ chat: chatWithoutTools, responses: refused });
    const asks = { ...way, model: "gpt-5.6" };
    const { dialect, notes } = await chats(served, asks);
    expect(dialect).toBeNull();
    expect(notes).toEqual([
      expect.stringMatching(/^Asked over responses, /),
      expect.stringMatching(/^Asked again over chat, .* refused with 403: Missing scopes/),
      expect.stringMatching(/^Asked again with reasoning_effort "none"/),
    ]);
    await chats(served, asks);
    expect(served.paths()).toEqual([RESPONSES, CHAT, CHAT, CHAT, CHAT, CHAT]);
  });

  it("is told of an error over Responses with the name of that dialect", async () => {
    const refused = json({ error: { message: "Too many", type: "requests", code: "rate" } }, 429);
    const served = await serve(
      { chat: overChat, responses: refused },
      { upstreamDialect: "responses" },
    );
    const response = await post(served.key, ask({ ...way }));
    expect([response.status, response.headers.get("x-proxy-upstream-dialect")]).toEqual([
      429,
      "responses",
    ]);
    expect(await response.json()).toMatchObject({ error: { message: "Too many" } });
  });
});

describe.each(WAYS)("A client of Responses, %s", (_way, way) => {
  it("is asked in its own dialect where nothing speaks against it", async () => {
    const served = await serve(both);
    expect(await responds(served, way)).toMatchObject({ dialect: null, notes: [] });
    expect(served.paths()).toEqual([RESPONSES, RESPONSES]);
  });

  it("is answered over chat completions where its key says so, tools or not", async () => {
    for (const hasTool of [true, false]) {
      const served = await serve(both, { hasTool, upstreamDialect: "chat" });
      expect(await responds(served, way)).toMatchObject({
        dialect: "chat",
        notes: ["Asked over chat, because UPSTREAM_DIALECT or the key says so"],
      });
      expect(served.paths()).toEqual(hasTool ? [CHAT, CHAT] : [CHAT]);
    }
  });

  it.each(Object.entries(ABSENT))(
    "is asked again over chat completions where upstream has nothing else, which is remembered: %s",
    async (_server, answer) => {
      for (const hasTool of [true, false]) {
        const served = await serve({ chat: overChat, responses: answer }, { hasTool });
        const first = await responds(served, way);
        expect(first.dialect).toBe("chat");
        expect(first.notes).toEqual([
          expect.stringMatching(
            /^Asked again over chat, because upstream has no Responses API: upstream refused with (?:404|405|501): /,
          ),
        ]);
        const asked = served.paths().length;
        // Of the upstream, whatever the model.
        const second = await responds(served, { ...way, model: "another" });
        expect(second.notes).toEqual(["Asked over chat, because upstream has no Responses API"]);
        const rounds = hasTool ? [CHAT, CHAT] : [CHAT];
        expect(served.paths().slice(0, asked)).toEqual([RESPONSES, ...rounds]);
        expect(served.paths().slice(asked)).toEqual(rounds);
      }
    },
  );

  it("can go on from what it was answered so, with tools and without", async () => {
    for (const hasTool of [true, false]) {
      const served = await serve(chatOnly, { hasTool });
      const { id } = await responds(served, way);
      const asked = served.upstream.requests.length;
      await responds(served, { ...way, input: "Sure?", previous_response_id: id });
      const { messages } = sentBody(served.upstream, asked) as { messages: Json[] };
      expect(messages[0]).toMatchObject({ role: "user", content: "2+3?" });
      expect(messages.at(-1)).toMatchObject({ role: "user", content: "Sure?" });
    }
  });

  it("is told that something else is not there, and nothing is learned from it", async () => {
    const words = { message: "The model `x` does not exist.", code: "model_not_found" };
    const unknown = json({ error: words }, 404);
    for (const hasTool of [true, false]) {
      const served = await serve({ chat: overChat, responses: unknown }, { hasTool });
      for (let count = 0; count < 2; count++) {
        const response = await postResponse(served, { input: "2+3?", ...way });
        expect(response.status).toBe(404);
        expect(await response.json()).toEqual({ error: words });
        expect(response.headers.get("x-proxy-upstream-dialect")).toBeNull();
      }
      expect(served.paths()).toEqual([RESPONSES, RESPONSES]);
    }
  });

  it("is told what upstream says of a response that is not there, as it says it", async () => {
    const words = { message: "Previous response with id 'resp_1' not found.", code: null };
    const unknown = json({ error: words }, 404);
    const served = await serve({ chat: overChat, responses: unknown }, { hasTool: false });
    const asks = { input: "Sure?", ...way, previous_response_id: "resp_1" };
    const response = await postResponse(served, asks);
    expect([response.status, await response.json()]).toEqual([404, { error: words }]);
    expect(served.paths()).toEqual([RESPONSES]);
  });

  it("is told what chat completions cannot carry", async () => {
    for (const hasTool of [true, false]) {
      const served = await serve(chatOnly, { hasTool });
      const asks = { input: "2+3?", ...way, conversation: "conv_1" };
      const response = await postResponse(served, asks);
      expect(response.status).toBe(400);
      const { error } = (await response.json()) as { error: Json };
      expect(error).toMatchObject({ param: "conversation" });
      expect(served.paths()).toEqual([RESPONSES]);
    }
  });

  it("stays where its key says that upstream has it", async () => {
    for (const hasTool of [true, false]) {
      const served = await serve(chatOnly, { hasTool, upstreamDialect: "responses" });
      const response = await postResponse(served, { input: "2+3?", ...way });
      expect([response.status, served.paths()]).toEqual([404, [RESPONSES]]);
    }
  });
});

it("A refusal before upstream is asked names no dialect", async () => {
  const served = await serve(both, { upstreamDialect: "responses", allowedModels: ["other"] });
  const response = await post(served.key, ask());
  expect(response.status).toBe(403);
  expect(response.headers.get("x-proxy-upstream-dialect")).toBeNull();
});

it("A `chat` over MCP is asked in the key's dialect, too", async () => {
  const served = await serve(both, { upstreamDialect: "responses" });
  const response = await fetch(`${proxy.url}/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${served.key}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2025-11-25",
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: "chat", arguments: { model: "m", prompt: "2+3?" } },
    }),
  });
  expect(await response.text()).toContain('"text":"5');
  expect(new Set(served.paths())).toEqual(new Set([RESPONSES]));
});
