/**
 * Streams whose bytes are legal, or nearly, and unlike OpenAI's own. Each title names what some
 * server was seen to send.
 */
import { describe, expect, it } from "vitest";
import { keyWithAdd, streamed, whole } from "../helpers/chat-turn.ts";
import {
  chunk,
  completion,
  sentMessages,
  toolCall,
  usageChunk,
  type Answer,
} from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

/** Parts of a body, one write each. */
const bytes =
  (parts: (string | Uint8Array)[], contentType = "text/event-stream"): Answer =>
  async (_request, response) => {
    response.writeHead(200, { "content-type": contentType });
    for (const part of parts) {
      response.write(part);
      await new Promise((resolve) => setImmediate(resolve));
    }
    response.end();
  };

const callRound = (name: string): Json[] => [
  chunk({ role: "assistant", content: "" }),
  chunk({ content: "Ich zähle 🧮." }),
  chunk({
    tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name, arguments: "" } }],
  }),
  chunk({ tool_calls: [{ index: 0, function: { arguments: '{"a":2,' } }] }),
  chunk({ tool_calls: [{ index: 0, function: { arguments: '"b":3}' } }] }),
  chunk({}, "tool_calls"),
  usageChunk(),
];
const textRound: Json[] = [
  chunk({ role: "assistant", content: "" }),
  chunk({ content: "Fünf: 5️⃣" }),
  chunk({}, "stop"),
  usageChunk(),
];

const event = (payload: unknown) => `data: ${JSON.stringify(payload)}\n\n`;
const streamText = (payloads: Json[]) => `${payloads.map(event).join("")}data: [DONE]\n\n`;
const encoded = (text: string) => new TextEncoder().encode(text);
const oneByteEach = (text: string) => Array.from(encoded(text), (byte) => Uint8Array.of(byte));

/** How some server writes a stream that OpenAI would write as `streamText`. */
const SPELLINGS: Record<string, (payloads: Json[]) => (string | Uint8Array)[]> = {
  "all in one piece": (payloads) => [streamText(payloads)],
  "one byte at a time": (payloads) => oneByteEach(streamText(payloads)),
  "CRLF line ends": (payloads) => [streamText(payloads).replaceAll("\n", "\r\n")],
  "CRLF line ends, one byte at a time": (payloads) =>
    oneByteEach(streamText(payloads).replaceAll("\n", "\r\n")),
  "CR line ends": (payloads) => [streamText(payloads).replaceAll("\n", "\r")],
  "CR line ends, one byte at a time": (payloads) =>
    oneByteEach(streamText(payloads).replaceAll("\n", "\r")),
  "a byte order mark": (payloads) => [
    Uint8Array.of(0xef),
    Uint8Array.of(0xbb, 0xbf),
    streamText(payloads),
  ],
  "data: without a space": (payloads) => [streamText(payloads).replaceAll("data: ", "data:")],
  "comments, empty ones too": (payloads) =>
    payloads
      .flatMap((one) => [":\n\n", ": OPENROUTER PROCESSING\n\n", ":\n", event(one)])
      .concat("data: [DONE]\n\n"),
  "empty data lines": (payloads) =>
    payloads.flatMap((one) => ["data:\n\n", event(one), "data: \n\n"]).concat("data: [DONE]\n\n"),
  "event, id and retry lines": (payloads) =>
    payloads
      .map((one, id) => `event: message\nid: ${id}\nretry: 10\n${event(one)}`)
      .concat("data: [DONE]\n\n"),
  "keep-alives as data": (payloads) =>
    payloads
      .flatMap((one) => [
        "data: ping\n\n",
        'event: ping\ndata: {"type":"ping"}\n\n',
        "data: null\n\n",
        event(one),
      ])
      .concat("data: [DONE]\n\n"),
  "JSON over several data lines": (payloads) =>
    payloads
      .map((one) => `${JSON.stringify(one, null, 1).replaceAll(/^/gm, "data: ")}\n\n`)
      .concat("data: [DONE]\n\n"),
  "events without blank lines between them": (payloads) => [
    streamText(payloads).replaceAll("\n\n", "\n"),
  ],
  "no [DONE]": (payloads) => payloads.map(event),
  "no [DONE], and no blank line after the last event": (payloads) => [
    payloads.map(event).join("").trimEnd(),
  ],
  "data after [DONE]": (payloads) => [
    streamText(payloads),
    event(chunk({ content: " and more" })),
    "data: [DONE]\n\n",
  ],
  "data after [DONE], in the same piece": (payloads) => [
    `${streamText(payloads)}${event(chunk({ content: " and more" }))}`,
  ],
};

