/** A bug of ours is told as ours, logged with its cause, and ends its turn; upstream's is upstream's. */
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { ChatAnswer } from "../../src/dialects/chat/client-answer.ts";
import type { TurnRecord } from "../../src/record/turn-record.ts";
import { Turn } from "../../src/turn/turn.ts";
import { ask, keyWithAdd, payloadsOf, post } from "../helpers/chat-turn.ts";
import { here, proxy } from "../helpers/proxy.ts";
import { recordOf } from "../helpers/turn-records.ts";
import {
  chunk,
  completion,
  events,
  startUpstream,
  toolCall,
  type Answer,
} from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

function inProcess() {
  if (here.inProcess === undefined) throw new Error("The proxy is not in this process");
  return here.inProcess;
}

/** The records of a test's turns, as they are kept. */
function watchRecords(): TurnRecord[] {
  const { platform } = inProcess();
  const records: TurnRecord[] = [];
  const spy = vi.spyOn(platform, "keepRecord").mockImplementation(async (record) => {
    records.push(record);
  });
  onTestFinished(() => spy.mockRestore());
  return records;
}

/** Plants a bug into a method. */
function plant<T extends object>(owner: T, method: keyof T & string): void {
  const spy = vi.spyOn(owner as Record<string, () => unknown>, method);
  spy.mockImplementation(() => {
    throw new TypeError(`planted in ${method}`);
  });
  onTestFinished(() => spy.mockRestore());
}

/** What was logged since, of the planted bugs. */
function watchLog(): () => string[] {
  const { lines } = inProcess();
  const before = lines.length;
  return () => lines.slice(before).filter((line) => line.includes("planted in"));
}

const twoRounds = (name: string): Answer[] => [
  (request, response) => {
    const call = toolCall("c1", name, { a: 2, b: 3 });
    const first = chunk({ role: "assistant", tool_calls: [{ index: 0, ...call }] });
    const isStream = request.json()["stream"] === true;
    const answer = isStream
      ? events(first, chunk({}, "tool_calls"))
      : completion({ tool_calls: [call] });
    return answer(request, response);
  },
  (request, response) => {
    const isStream = request.json()["stream"] === true;
    const answer = isStream
      ? events(chunk({ role: "assistant", content: "5" }), chunk({}, "stop"))
      : completion({ content: "5" });
    return answer(request, response);
  },
];

/** How a turn is on record that a bug of ours ended. */
const OURS = { status: "failed", errorCode: "internal_error" };

const lastEvent = (text: string): Json => JSON.parse(payloadsOf(text).at(-1) ?? "{}") as Json;
const codeOf = ({ error }: Json): unknown => (error as Json | undefined)?.["code"];

describe("A bug in the merging of rounds", () => {
  it("is a 500 where a whole answer was asked for, and its cause is in the log", async () => {
    const records = watchRecords();
    const planted = watchLog();
    const key = await keyWithAdd(twoRounds);
    plant(ChatAnswer.prototype, "merge");
    const response = await post(key.key, ask());
    expect([response.status, codeOf((await response.json()) as Json)]).toEqual([
      500,
      "internal_error",
    ]);
    expect(records).toMatchObject([
      { status: "failed", httpStatus: 500, errorCode: "internal_error" },
    ]);
    const id = response.headers.get("x-proxy-request-id") ?? "no id";
    expect(planted()).toEqual([expect.stringContaining(id)]);
    expect(planted()[0]).toMatch(/^error .*TypeError.*client-answer|^error .*TypeError/);
  });

  it.each([
    ["when the rounds are merged", ["merge"], OURS],
    ["and when what is left is put together too", ["merge", "mergeBrokenOff"], OURS],
    ["while a chunk is passed on", ["take"], OURS],
    ["at the end, when its record is safe already", ["end"], { status: "completed" }],
  ] as const)(
    "is an error event of ours where a stream was asked for: %s",
    async (_title, methods, ended) => {
      const records = watchRecords();
      const planted = watchLog();
      const key = await keyWithAdd(twoRounds);
      for (const method of methods) plant(ChatAnswer.prototype, method);
      const response = await post(key.key, ask({ stream: true }));
      const text = await response.text();
      expect(codeOf(lastEvent(text))).toBe("internal_error");
      expect(text).not.toContain("[DONE]");
      expect(text).not.toMatch(/upstream|planted/i);
      expect(records).toHaveLength(1);
      expect(records[0]).toMatchObject({ httpStatus: 200, ...ended });
      expect(planted()).toHaveLength(methods.length);
      expect(planted()[0]).toContain(response.headers.get("x-proxy-request-id") ?? "no id");
    },
  );
});

