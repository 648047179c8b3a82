/** Answers that upstream did not finish: whoever gets one can tell it from one that is whole. */
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { ask, keyWithAdd, payloadsOf, post } from "../helpers/chat-turn.ts";
import { CUTS, ENDED, head, streamCuts } from "../helpers/cuts.ts";
import { proxy } from "../helpers/proxy.ts";
import {
  chunk,
  completion,
  events,
  startUpstream,
  toolCall,
  type Answer,
} from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const event = (payload: unknown) => `data: ${JSON.stringify(payload)}\n\n`;
const half = event(chunk({ role: "assistant", content: "half" }));
const callStart = (name: string) =>
  chunk({
    role: "assistant",
    tool_calls: [{ index: 0, id: "c1", type: "function", function: { name, arguments: "" } }],
  });
const callHalf = chunk({ tool_calls: [{ index: 0, function: { arguments: '{"a":2,' } }] });

const toolRound = (name: string): Answer =>
  events(
    chunk({
      role: "assistant",
      content: "Let me add.",
      tool_calls: [{ index: 0, id: "c1", function: { name, arguments: '{"a":2,"b":3}' } }],
    }),
    chunk({}, "tool_calls"),
  );

async function onRecord(response: Response) {
  return proxy.conversation(response.headers.get("x-proxy-conversation-id") ?? "");
}

/** The code of a 502 in OpenAI's shape; on record it failed. */
async function badGateway(response: Response): Promise<string> {
  const text = await response.text();
  expect(response.status, text).toBe(502);
  expect(JSON.parse(text)).toEqual({
    error: {
      message: expect.any(String) as unknown,
      type: "server_error",
      param: null,
      code: expect.stringMatching(/^upstream_/) as unknown,
    },
  });
  expect(await onRecord(response)).toMatchObject({ status: "failed" });
  return (JSON.parse(text) as { error: { code: string } }).error.code;
}

/**
 * The payloads of a stream that ends in an error: no client could take that for an answer's end.
 */
async function errorEventOf(response: Response, secret: string): Promise<Json[]> {
  const text = await response.text();
  expect(response.status, text).toBe(200);
  const payloads = payloadsOf(text).map((payload) =>
    payload === "[DONE]" ? payload : (JSON.parse(payload) as Json),
  ) as Json[];
  expect(text).not.toContain("[DONE]");
  expect(text).not.toContain(secret);
  expect(text).not.toMatch(/"finish_reason":"/);
  expect(payloads.at(-1)).toMatchObject({
    error: { type: "server_error", code: expect.stringMatching(/^upstream_/) as unknown },
  });
  return payloads;
}

describe("a whole answer, for a key with tools", () => {
  const cutJson =
    '{"id":"chatcmpl-1","choices":[{"index":0,"message":{"role":"assistant","content":"The answer';
  const whole = JSON.stringify({
    id: "chatcmpl-1",
    choices: [{ index: 0, message: { role: "assistant", content: "5" }, finish_reason: "stop" }],
  });
  const callWhole = (name: string) =>
    completion({ tool_calls: [toolCall("c1", name, { a: 2, b: 3 })] });
  const mislabelled: Answer = (_request, response) =>
    void response
      .writeHead(200, head("application/json", { "content-encoding": "gzip" }))
      .end(whole);
  const answers: [string, Answer][] = [
    ...Object.entries(CUTS).map(([title, cut]): [string, Answer] => [
      title,
      cut({ text: cutJson, contentType: "application/json" }),
    ]),
    ["it ends in its midst", ENDED({ text: cutJson, contentType: "application/json" })],
    ["it is no gzip, though it says so", mislabelled],
    ["nothing of it comes", (_request, response) => void response.socket?.destroy()],
  ];

  it.each(answers)("is a 502 in the first round where %s", async (_title, answer) => {
    const { key } = await keyWithAdd(() => [answer]);
    expect(await badGateway(await post(key, ask()))).toMatch(/^upstream_/);
  });

  it.each(answers)("is a 502 in a later round where %s", async (_title, answer) => {
    const { key } = await keyWithAdd((name) => [callWhole(name), answer]);
    expect(await badGateway(await post(key, ask()))).toMatch(/^upstream_/);
  });

  it.each(Object.entries(streamCuts))(
    "is a 502 where upstream streamed it, and %s",
    async (_title, cut) => {
      const { key } = await keyWithAdd(() => [
        cut({ text: half, contentType: "text/event-stream" }),
      ]);
      expect(await badGateway(await post(key, ask()))).toMatch(/^upstream_/);
    },
  );
});

describe.each(Object.entries(streamCuts))("a stream of which %s", (_title, cut) => {
  const contentType = "text/event-stream";

  it("ends in an error event, with what came on record", async () => {
    const { key, name } = await keyWithAdd(() => [cut({ text: half, contentType })]);
    const response = await post(key, ask({ stream: true }));
    const payloads = await errorEventOf(response, name);
    expect(JSON.stringify(payloads[0])).toContain("half");
    const conversation = await onRecord(response);
    expect(conversation).toMatchObject({ status: "failed" });
    expect(conversation.messages.at(-1)).toMatchObject({ role: "assistant", content: "half" });
  });

  it("ends in an error event in a later round", async () => {
    const { key, name } = await keyWithAdd((tool) => [
      toolRound(tool),
      cut({ text: half, contentType }),
    ]);
    const response = await post(key, ask({ stream: true }));
    await errorEventOf(response, name);
    expect((await onRecord(response)).rounds.map(({ status }) => status)).toEqual([
      "completed",
      "failed",
    ]);
  });

  it("is never an empty stop inside a tool call: not a server's, not a client's", async () => {
    for (const own of [true, false]) {
      const { key, name, upstream } = await keyWithAdd((tool) => [
        cut({
          text: event(callStart(own ? tool : "of_the_client")) + event(callHalf),
          contentType,
        }),
        completion({ content: "the call was run" }),
      ]);
      const tools = [{ type: "function", function: { name: "of_the_client", parameters: {} } }];
      const payloads = await errorEventOf(await post(key, ask({ stream: true, tools })), name);
      expect(JSON.stringify(payloads)).not.toContain("stop");
      expect(upstream.requests).toHaveLength(1);
    }
  });

  it("is an answer where its reason to finish came, though [DONE] did not", async () => {
    const text = half + event(chunk({}, "stop"));
    const { key } = await keyWithAdd(() => [cut({ text, contentType })]);
    const response = await post(key, ask({ stream: true }));
    expect((await response.text()).trimEnd().split("\n\n").at(-1)).toBe("data: [DONE]");
    expect(await onRecord(response)).toMatchObject({ status: "completed" });
  });
});

/** What a client reads of a connection until it is closed, and whether the body came to its end. */
function readRaw(key: string, body: Json): Promise<{ text: string; isWhole: boolean }> {
  const { hostname, port } = new URL(proxy.url);
  const sent = JSON.stringify(body);
  const lines = [
    "POST /v1/chat/completions HTTP/1.1",
    `host: ${hostname}:${port}`,
    `authorization: Bearer ${key}`,
    "content-type: application/json",
    "accept-encoding: identity",
    `content-length: ${Buffer.byteLength(sent)}`,
    "connection: close",
  ];
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(Number(port), hostname, () =>
      socket.write(`${lines.join("\r\n")}\r\n\r\n${sent}`),
    );
    socket.on("data", (data) => {
      text += data.toString();
      // workerd leaves a connection open for 5 s whose answer is all there.
      if (text.endsWith("\r\n0\r\n\r\n")) socket.end();
    });
    socket.once("error", () => undefined);
    socket.once("close", () => {
      const length = /content-length: (\d+)/i.exec(text)?.[1];
      const came = text.slice(text.indexOf("\r\n\r\n") + 4);
      const isWhole =
        length === undefined ? came.endsWith("0\r\n\r\n") : came.length >= Number(length);
      resolve({ text, isWhole });
    });
  });
}

