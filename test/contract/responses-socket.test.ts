/** WebSocket mode of the Responses API: `GET /v1/responses` with an upgrade. */
import { ResponsesWS } from "openai/resources/responses/ws";
import { describe, expect, it } from "vitest";
import { eventFaults } from "../helpers/openai-spec.ts";
import { keyWithAdd } from "../helpers/chat-turn.ts";
import { startRounds } from "../helpers/mixed-upstream.ts";
import { proxy } from "../helpers/proxy.ts";
import { rawRequest } from "../helpers/raw-http.ts";
import { keyWithAdder, sentBody, sentInput } from "../helpers/response-turn.ts";
import { functionCall, message, reasoning, says } from "../helpers/responses-upstream.ts";
import { askSocket, openSocket } from "../helpers/socket-client.ts";
import { json, sentMessages, startUpstream, type Answer } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const HANDSHAKE = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

/** A key without tools, and its upstream. */
async function plainKey(...script: Answer[]) {
  const upstream = await startUpstream(...script);
  return { upstream, ...(await proxy.createKey({ openaiBaseUrl: upstream.url })) };
}

const textsOf = ({ output }: { output: Json[] }): string[] =>
  output.flatMap(({ content }) => ((content ?? []) as Json[]).map(({ text }) => String(text)));

describe("a response that is asked for on a connection", () => {
  it("has the events of a stream, one a message, with the key's tools", async () => {
    const key = await keyWithAdder((add) => [
      says([reasoning("I add."), functionCall("call_1", add, { a: 2, b: 3 })]),
      says([message("It is 5.")]),
    ]);
    const client = await openSocket(key.key);
    const response = await askSocket(client, { input: "2+3?" });
    expect(response.output.map(({ type }) => type)).toEqual(["reasoning", "mcp_call", "message"]);
    expect(sentBody(key.upstream, 0)).not.toHaveProperty("type");
    expect(sentBody(key.upstream, 0)).toMatchObject({ stream: true });
  });

  it("is passed on as upstream made it, where the key has no tools", async () => {
    const { key, upstream } = await plainKey(says([message("Hello.")]));
    const client = await openSocket(key);
    const response = await askSocket(client, { input: "hi", seed_of_mine: 1.5 });
    expect(textsOf(response)).toEqual(["Hello."]);
    expect(sentBody(upstream, 0)).toMatchObject({ input: "hi", seed_of_mine: 1.5, stream: true });
    expect(upstream.requests[0]?.headers).not.toHaveProperty("sec-websocket-key");
    expect(upstream.requests[0]?.headers).not.toHaveProperty("upgrade");
  });

  it("waits for the one before it", async () => {
    const { key, upstream } = await plainKey(says([message("One.")]), says([message("Two.")]));
    const client = await openSocket(key);
    client.create({ input: "1" });
    client.create({ input: "2" });
    expect((await client.answer()).at(-1)).toMatchObject({
      response: { output: [{ content: [{ text: "One." }] }] },
    });
    expect((await client.answer()).at(-1)).toMatchObject({
      response: { output: [{ content: [{ text: "Two." }] }] },
    });
    expect(upstream.requests.map((request) => request.json()["input"])).toEqual(["1", "2"]);
  });

  it("is a turn of record like any other, in the conversation of those before", async () => {
    const key = await keyWithAdder((add) => [
      says([functionCall("call_1", add, { a: 2, b: 3 })]),
      says([message("It is 5.")]),
      says([message("Sure.")]),
    ]);
    const client = await openSocket(key.key);
    const first = await askSocket(client, { input: "2+3?", store: false });
    const more = { input: "Sure?", store: false, previous_response_id: first.id };
    await askSocket(client, more);
    const recorded = async (): Promise<{ turns: Json[] }[]> => {
      const answer = await proxy.admin(`/conversations?apiKeyId=${key.id}`);
      const { data } = (await answer.json()) as { data: { id: string }[] };
      const found = await Promise.all(data.map(({ id }) => proxy.conversation(id)));
      return found as unknown as { turns: Json[] }[];
    };
    await expect
      .poll(async () => (await recorded()).map(({ turns }) => turns.length), { timeout: 8000 })
      .toEqual([2]);
    const [conversation] = await recorded();
    expect(conversation?.turns).toMatchObject([
      { status: "completed", streamed: true, endpoint: "/v1/responses" },
      { status: "completed", streamed: true, endpoint: "/v1/responses" },
    ]);
  });
});

