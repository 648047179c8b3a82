/** A dialect that nobody speaks finds its room: at the client's end, at upstream's, and at both. */
import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { readConfig } from "../../src/config/read-config.ts";
import type { Dialect, HistoryItem, LoopEnd, MergedTurn } from "../../src/dialects/dialect.ts";
import { chatDialect } from "../../src/dialects/chat/chat-dialect.ts";
import { translationOf } from "../../src/dialects/translations.ts";
import { Memory } from "../../src/memory.ts";
import { createTurnstile } from "../../src/node/wait-for-one-another.ts";
import type { Platform, UpstreamRequest, UpstreamResponse } from "../../src/platform.ts";
import type { TurnRecord } from "../../src/record/turn-record.ts";
import type { ToolTurn } from "../../src/turn/open-running.ts";
import { runTurn } from "../../src/turn/run-turn.ts";
import { Turn } from "../../src/turn/turn.ts";
import { SETTINGS } from "../helpers/settings.ts";
import { TINY_TRANSLATIONS, tinyDialect } from "../helpers/tiny-dialect.ts";
import { recordOf } from "../helpers/turn-records.ts";
import { memoryLogger } from "./database/memory-logger.ts";

type Json = Record<string, unknown>;

const SCHEMA = { type: "object", properties: {} };
const TOOL = {
  id: "tool-1",
  name: "add",
  description: "Adds.",
  type: "function",
  parameters: SCHEMA,
  implementation: "return 5;",
};

const encode = (text: string) => new TextEncoder().encode(text);

/** What a model says in one round. */
interface Said {
  text: string;
  calls: { id: string; name: string; args: string }[];
}

/** How an upstream answers in its dialect. */
interface Speaker {
  whole(said: Said): unknown;
  /** Events of a stream, each the data of one. */
  events(said: Said): string[];
}

const chatCall = ({ id, name, args }: Said["calls"][number]) => ({
  id,
  type: "function",
  function: { name, arguments: args },
});
const head = { id: "chatcmpl-1", created: 1, model: "m" };
const COUNTS = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const reasonOf = ({ calls }: Said) => (calls.length === 0 ? "stop" : "tool_calls");
const endOf = ({ calls }: Said) => (calls.length === 0 ? "done" : "calls");

const SPEAKERS: Record<string, Speaker> = {
  chat: {
    whole: (said) => {
      const { text: content, calls } = said;
      const spelled = calls.length === 0 ? {} : { tool_calls: calls.map(chatCall) };
      const message = { role: "assistant", content, ...spelled };
      const choice = { index: 0, message, finish_reason: reasonOf(said) };
      return { ...head, object: "chat.completion", choices: [choice], usage: COUNTS };
    },
    events: (said) => {
      const { text: content, calls } = said;
      const tool_calls = calls.map((call, index) => ({ index, ...chatCall(call) }));
      const delta = { role: "assistant", content, ...(calls.length === 0 ? {} : { tool_calls }) };
      const chunks = [
        { choices: [{ index: 0, delta, finish_reason: null }] },
        { choices: [{ index: 0, delta: {}, finish_reason: reasonOf(said) }] },
        { choices: [], usage: COUNTS },
      ];
      return [...chunks.map((chunk) => JSON.stringify({ ...head, ...chunk })), "[DONE]"];
    },
  },
  tiny: {
    whole: (said) => ({ it: { who: "it", ...said }, end: endOf(said), used: [10, 5] }),
    events: (said) => {
      const calls = said.calls.flatMap(({ id, name, args }, index) => [
        ["c", id, name],
        ["a", index, args.slice(0, 3)],
        ["a", index, args.slice(3)],
      ]);
      const lines = [["t", said.text], ...calls, ["e", endOf(said), [10, 5]]];
      return lines.map((one) => JSON.stringify(one));
    },
  },
};

function answerOf(speaker: Speaker, said: Said, isStream: boolean): UpstreamResponse {
  const events = speaker.events(said).map((data) => `data: ${data}\n\n`);
  const text = isStream ? events.join("") : JSON.stringify(speaker.whole(said));
  const type = isStream ? "text/event-stream" : "application/json";
  return { status: 200, headers: { "content-type": type }, body: encode(text) };
}