const expected = { content: "Ich zähle 🧮.\n\nFünf: 5️⃣", calls: [], finishReason: "stop" };
const sentCall = {
  id: "call_1",
  type: "function",
  function: expect.objectContaining({ arguments: '{"a":2,"b":3}' }),
};

describe("streams that are spelled unlike OpenAI's", () => {
  it.each(Object.entries(SPELLINGS))("survives %s", async (_title, spell) => {
    const key = await keyWithAdd((name) => [
      bytes(spell(callRound(name))),
      bytes(spell(textRound)),
    ]);
    const turn = await streamed(key, { stream_options: { include_usage: true } });
    expect(turn).toMatchObject({
      ...expected,
      usage: { prompt_tokens: 20, completion_tokens: 10, total_tokens: 30 },
    });
    expect(sentMessages(key.upstream, 1).slice(1)).toEqual([
      expect.objectContaining({
        role: "assistant",
        content: "Ich zähle 🧮.",
        tool_calls: [sentCall],
      }),
      { role: "tool", tool_call_id: "call_1", content: "5" },
    ]);
  });

  it.each([
    "text/plain",
    "application/json",
    "application/octet-stream",
    "TEXT/EVENT-STREAM;charset=utf-8",
  ])("survives a stream that is called %s", async (contentType) => {
    const key = await keyWithAdd((name) => [
      bytes([streamText(callRound(name))], contentType),
      bytes([streamText(textRound)], contentType),
    ]);
    expect(await streamed(key)).toMatchObject(expected);
  });

  it("survives a whole completion where a stream was asked for", async () => {
    const key = await keyWithAdd((name) => [
      completion({
        content: "Ich zähle 🧮.",
        tool_calls: [toolCall("call_1", name, { a: 2, b: 3 })],
      }),
      completion({ content: "Fünf: 5️⃣" }),
    ]);
    const turn = await streamed(key, { stream_options: { include_usage: true } });
    expect(turn).toMatchObject({ ...expected, usage: { total_tokens: 30 } });
    expect(sentMessages(key.upstream, 1).at(-1)).toEqual({
      role: "tool",
      tool_call_id: "call_1",
      content: "5",
    });
  });

  it("survives a whole completion as the one event of a stream", async () => {
    const answer = (message: Json) => ({
      ...chunk({}),
      object: "chat.completion",
      choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason: "stop" }],
    });
    const key = await keyWithAdd((name) => [
      bytes([
        event(
          answer({
            content: "Ich zähle 🧮.",
            tool_calls: [toolCall("call_1", name, { a: 2, b: 3 })],
          }),
        ),
        "data: [DONE]\n\n",
      ]),
      bytes([event(answer({ content: "Fünf: 5️⃣" })), "data: [DONE]\n\n"]),
    ]);
    expect(await streamed(key)).toMatchObject(expected);
  });

  it("survives a stream where a whole completion was asked for", async () => {
    const key = await keyWithAdd((name) => [
      bytes([streamText(callRound(name))]),
      bytes([streamText(textRound)]),
    ]);
    const turn = await whole(key);
    expect(turn).toMatchObject({
      ...expected,
      usage: { total_tokens: 30 },
      completion: { id: "chatcmpl-1", object: "chat.completion" },
    });
  });

  it("survives a body of JSON with a byte order mark and space around it", async () => {
    const key = await keyWithAdd(() => [
      (_request, response) =>
        void response
          .writeHead(200, { "content-type": "application/json" })
          .end(`\ufeff\n ${JSON.stringify({ choices: [{ message: { content: "Fünf" } }] })} \n`),
    ]);
    expect(await whole(key)).toMatchObject({ content: "Fünf", finishReason: "stop", usage: null });
    expect(await streamed(key)).toMatchObject({ content: "Fünf", finishReason: "stop" });
  });

  it("survives [DONE] without finish_reason", async () => {
    const unfinished = (rounds: Json[]) =>
      rounds.filter(
        (one) =>
          (one["choices"] as Json[])[0]?.["finish_reason"] === null ||
          (one["choices"] as Json[]).length === 0,
      );
    const key = await keyWithAdd((name) => [
      bytes([streamText(unfinished(callRound(name)))]),
      bytes([streamText(unfinished(textRound))]),
    ]);
    expect(await streamed(key)).toMatchObject(expected);
  });
});