it("openai-node's client of this mode goes on from response to response", async () => {
  const key = await keyWithAdder((add) => [
    says([functionCall("call_1", add, { a: 2, b: 3 })]),
    says([message("It is 5.")]),
    says([message("Sure.")]),
  ]);
  const ws = new ResponsesWS(proxy.client(key.key));
  const texts: string[] = [];
  let previous: string | null = null;
  for (const input of ["2+3?", "Sure?"]) {
    ws.send({ type: "response.create", model: "gpt-test", input, previous_response_id: previous });
    for await (const event of ws) {
      if (event.type === "error") throw event.error;
      if (event.type !== "message" || event.message.type !== "response.completed") continue;
      const { response } = event.message;
      previous = response.id;
      texts.push(...textsOf(response as unknown as { output: Json[] }));
      break;
    }
  }
  ws.close();
  expect(texts).toEqual(["It is 5.", "Sure."]);
});

/** An answer of 60 s, or until the proxy breaks it off. */
const goesOn: Answer = async (request, response) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(": a comment\n\n");
  await request.aborted;
};

/** Status and code of an error, which is one as in a stream, and as this mode has it. */
function errorIn(event: Json | undefined): unknown[] {
  expect(eventFaults(event ?? {})).toEqual([]);
  const { type, status, code, error } = event ?? {};
  expect([type, code]).toEqual(["error", (error as Json)["code"]]);
  return [status, code];
}