/** What became of a turn. */
interface Ran {
  text: string;
  type: string | null;
  headers: Headers;
  asked: { url: string; body: Json }[];
  record: TurnRecord;
  kept: { end: LoopEnd; answer: HistoryItem }[];
}

/** How upstream refuses the dialect that it is asked in first, and what the choice is then. */
interface FirstRefused {
  answer: UpstreamResponse;
  instead: ToolTurn["instead"];
  answered: ToolTurn["answered"];
}

/** Runs a turn whose rounds go as the script says. */
async function run(
  client: Dialect,
  spoken: Dialect,
  request: Json,
  script: Said[],
  refused: FirstRefused | null = null,
): Promise<Ran> {
  const asked: Ran["asked"] = [];
  const kept: Ran["kept"] = [];
  const records: TurnRecord[] = [];
  const send = async ({ url, body }: UpstreamRequest): Promise<UpstreamResponse> => {
    const sent = JSON.parse(new TextDecoder().decode(body as Uint8Array)) as Json;
    const isRefused = refused !== null && asked.length === 0;
    const said = script[asked.length - (refused === null ? 0 : 1)];
    asked.push({ url, body: sent });
    if (isRefused) return refused.answer;
    const speaker = SPEAKERS[url.endsWith("/tiny") ? "tiny" : "chat"];
    if (said === undefined || speaker === undefined) throw new Error("The script has ended");
    return answerOf(speaker, said, sent["stream"] === true);
  };
  const platform = {
    config: readConfig(SETTINGS),
    logger: memoryLogger(),
    memory: new Memory(),
    send,
    openDecoder: () => null,
    maxUnreadBytes: Infinity,
    heavy: null,
    clock: systemClock,
    turnstile: createTurnstile,
    sandbox: {
      run: async () => ({ ok: true, result: "5", logs: [] }),
      check: async () => null,
    },
  } as unknown as Platform;
  const waits: Promise<unknown>[] = [];
  const never = new AbortController().signal;
  const start = { ...recordOf("/v1/x"), apiKey: { id: "1", name: "k", logContent: "full" } };
  const turn = new Turn({
    ...start,
    apiKey: { id: "1", name: "k", logContent: "full" },
    observers: [{ ended: (record) => void records.push(record) }],
  });
  turn.named("0193f7c0-0000-7000-8000-000000000002");
  const read = client.readRequest(JSON.stringify(request));
  if (read === null) throw new Error("That is no request");
  const response = await runTurn({
    scope: {
      platform,
      requestId: turn.id,
      clientGone: never,
      breakOff: null,
      acceptSocket: null,
      waitUntil: (one: Promise<unknown>) => waits.push(one),
    },
    request: new Request(`http://proxy.test/v1${client.path}`, { method: "POST" }),
    key: { id: "1", toolMaxRounds: null },
    turn,
    limits: { reached: async () => null },
    asked: read,
    history: {
      foreign() {
        return this;
      },
      request: read,
      restoredParts: { media: false, reasoning: false },
      requestWithout: () => read,
      places: [],
      media: { takes: () => false, isRefused: false, refused: () => undefined },
      restored: [],
      keep: async (end: LoopEnd, { message: answer }: MergedTurn) =>
        void kept.push({ end, answer }),
    },
    offer: { serverTools: new Map([[TOOL.name, TOOL]]), shadowed: [] },
    upstream: { baseUrl: "http://upstream.test/v1", apiKey: null, isOwnCredential: false },
    spoken,
    translation: translationOf(client, spoken, TINY_TRANSLATIONS),
    notes: [],
    instead: refused?.instead ?? (() => null),
    back: () => null,
    answered: refused?.answered ?? (() => undefined),
    isWatched: false,
  } as unknown as ToolTurn);
  const text = await response.text();
  await Promise.all(waits);
  const [record] = records;
  if (record === undefined) throw new Error("The turn has not ended");
  const { headers } = response;
  return { text, type: headers.get("content-type"), headers, asked, record, kept };
}

const QUESTION: Record<string, Json> = {
  chat: { messages: [{ role: "user", content: "2+3?" }] },
  tiny: { say: [{ who: "me", text: "2+3?" }] },
};
const OWN_TOOL: Record<string, Json> = {
  chat: { tools: [{ type: "function", function: { name: "own", parameters: SCHEMA } }] },
  tiny: { tools: [{ name: "own", schema: SCHEMA }] },
};