const cut =
  (contentType: string, beginning: string): Answer =>
  (_request, response) => {
    response.writeHead(200, { "content-type": contentType });
    response.write(beginning);
    setTimeout(() => response.destroy(), 30);
  };
const cutStream = cut("text/event-stream", `data: ${JSON.stringify(chunk({ content: "fi" }))}\n\n`);
const cutJson = cut("application/json", '{"id":"chatcmpl-1","choices":[');

const plainKey = async (answer: Answer) =>
  (await proxy.createKey({ openaiBaseUrl: (await startUpstream(answer)).url })).key;

describe("A body that upstream breaks off", () => {
  it("is a 502 where tools are offered and a whole answer was asked for", async () => {
    const records = watchRecords();
    const { key } = await keyWithAdd(() => [cutJson]);
    const response = await post(key, ask());
    expect([response.status, codeOf((await response.json()) as Json)]).toEqual([
      502,
      "upstream_unreachable",
    ]);
    expect(response.headers.get("x-proxy-conversation-id")).toBe(records[0]?.conversationId);
    expect(records).toMatchObject([{ status: "failed", errorCode: "upstream_unreachable" }]);
  });

  it.each([
    ["with tools", async () => (await keyWithAdd(() => [cutStream])).key],
    ["without tools", async () => plainKey(cutStream)],
  ])("is an error event that says so, %s", async (_title, makeKey) => {
    const records = watchRecords();
    const response = await post(await makeKey(), ask({ stream: true }));
    expect(codeOf(lastEvent(await response.text()))).toBe("upstream_unreachable");
    expect(records).toMatchObject([{ status: "failed", errorCode: "upstream_unreachable" }]);
  });

  it("is a body that is broken off where it was passed on", async () => {
    const records = watchRecords();
    const response = await post(await plainKey(cutJson), ask());
    await expect(response.text()).rejects.toThrow("terminated");
    expect(records).toMatchObject([{ status: "failed", errorCode: "upstream_unreachable" }]);
  });
});

describe("A bug in what reads along with an answer that is passed on", () => {
  const said = events(chunk({ role: "assistant", content: "5" }), chunk({}, "stop"));

  it.each(["firstToken", "relayed"] as const)(
    "is an error event of ours, logged and on record: in %s",
    async (method) => {
      const records = watchRecords();
      const planted = watchLog();
      const key = await plainKey(said);
      plant(Turn.prototype, method);
      const response = await post(key, ask({ stream: true }));
      expect(codeOf(lastEvent(await response.text()))).toBe("internal_error");
      expect(records).toMatchObject([{ status: "failed", errorCode: "internal_error" }]);
      expect(planted()).not.toEqual([]);
    },
  );

  it("breaks a body off that has no place for an error", async () => {
    const records = watchRecords();
    const planted = watchLog();
    const key = await plainKey(cutJson);
    plant(Turn.prototype, "firstToken");
    const response = await post(key, ask());
    await expect(response.text()).rejects.toThrow("terminated");
    expect(records).toMatchObject([{ status: "failed", errorCode: "internal_error" }]);
    expect(planted()).not.toEqual([]);
  });
});

it("A turn ends once: what comes later changes nothing, and nobody hears of it", () => {
  const heard: TurnRecord[] = [];
  const turn = new Turn({
    ...recordOf("/v1/chat/completions"),
    apiKey: { id: "1", name: "k", logContent: "full" },
    observers: [{ ended: (record) => void heard.push(structuredClone(record)) }],
  });
  void turn.ended({ status: "completed" });
  void turn.endedBy(new TypeError("late"), false);
  void turn.ended({ status: "cancelled" });
  expect(heard).toMatchObject([{ status: "completed", error: null }]);
  expect(turn.record).toMatchObject({ status: "completed", error: null });
});