describe("going on from a response that nobody keeps", () => {
  it("has the items before it, for a key without tools", async () => {
    const { key, upstream } = await plainKey(
      says([reasoning("Hm."), message("One.")]),
      says([message("Two.")]),
      says([message("Three.")]),
    );
    const client = await openSocket(key);
    const one = await askSocket(client, { input: "1", store: false });
    const two = await askSocket(client, {
      input: [{ role: "user", content: "2" }],
      store: false,
      previous_response_id: one.id,
    });
    expect(two["previous_response_id"]).toBe(one.id);
    const body = sentBody(upstream, 1);
    expect(body).not.toHaveProperty("previous_response_id");
    // What was reasoned is nobody's to know without its sealed words.
    expect(body["input"]).toEqual([
      { role: "user", content: "1" },
      one.output[1],
      { role: "user", content: "2" },
    ]);
    await askSocket(client, { input: "3", store: false, previous_response_id: two.id });
    expect(sentInput(upstream, 2)).toHaveLength(5);
  });

  it("has the rounds that its client did not see, and its own tool's outputs", async () => {
    const parameters = { type: "object", properties: {} };
    const look = { type: "function", name: "look", description: "Looks.", strict: false };
    const tools = [{ ...look, parameters }];
    const key = await keyWithAdder((add) => [
      says([functionCall("call_1", add, { a: 2, b: 3 }), functionCall("call_2", "look", {})]),
      says([message("5, and seen.")]),
    ]);
    const client = await openSocket(key.key);
    const asked = { tools, store: false, include: ["reasoning.encrypted_content"] };
    const one = await askSocket(client, { ...asked, input: "2+3? And look." });
    const output = { type: "function_call_output", call_id: "call_2", output: "a cat" };
    await askSocket(client, { ...asked, input: [output], previous_response_id: one.id });
    const input = sentInput(key.upstream, 1);
    expect(input.map(({ type, role, call_id: id }) => [type ?? role, id])).toEqual([
      ["user", undefined],
      ["function_call", "call_1"],
      ["function_call", "call_2"],
      ["function_call_output", "call_1"],
      ["function_call_output", "call_2"],
    ]);
  });

  it("goes on from one that is kept, too", async () => {
    const key = await keyWithAdder(() => [
      says([message("One.")]),
      says([message("Two.")]),
      says([message("Three.")]),
    ]);
    const client = await openSocket(key.key);
    const one = await askSocket(client, { input: "1" });
    const two = await askSocket(client, { input: "2", store: false, previous_response_id: one.id });
    await askSocket(client, { input: "3", store: false, previous_response_id: two.id });
    const said = sentInput(key.upstream, 2).map(({ content }) =>
      typeof content === "string" ? content : (content as Json[])[0]?.["text"],
    );
    expect(said).toEqual(["1", "One.", "2", "Two.", "3"]);
  });

  it("goes on where the key logs metadata only, so that nobody keeps any", async () => {
    const script = () => [says([message("One.")]), says([message("Two.")])];
    const key = await keyWithAdder(script, { logContent: "metadata" });
    const client = await openSocket(key.key);
    const one = await askSocket(client, { input: "1" });
    await askSocket(client, { input: "2", previous_response_id: one.id });
    expect(sentInput(key.upstream, 1)).toHaveLength(3);
  });

  it("goes on at an upstream of chat completions", async () => {
    const made = await keyWithAdd(() => [], {}, { upstreamDialect: "chat" });
    const upstream = await startRounds(
      { calls: [{ id: "call_1", name: made.name, arguments: '{"a":2,"b":3}' }] },
      { text: "It is 5." },
      { text: "Sure." },
    );
    const json = { openaiBaseUrl: upstream.url };
    await proxy.admin(`/api-keys/${made.id}`, { method: "PATCH", json });
    const client = await openSocket(made.key);
    const one = await askSocket(client, { input: "2+3?", store: false });
    expect(one.output.map(({ type }) => type)).toEqual(["mcp_call", "message"]);
    await askSocket(client, { input: "Sure?", store: false, previous_response_id: one.id });
    expect(sentMessages(upstream, 2).map(({ role }) => role)).toEqual([
      "user",
      "assistant",
      "tool",
      "assistant",
      "user",
    ]);
  });

  it("is no other connection's", async () => {
    const key = await keyWithAdder(() => [says([message("One.")])]);
    const one = await askSocket(await openSocket(key.key), { input: "1", store: false });
    const other = await openSocket(key.key);
    other.create({ input: "2", store: false, previous_response_id: one.id });
    expect(errorIn((await other.answer()).at(-1))).toEqual([400, "previous_response_not_found"]);
    // The connection can be used all the same.
    await askSocket(other, { input: "1 and 2", store: false });
  });

  it("goes on from a warm-up, for which no model is asked", async () => {
    const { key, upstream } = await plainKey(says([message("Hello.")]));
    const client = await openSocket(key);
    const input = [{ role: "developer", content: "Be brief." }];
    const warm = await askSocket(client, { input, generate: false, store: false });
    expect(warm.output).toEqual([]);
    expect(upstream.requests).toEqual([]);
    await askSocket(client, { input: "hi", store: false, previous_response_id: warm.id });
    expect(sentInput(upstream, 0)).toEqual([...input, { role: "user", content: "hi" }]);
  });
});

it("an answer that is no stream is the response's end all the same", async () => {
  const { key } = await plainKey((request, response) => {
    const { stream: _stream, ...body } = request.json();
    return says([message("Whole.")])({ ...request, json: () => body }, response);
  });
  const client = await openSocket(key);
  client.create({ input: "hi", store: false, stream_id: "a" });
  const [event, ...more] = await client.answer();
  expect(more).toEqual([]);
  expect(eventFaults(event ?? {})).toEqual([]);
  expect(event).toMatchObject({
    type: "response.completed",
    stream_id: "a",
    response: { output: [{ content: [{ text: "Whole." }] }] },
  });
});