const payloads = (text: string) =>
  text
    .split("\n\n")
    .filter((event) => event.startsWith("data: ") && !event.includes("[DONE]"))
    .map((event) => JSON.parse(event.slice("data: ".length)) as unknown);

/** What a client of a dialect reads: text, calls, end and usage. */
type Seen = Said & { end: string; used: number[] };

interface ChatDelta {
  content?: string | null;
  tool_calls?: { id?: string; function: { name?: string; arguments?: string } }[];
}

function readTiny(text: string, isStream: boolean): Seen {
  if (!isStream) {
    const {
      it: message,
      end,
      used,
    } = JSON.parse(text) as {
      it: Said;
      end: string;
      used: number[];
    };
    return { text: message.text, calls: message.calls ?? [], end, used };
  }
  const seen: Seen = { text: "", calls: [], end: "", used: [] };
  for (const [kind, first, second] of payloads(text) as [string, string, unknown][]) {
    if (kind === "t") seen.text += first;
    if (kind === "c") seen.calls.push({ id: first, name: String(second), args: "" });
    const call = seen.calls[Number(first)];
    if (kind === "a" && call !== undefined) call.args += String(second);
    if (kind === "e") Object.assign(seen, { end: first, used: second });
  }
  return seen;
}

function readChat(text: string, isStream: boolean): Seen {
  const seen: Seen = { text: "", calls: [], end: "", used: [] };
  const answers = (isStream ? payloads(text) : [JSON.parse(text)]) as {
    choices: { delta?: ChatDelta; message?: ChatDelta; finish_reason: string | null }[];
    usage?: { prompt_tokens: number; completion_tokens: number } | null;
  }[];
  for (const { choices, usage } of answers) {
    for (const { delta, message, finish_reason: end } of choices) {
      const said = delta ?? message ?? {};
      seen.text += said.content ?? "";
      for (const { id, function: called } of said.tool_calls ?? []) {
        if (id !== undefined) seen.calls.push({ id, name: called.name ?? "", args: "" });
        const last = seen.calls.at(-1);
        if (last !== undefined) last.args += called.arguments ?? "";
      }
      if (end !== null) seen.end = end === "tool_calls" ? "calls" : "done";
    }
    if (usage) seen.used = [usage.prompt_tokens, usage.completion_tokens];
  }
  return seen;
}

const READERS: Record<string, typeof readChat> = { chat: readChat, tiny: readTiny };
const PATHS: Record<string, string> = { chat: "/chat/completions", tiny: "/tiny" };

const calling = { id: "c1", name: "add", args: '{"a":2,"b":3}' };
const owned = { id: "c2", name: "own", args: '{"x":1}' };

/** The hidden items of a round of calls, as each dialect has them. */
function hiddenIn(dialect: Dialect, calls: Said["calls"]): unknown[] {
  if (dialect.name === "tiny")
    return [
      { who: "it", text: "Adding.", calls },
      { who: "tool", id: "c1", text: "5" },
    ];
  return [
    { role: "assistant", content: "Adding.", tool_calls: calls.map(chatCall) },
    { role: "tool", tool_call_id: "c1", content: "5" },
  ];
}

const PAIRS: [Dialect, Dialect][] = [
  [tinyDialect, chatDialect],
  [chatDialect, tinyDialect],
  [tinyDialect, tinyDialect],
  [chatDialect, chatDialect],
];
const CASES = PAIRS.flatMap(([client, spoken]) =>
  [false, true].map((stream) => ({
    client,
    spoken,
    stream,
    from: client.name,
    to: spoken.name,
    way: stream ? "streamed" : "whole",
  })),
);

