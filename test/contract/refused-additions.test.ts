/** Upstreams that refuse what the proxy added, and upstreams that fail in a later round. */
import { describe, expect, it } from "vitest";
import { ask, keyWithAdd, post, streamed, whole, type AddingKey } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import {
  chunk,
  completion,
  events,
  json,
  startUpstream,
  toolCall,
  type Answer,
} from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const refusal = (message: string, status = 400, code: string | null = null): Answer =>
  json({ error: { message, type: "invalid_request_error", param: null, code } }, status);

const ok = (body: Json): Answer =>
  body["stream"] === true
    ? events(chunk({ role: "assistant", content: "ok" }), chunk({}, "stop"))
    : completion({ content: "ok" });

/** An upstream that refuses some bodies, and answers the others. */
const picky =
  (isRefused: (body: Json) => boolean, refused: Answer): Answer =>
  (request, response) => {
    const body = request.json();
    return (isRefused(body) ? refused : ok(body))(request, response);
  };

const bodies = ({ upstream }: AddingKey): Json[] =>
  upstream.requests.map((request) => request.json());
const namesOf = ({ tools }: Json): string[] =>
  ((tools ?? []) as { function: { name: string } }[]).map((tool) => tool.function.name);

/** A key whose rounds stay in its client's dialect, whatever upstream says of them there. */
const OVER_CHAT = { upstreamDialect: "chat" };
const NO_TOOLS_BESIDE =
  "Function tools with reasoning_effort are not supported for this model in /v1/chat/completions. " +
  "Set reasoning_effort to 'none'.";