describe("a plain key", () => {
  const cutJson = '{"id":"chatcmpl-1","choices":[{"index":0,"message":{"role":"assistant",';
  const plain = async (answer: Answer) => {
    const upstream = await startUpstream(answer);
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    return key;
  };

  const bodies = Object.entries(CUTS).map(([title, cut]) => ({
    title,
    cut,
    text: cutJson,
    type: "application/json",
  }));
  const [byLength] = Object.values(CUTS);
  const measured = {
    title: "a stream whose length was told",
    cut: byLength ?? ENDED,
    text: half,
    type: "text/event-stream",
  };

  it.each([...bodies, measured])(
    "gets a cut body cut: $title",
    async ({ cut, text: sent, type }) => {
      const key = await plain(cut({ text: sent, contentType: type }));
      const { text, isWhole } = await readRaw(key, ask());
      // workerd ends every body in order whose length was not told.
      const canTell = proxy.target !== "workerd" || /content-length/i.test(text);
      // Where it was cut before the head was passed on, there is a better answer.
      const isRefused = /^HTTP\/1.1 502[^]*"upstream_unreachable"/.test(text);
      expect(isWhole && canTell && !isRefused, text).toBe(false);
      const id = /x-proxy-conversation-id: (\S+)/i.exec(text)?.[1] ?? "";
      expect(await proxy.conversation(id)).toMatchObject({ status: "failed" });
    },
  );

  const chunked = Object.entries(CUTS).slice(1);
  it.each(chunked)("hears of a cut stream in an event: %s", async (_title, cut) => {
    const key = await plain(cut({ text: half, contentType: "text/event-stream" }));
    const response = await post(key, ask({ stream: true }));
    await errorEventOf(response, "nothing");
    const conversation = await onRecord(response);
    expect(conversation).toMatchObject({ status: "failed" });
    expect(conversation.messages.at(-1)).toMatchObject({ content: "half" });
  });

  it("hears of it in an event of its own where the cut is in the midst of another", async () => {
    const cut = CUTS["its connection is reset"] ?? ENDED;
    const key = await plain(
      cut({ text: `${half}data: {"choices":[{"del`, contentType: "text/event-stream" }),
    );
    const text = await (await post(key, ask({ stream: true }))).text();
    const last = text.trimEnd().split("\n\n").at(-1) ?? "";
    expect(JSON.parse(last.slice("data: ".length))).toMatchObject({
      error: { code: "upstream_unreachable" },
    });
  });

  it("has on record that a stream had no end, whose bytes pass", async () => {
    const key = await plain(ENDED({ text: half, contentType: "text/event-stream" }));
    const response = await post(key, ask({ stream: true }));
    expect(await response.text()).toBe(half);
    const conversation = await onRecord(response);
    expect(conversation).toMatchObject({ status: "failed" });
    expect(conversation.messages.at(-1)).toMatchObject({ content: "half" });
  });
});