describe.each(CASES)(
  "A client of $from at an upstream of $to, $way",
  ({ client, spoken, stream, from, to }) => {
    const usage = from === "chat" && stream ? { stream_options: { include_usage: true } } : {};
    const asks = (more: Json = {}) => ({
      model: "m",
      stream,
      ...QUESTION[from],
      ...usage,
      ...more,
    });
    const read = ({ text }: Ran) => READERS[from]?.(text, stream);
    const historyOf = (body: Json) => (body["messages"] ?? body["say"]) as unknown[];

    it("gets the answer of a turn whose tool ran", async () => {
      const ran = await run(client, spoken, asks(), [
        { text: "Adding.", calls: [calling] },
        { text: "5", calls: [] },
      ]);
      expect(read(ran)).toEqual({ text: "Adding.\n\n5", calls: [], end: "done", used: [20, 10] });
      expect(ran.type).toMatch(stream ? /^text\/event-stream/ : /^application\/json/);
      expect(ran.text).not.toContain('"add"');
      const url = `http://upstream.test/v1${PATHS[to]}`;
      expect(ran.asked.map((asked) => asked.url)).toEqual([url, url]);
      const [first, second] = ran.asked.map(({ body }) => body);
      expect(historyOf(first ?? {})).toEqual(historyOf(QUESTION[to] ?? {}));
      expect(historyOf(second ?? {}).slice(1)).toMatchObject(hiddenIn(spoken, [calling]));
      expect(JSON.stringify(first?.["tools"])).toContain('"add"');
      expect(ran.record).toMatchObject({ status: "completed", loopStopReason: "answered" });
      expect(ran.record.toolExecutions).toMatchObject([{ toolName: "add", result: "5" }]);
      const hidden = ran.record.produced.filter((one) => one.hidden);
      expect(hidden.map(({ message }) => message)).toMatchObject(hiddenIn(client, [calling]));
      expect(ran.kept[0]?.end.hidden).toMatchObject(hiddenIn(client, [calling]));
      expect(ran.kept[0]?.answer).toEqual(ran.record.produced.at(-1)?.message);
    });

    it("is given its own calls of a mixed round, and no other", async () => {
      const ran = await run(client, spoken, asks(OWN_TOOL[from]), [
        { text: "Adding.", calls: [calling, owned] },
      ]);
      const own = { text: "Adding.", calls: [owned], end: "calls", used: [10, 5] };
      expect(read(ran)).toEqual(own);
      expect(ran.text).not.toContain('"add"');
      expect(ran.asked).toHaveLength(1);
      expect(JSON.stringify(ran.asked[0]?.body["tools"])).toMatch(/"own".*"add"/);
      const hidden = hiddenIn(client, [calling, owned]);
      expect(ran.kept[0]?.end).toMatchObject({ isMixed: true, hidden });
      expect(ran.record.loopStopReason).toBe("client_calls");
    });
  },
);

it("A pair that no row translates is nobody's to choose", () => {
  expect(() => translationOf(chatDialect, tinyDialect)).toThrow(
    "There is no translation from chat to tiny",
  );
});

describe.each([false, true])("An upstream that refuses a dialect, streamed: %s", (stream) => {
  const request = { model: "m", stream, ...QUESTION["chat"] };
  const body = encode(JSON.stringify({ error: { message: "Speak tiny." } }));
  const answer = { status: 404, headers: { "content-type": "application/json" }, body };

  it("is asked again in the other, in the same round", async () => {
    let hasAnswered = false;
    const answered = () => {
      hasAnswered = true;
    };
    const translation = translationOf(chatDialect, tinyDialect, TINY_TRANSLATIONS);
    const notes = ["Asked again."];
    const instead = () => ({
      spoken: tinyDialect,
      translation,
      notes,
      instead: () => null,
      back: () => null,
      answered,
    });
    const said = [
      { text: "Adding.", calls: [calling] },
      { text: "5", calls: [] },
    ];
    const refused = { answer, instead, answered: () => undefined };
    const ran = await run(chatDialect, chatDialect, request, said, refused);
    expect(readChat(ran.text, stream)).toMatchObject({ text: "Adding.\n\n5", end: "done" });
    expect(hasAnswered).toBe(true);
    expect(ran.asked.map(({ url }) => url.split("/v1")[1])).toEqual([
      "/chat/completions",
      "/tiny",
      "/tiny",
    ]);
    expect(ran.headers.get("x-proxy-upstream-dialect")).toBe("tiny");
    expect(ran.record).toMatchObject({ status: "completed", httpStatus: 200 });
    expect(ran.record.rounds).toMatchObject([{ round: 1, notes }, { round: 2 }]);
    expect(ran.kept[0]?.end.hidden).toMatchObject(hiddenIn(chatDialect, [calling]));
  });
});