describe("an upstream that refuses what the proxy added", () => {
  it("may do without being asked for usage, and is not asked for it the next time", async () => {
    const refused = refusal("Unknown parameter: 'stream_options'.");
    const key = await keyWithAdd(() => [picky((body) => "stream_options" in body, refused)]);
    expect((await streamed(key)).content).toBe("ok");
    expect((await streamed(key)).content).toBe("ok");
    expect(bodies(key).map((body) => "stream_options" in body)).toEqual([true, false, false]);
    expect(bodies(key).map(namesOf)).toEqual([[key.name], [key.name], [key.name]]);
  });

  it("keeps a refusal of the options that the client itself sent", async () => {
    const refused = refusal("Unknown parameter: 'stream_options'.", 422);
    const key = await keyWithAdd(() => [picky((body) => "stream_options" in body, refused)]);
    const own = ask({ stream: true, stream_options: { include_usage: true } });
    expect((await post(key.key, own)).status).toBe(422);
  });

  it("may have reasoning switched off, where the model takes no tools beside it", async () => {
    const isRefused = (body: Json) => "tools" in body && body["reasoning_effort"] !== "none";
    const script = () => [picky(isRefused, refusal(NO_TOOLS_BESIDE))];
    const key = await keyWithAdd(script, {}, OVER_CHAT);
    expect((await whole(key)).content).toBe("ok");
    expect((await whole(key)).content).toBe("ok");
    expect(bodies(key).map((body) => body["reasoning_effort"])).toEqual([
      undefined,
      "none",
      "none",
    ]);
    expect(bodies(key).map(namesOf)).toEqual([[key.name], [key.name], [key.name]]);
  });

  it("is asked without tools after that, and no milder way is left untried", async () => {
    const script = () => [picky((body) => "tools" in body, refusal(NO_TOOLS_BESIDE))];
    const key = await keyWithAdd(script, {}, OVER_CHAT);
    expect((await whole(key)).content).toBe("ok");
    expect(bodies(key).map((body) => [namesOf(body).length, body["reasoning_effort"]])).toEqual([
      [1, undefined],
      [1, "none"],
      [0, undefined],
    ]);
  });

  it("gets back what the model reasoned only where it takes it", async () => {
    const refused = refusal("Extra inputs are not permitted: messages.1.reasoning_content", 422);
    const key = await keyWithAdd((name) => [
      completion({ reasoning_content: "hm", tool_calls: [toolCall("c1", name, { a: 1, b: 2 })] }),
      refused,
      completion({ content: "3" }),
    ]);
    expect(await whole(key)).toMatchObject({ content: "3", reasoning: "hm" });
    const answers = bodies(key).map(({ messages }) => (messages as Json[])[1]);
    expect(answers.map((answer) => answer?.["reasoning_content"])).toEqual([
      undefined,
      "hm",
      undefined,
    ]);
    expect(answers[2]?.["tool_calls"]).toEqual(answers[1]?.["tool_calls"]);
  });

  it("gets as many tools as it says that it takes, the client's own among them", async () => {
    const parameters = { type: "object", properties: {} };
    const tool = { type: "function", implementation: "return 1;", parameters };
    const made = await Promise.all(
      ["one", "two", "three"].map((name) => proxy.createTool({ name, ...tool })),
    );
    const refused = refusal(
      "Invalid 'tools': array too long. Expected an array with maximum length 3, but got an array " +
        "with length 4 instead.",
      400,
      "array_above_max_length",
    );
    const upstream = await startUpstream(picky((body) => namesOf(body).length > 3, refused));
    const toolIds = made.map(({ id }) => id);
    const { key } = await proxy.createKey({ toolIds, openaiBaseUrl: upstream.url });
    const own = { type: "function", function: { name: "own", parameters } };
    for (const tools of [[own], []]) expect((await post(key, ask({ tools }))).status).toBe(200);
    const counts = upstream.requests.map((request) => namesOf(request.json()).length);
    expect(counts).toEqual([4, 3, 3]);
    expect(namesOf(upstream.requests[1]?.json() ?? {})[0]).toBe("own");
  });

  it.each([
    ["400, in words that nobody knows", 400, "Bad request"],
    ["422, in words that nobody knows", 422, "Unprocessable"],
    ["404, which names tools", 404, "No endpoints found that support tool use."],
    ["500, which names tools", 500, "tools param requires --jinja flag"],
    ["501, which names functions", 501, "function calling is unavailable"],
  ])("is sent the client's own request where it says %s", async (_title, status, message) => {
    const refused = refusal(message, status);
    const key = await keyWithAdd(() => [picky((body) => "tools" in body, refused)]);
    const own = ask({ temperature: 0.5 });
    expect((await post(key.key, own)).status).toBe(200);
    expect((await post(key.key, own)).status).toBe(200);
    expect(bodies(key).map((body) => "tools" in body)).toEqual([true, false, false]);
    expect(bodies(key).slice(1)).toEqual([own, own]);
    // Beside other members of a request it may take tools.
    expect((await post(key.key, ask({ reasoning_effort: "low" }))).status).toBe(200);
    expect(bodies(key).map((body) => "tools" in body)).toEqual([true, false, false, true, false]);
  });

  it.each([
    ["a model that is not there", 404, "The model does not exist", "model_not_found"],
    ["a filter of content", 400, "Blocked", "content_filter"],
    ["a credential", 401, "Incorrect API key: no tools for you", "invalid_api_key"],
    ["a limit", 429, "Too many requests with tools", "rate_limit_exceeded"],
    ["a failure that names no tools", 500, "Out of memory", null],
  ])("has the last word where it is about %s", async (_title, status, message, code) => {
    const key = await keyWithAdd(() => [refusal(message, status, code)]);
    const response = await post(key.key, ask());
    expect([response.status, await response.json()]).toMatchObject([status, { error: { code } }]);
    expect(key.upstream.requests).toHaveLength(1);
  });

  it("has the last word in a later round: the model has begun to use its tools", async () => {
    const key = await keyWithAdd((name) => [
      completion({ tool_calls: [toolCall("c1", name, { a: 1, b: 2 })] }),
      refusal("A message of a tool may not be empty."),
    ]);
    expect((await post(key.key, ask())).status).toBe(400);
    expect(bodies(key).map(namesOf)).toEqual([[key.name], [key.name]]);
  });

  it("has what was done said on record, where people look for the tools that were not there", async () => {
    const refused = refusal("This model has no tools.");
    const key = await keyWithAdd(() => [picky((body) => "tools" in body, refused)]);
    const response = await post(key.key, ask());
    const { rounds } = await proxy.conversation(
      response.headers.get("x-proxy-conversation-id") ?? "",
    );
    expect(rounds).toMatchObject([
      { notes: [expect.stringMatching(/without the proxy's tools.*400.*This model has no tools/)] },
    ]);
  });
});

describe("an upstream that fails in a later round", () => {
  const called =
    (name: string): Answer =>
    (request, response) =>
      (request.json()["stream"] === true
        ? events(
            chunk({ tool_calls: [{ index: 0, ...toolCall("c1", name, { a: 1, b: 2 }) }] }),
            chunk({}, "tool_calls"),
          )
        : completion({ tool_calls: [toolCall("c1", name, { a: 1, b: 2 })] }))(request, response);
  const busy = (headers: Record<string, string> = {}, code = "overloaded"): Answer =>
    json({ error: { message: "Busy", type: "server_error", param: null, code } }, 503, headers);

  it.each([true, false])(
    "is asked again, and no tool runs twice for it, streamed: %s",
    async (stream) => {
      const key = await keyWithAdd((name) => [
        called(name),
        busy({ "retry-after-ms": "5" }),
        busy({ "retry-after": "0" }),
        (request, response) => ok(request.json())(request, response),
      ]);
      const response = await post(key.key, ask({ stream }));
      expect([response.status, await response.text()]).toEqual([
        200,
        expect.stringContaining("ok"),
      ]);
      expect(bodies(key).slice(2)).toEqual([bodies(key)[1], bodies(key)[1]]);
      const conversation = await proxy.conversation(
        response.headers.get("x-proxy-conversation-id") ?? "",
      );
      expect(conversation.toolExecutions).toHaveLength(1);
      expect(conversation.rounds).toMatchObject([
        {},
        { notes: [expect.stringContaining("after 5 ms"), expect.stringContaining("after 0 ms")] },
      ]);
    },
  );

  it("is asked four times in all, and no more", async () => {
    const key = await keyWithAdd((name) => [called(name), busy({ "retry-after-ms": "1" })]);
    expect((await post(key.key, ask())).status).toBe(503);
    expect(key.upstream.requests).toHaveLength(5);
  });

  it.each([
    ["that it is no use", busy({ "x-should-retry": "false" })],
    ["that the credit is used up", busy({}, "insufficient_quota")],
    ["to wait longer than anybody would", busy({ "retry-after": "31" })],
    ["that the request is wrong", refusal("Wrong.", 403)],
  ])("is not asked again where it says %s", async (_title, answer) => {
    const key = await keyWithAdd((name) => [called(name), answer]);
    expect((await post(key.key, ask())).ok).toBe(false);
    expect(key.upstream.requests).toHaveLength(2);
  });

  it("is not asked again for a text of which the client has the beginning", async () => {
    const key = await keyWithAdd((name) => [
      called(name),
      async (_request, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write(`data: ${JSON.stringify(chunk({ content: "half" }))}\n\n`);
        await new Promise((resolve) => setTimeout(resolve, 50));
        response.destroy();
      },
    ]);
    const text = await (await post(key.key, ask({ stream: true }))).text();
    expect(text.match(/half/g)).toHaveLength(1);
    expect(text).toContain("upstream_unreachable");
    expect(key.upstream.requests).toHaveLength(2);
  });
});