describe("lanes", () => {
  it("run side by side, and each event says which it is of", async () => {
    const late = Promise.withResolvers<void>();
    const { key } = await plainKey(async (request, response) => {
      const { input } = request.json();
      if (input === "slow") await late.promise;
      await says([message(String(input))])(request, response);
    });
    const client = await openSocket(key);
    client.create({ input: "slow", stream_id: "one" });
    client.create({ input: "fast", stream_id: "two" });
    const fast = await client.answer();
    expect(new Set(fast.map(({ stream_id: id }) => id))).toEqual(new Set(["two"]));
    late.resolve();
    const slow = await client.answer();
    expect(new Set(slow.map(({ stream_id: id }) => id))).toEqual(new Set(["one"]));
  });

  it("are 32 at most, of names that are names", async () => {
    const { key } = await plainKey(says([message("Hello.")]));
    const client = await openSocket(key);
    for (let lane = 0; lane < 32; lane++) {
      client.create({ input: "hi", generate: false, stream_id: `lane-${lane}` });
      await client.answer();
    }
    client.create({ input: "hi", generate: false, stream_id: "lane-32" });
    const [error] = await client.answer();
    expect(errorIn(error)).toEqual([400, "websocket_stream_limit_reached"]);
    expect(error).toMatchObject({ stream_id: "lane-32" });
    client.create({ input: "hi", stream_id: "" });
    expect(errorIn((await client.answer())[0])).toEqual([400, "invalid_stream_id"]);
    await askSocket(client, { input: "hi" });
  });
});

describe("what is no request for a response", () => {
  it.each([
    ["no JSON", "{", "bad_request"],
    ["a list", "[]", "bad_request"],
    ["nothing", "", "bad_request"],
    ["an event without a type", "{}", "invalid_value"],
    ["an event of another API", '{"type":"session.update"}', "invalid_value"],
    ["the name of a member of every object", '{"type":"constructor"}', "invalid_value"],
  ])("is an error, and the connection stays: %s", async (_title, text, code) => {
    const { key } = await plainKey(says([message("Hello.")]));
    const client = await openSocket(key);
    client.ws.send(text);
    expect(errorIn(await client.next())).toEqual([400, code]);
    await askSocket(client, { input: "hi" });
  });

  it("is words for a response that runs, which are given back", async () => {
    const { key } = await plainKey(says([message("Hello.")]));
    const client = await openSocket(key);
    const input = "Faster!";
    client.send({ type: "response.steer", previous_response_id: "resp_1", input });
    expect(await client.next()).toMatchObject({
      type: "response.steer.failed",
      steer: { previous_response_id: "resp_1", input },
      error: { type: "invalid_request_error", code: "steering_not_supported" },
    });
    await askSocket(client, { input: "hi" });
  });

  it("is bytes, which close the connection", async () => {
    const { key } = await plainKey();
    const client = await openSocket(key);
    client.ws.send(Buffer.from("{}"));
    expect(await client.closed).toMatchObject({ code: 1003 });
  });
});

describe("a response that fails", () => {
  it("has the status, words and headers that HTTP would have", async () => {
    const error = { message: "Slow down.", type: "requests", param: null, code: "rate_limit" };
    const { key } = await plainKey(json({ error }, 429, { "retry-after": "7" }), goesOn);
    const client = await openSocket(key);
    client.create({ input: "hi" });
    const [told] = await client.answer();
    expect(errorIn(told)).toEqual([429, "rate_limit"]);
    expect(told).toMatchObject({ error, headers: { "retry-after": "7" } });
  });

  it("is the error of the limits that the key has", async () => {
    const { key } = await proxy.createKey({
      requestsPerMinute: 1,
      openaiBaseUrl: "http://127.0.0.1:9",
    });
    const client = await openSocket(key);
    client.create({ input: "hi" });
    expect(errorIn((await client.answer())[0])).toEqual([502, "upstream_unreachable"]);
    client.create({ input: "hi" });
    expect(errorIn((await client.answer())[0])).toEqual([429, "rate_limit_exceeded"]);
  });

  it("is the error of a model that the key may not ask", async () => {
    const { key } = await proxy.createKey({ allowedModels: ["another"] });
    const client = await openSocket(key);
    client.create({ input: "hi", stream_id: "a" });
    const [error] = await client.answer();
    expect(errorIn(error)).toEqual([403, "model_not_allowed"]);
    expect(error).toMatchObject({ stream_id: "a" });
  });

  it("ends with an error where upstream breaks off", async () => {
    const { key } = await plainKey((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write('data: {"type":"response.created","response":{}}\n\n', () =>
        response.destroy(),
      );
    });
    const client = await openSocket(key);
    client.create({ input: "hi" });
    expect((await client.answer()).at(-1)).toMatchObject({ type: "error" });
  });
});

it.each(["terminate", "close"] as const)(
  "a client that leaves has its response cancelled: %s",
  async (leave) => {
    const { key, upstream } = await plainKey(goesOn);
    const client = await openSocket(key);
    client.create({ input: "hi" });
    await expect.poll(() => upstream.requests.length).toBe(1);
    client.ws[leave]();
    await upstream.requests[0]?.aborted;
    await client.closed;
  },
);

it("a key that works no more has its connection closed", async () => {
  const made = await plainKey(says([message("Hello.")]));
  const client = await openSocket(made.key);
  await askSocket(client, { input: "hi" });
  await proxy.admin(`/api-keys/${made.id}`, { method: "PATCH", json: { isActive: false } });
  await expect
    .poll(
      async () => {
        client.create({ input: "hi" });
        return (await client.answer()).at(-1)?.["status"] ?? 200;
      },
      { timeout: 8000 },
    )
    .toBe(401);
  expect(await client.closed).toMatchObject({ code: 1008 });
});

/** A key that may ask once a minute, and has. */
async function usedUpKey(): Promise<string> {
  const upstream = await startUpstream(json({}));
  const fields = { openaiBaseUrl: upstream.url, requestsPerMinute: 1 };
  const { key } = await proxy.createKey(fields);
  await fetch(`${proxy.url}/v1/models`, { headers: bearer(key) });
  return key;
}

describe("the handshake", () => {
  it("is answered as RFC 6455 wants it, and names its request", async () => {
    const { key } = await plainKey();
    const client = await openSocket(key);
    expect(client.headers["x-proxy-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("takes a key that browsers show, and does not say it back", async () => {
    const { key } = await plainKey(says([message("Hello.")]));
    const protocols = ["realtime", `openai-insecure-api-key.${key}`];
    const client = await openSocket(null, { protocols });
    expect(client.ws.protocol).toBe("realtime");
    await askSocket(client, { input: "hi" });
  });

  const refusals: [string, number, string, () => Promise<Record<string, string>>][] = [
    ["no key", 401, "missing_api_key", async () => ({})],
    ["an unknown key", 401, "invalid_api_key", async () => bearer("sk-proxy-unknown")],
    [
      "an unknown key of a browser",
      401,
      "invalid_api_key",
      async () => ({ "sec-websocket-protocol": "openai-insecure-api-key.sk-proxy-unknown" }),
    ],
    [
      "a name that is none of ours",
      403,
      "host_not_allowed",
      async () => ({ host: "evil.example", "x-proxy-tool-events": "1" }),
    ],
    ["a limit that is used up", 429, "rate_limit_exceeded", async () => bearer(await usedUpKey())],
    [
      "sub-protocols that are no names",
      400,
      "bad_request",
      async () => ({ ...bearer((await plainKey()).key), "sec-websocket-protocol": "a, a" }),
    ],
  ];
  it.each(refusals)("is refused over HTTP: %s", async (_title, status, code, headersOf) => {
    const headers = { ...HANDSHAKE, ...(await headersOf()) };
    const answer = await rawRequest({ target: "/v1/responses", headers });
    expect(answer.status, answer.body).toBe(status);
    expect(answer.headers.get("x-proxy-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code } });
    expect(answer.headers.has("retry-after")).toBe(status === 429);
  });

  it("is not what a plain GET is", async () => {
    const { key, upstream } = await plainKey(json({ object: "list" }));
    const answer = await fetch(`${proxy.url}/v1/responses`, { headers: bearer(key) });
    expect(await answer.json()).toEqual({ object: "list" });
    expect(upstream.requests).toMatchObject([{ method: "GET", url: "/v1/responses" }]);
  });
});
