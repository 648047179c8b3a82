/**
 * What any client library must find true of the tool loop. A library's own file brings a driver for
 * each of its ways to ask.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { converse, type ClientDriver } from "./client-driver.ts";
import { historyOf, offeredIn, tokensOf } from "./mixed-upstream.ts";

/**
 * Spelled as no client would spell it: what upstream gets back must be the model's own words, for
 * its prompt cache.
 */
const ASK = { text: '{ "question": "Größe 😀?" }', args: { question: "Größe 😀?" } };
const READ = { text: '{"path" : "a.txt"}', args: { path: "a.txt" } };

const call = {
  add: (name: string, id = "call_add", [a, b] = [2, 3]) => ({
    id,
    name,
    arguments: `{"a": ${a}, "b": ${b}}`,
  }),
  ask: (id = "call_ask") => ({ id, name: "ask_user", arguments: ASK.text }),
  read: (id = "call_read") => ({ id, name: "read_file", arguments: READ.text }),
};

const asked = (id = "call_ask") => ({ id, name: "ask_user", args: ASK.args });

/** The promises of one question. */
function describeOneTurn(driver: ClientDriver): void {
  const { stop, calls } = driver.says;

  it("reads hidden rounds as one answer: texts joined, one finish reason, usage of all rounds", async () => {
    const { ask, upstream, add, ran } = await converse(driver, (name) => [
      { text: "I look.", calls: [call.add(name, "call_1")] },
      {
        text: "Once more.",
        calls: [call.add(name, "call_2", [20, 30]), call.add(name, "call_3", [0.5, 0])],
      },
      { text: "It is 5." },
    ]);
    expect(await ask("2+3?")).toEqual([
      {
        text: "I look.\n\nOnce more.\n\nIt is 5.",
        calls: [],
        finishReason: stop,
        usage: tokensOf(0, 1, 2),
      },
    ]);
    expect(ran).toEqual([]);
    expect(upstream.requests).toHaveLength(3);
    expect(historyOf(upstream, 2)).toEqual([
      "user: 2+3?",
      `assistant: I look. [call_1 ${add} {"a": 2, "b": 3}]`,
      "tool call_1: 5",
      `assistant: Once more. [call_2 ${add} {"a": 20, "b": 30}] [call_3 ${add} {"a": 0.5, "b": 0}]`,
      "tool call_2: 50",
      "tool call_3: 0.5",
    ]);
  });

  it("runs its own tools as if the key had none", async () => {
    const compact = { id: "call_ask", name: "ask_user", arguments: '{"question":"?"}' };
    const { ask, upstream, add, ran } = await converse(driver, () => [
      { text: "I ask.", calls: [compact] },
      { text: "Done." },
    ]);
    expect(await ask("go")).toEqual([
      {
        text: "I ask.",
        calls: [{ ...asked(), args: { question: "?" } }],
        finishReason: calls,
        usage: tokensOf(0),
      },
      { text: "Done.", calls: [], finishReason: stop, usage: tokensOf(1) },
    ]);
    expect(ran).toEqual(['ask_user {"question":"?"}']);
    const offered = upstream.requests.map((_request, index) => offeredIn(upstream, index));
    expect(offered).toEqual([
      ["ask_user", "read_file", add],
      ["ask_user", "read_file", add],
    ]);
    expect(historyOf(upstream, 1)).toEqual([
      "user: go",
      'assistant: I ask. [call_ask ask_user {"question":"?"}]',
      "tool call_ask: result of ask_user",
    ]);
  });

  it.each([{ first: "server" }, { first: "client" }])(
    "is given its own call only, beside a server's: $first call first",
    async ({ first }) => {
      const inOrder = <T>(server: T, client: T) =>
        first === "server" ? [server, client] : [client, server];
      const { ask, upstream, add, ran } = await converse(driver, (name) => [
        { text: "Both.", calls: inOrder(call.add(name), call.ask()) },
        { text: "It is 5." },
      ]);
      expect(await ask("go")).toEqual([
        { text: "Both.", calls: [asked()], finishReason: calls, usage: tokensOf(0) },
        { text: "It is 5.", calls: [], finishReason: stop, usage: tokensOf(1) },
      ]);
      expect(ran).toEqual([`ask_user ${JSON.stringify(ASK.args)}`]);
      expect(upstream.requests).toHaveLength(2);
      const [one, two] = inOrder(
        `[call_add ${add} {"a": 2, "b": 3}]`,
        `[call_ask ask_user ${ASK.text}]`,
      );
      expect(historyOf(upstream, 1)).toEqual([
        "user: go",
        `assistant: Both. ${one} ${two}`,
        ...inOrder("tool call_add: 5", "tool call_ask: result of ask_user"),
      ]);
    },
  );

  it("is given its call of a later round, and the model finds the hidden rounds before it", async () => {
    const { ask, upstream, add } = await converse(driver, (name) => [
      { text: "I look.", calls: [call.add(name)] },
      { text: "I ask.", calls: [call.ask()] },
      { text: "Once more.", calls: [call.add(name, "call_again", [1, 1])] },
      { text: "All done." },
    ]);
    expect(await ask("go")).toEqual([
      { text: "I look.\n\nI ask.", calls: [asked()], finishReason: calls, usage: tokensOf(0, 1) },
      { text: "Once more.\n\nAll done.", calls: [], finishReason: stop, usage: tokensOf(2, 3) },
    ]);
    expect(historyOf(upstream, 3)).toEqual([
      "user: go",
      `assistant: I look. [call_add ${add} {"a": 2, "b": 3}]`,
      "tool call_add: 5",
      `assistant: I ask. [call_ask ask_user ${ASK.text}]`,
      "tool call_ask: result of ask_user",
      `assistant: Once more. [call_again ${add} {"a": 1, "b": 1}]`,
      "tool call_again: 2",
    ]);
    expect(historyOf(upstream, 2)).toEqual(historyOf(upstream, 3).slice(0, 5));
  });

  it("runs two calls of its own beside a server's", async () => {
    const { ask, upstream, add, ran } = await converse(driver, (name) => [
      { calls: [call.ask(), call.add(name), call.read()] },
      { text: "Done." },
    ]);
    const [first, second] = await ask("go");
    expect(first).toEqual({
      text: "",
      calls: [asked(), { id: "call_read", name: "read_file", args: READ.args }],
      finishReason: calls,
      usage: tokensOf(0),
    });
    expect(second).toEqual({ text: "Done.", calls: [], finishReason: stop, usage: tokensOf(1) });
    expect(ran.toSorted()).toEqual([
      `ask_user ${JSON.stringify(ASK.args)}`,
      `read_file ${JSON.stringify(READ.args)}`,
    ]);
    expect(historyOf(upstream, 1)).toEqual([
      "user: go",
      `assistant:  [call_ask ask_user ${ASK.text}] [call_add ${add} {"a": 2, "b": 3}] [call_read read_file ${READ.text}]`,
      "tool call_ask: result of ask_user",
      "tool call_add: 5",
      "tool call_read: result of read_file",
    ]);
  });
}

/** The promises of a conversation. */
function describeMemory(driver: ClientDriver): void {
  const { stop } = driver.says;

  it("finds each mixed round whole, when one follows the other", async () => {
    const { ask, upstream, add } = await converse(driver, (name) => [
      { calls: [call.add(name, "call_1"), call.ask("call_2")] },
      { text: "More.", calls: [call.read("call_3"), call.add(name, "call_4", [4, 5])] },
      { text: "Done." },
      { text: "Welcome." },
    ]);
    expect((await ask("go")).map(({ text }) => text)).toEqual(["", "More.", "Done."]);
    expect(await ask("thanks")).toEqual([
      { text: "Welcome.", calls: [], finishReason: stop, usage: tokensOf(3) },
    ]);
    const turn = [
      "user: go",
      `assistant:  [call_1 ${add} {"a": 2, "b": 3}] [call_2 ask_user ${ASK.text}]`,
      "tool call_1: 5",
      "tool call_2: result of ask_user",
      `assistant: More. [call_3 read_file ${READ.text}] [call_4 ${add} {"a": 4, "b": 5}]`,
      "tool call_3: result of read_file",
      "tool call_4: 9",
    ];
    expect(historyOf(upstream, 2)).toEqual(turn);
    expect(historyOf(upstream, 3)).toEqual([...turn, "assistant: Done.", "user: thanks"]);
  });

  it("asks again, and the model remembers what it looked up", async () => {
    const { ask, upstream, add } = await converse(driver, (name) => [
      { text: "I look.\n", calls: [call.add(name, "call_1")] },
      { text: "It is 5.\n" },
      { calls: [call.add(name, "call_2", [5, 5])] },
      { text: "Now 10." },
      { text: "Welcome." },
    ]);
    expect((await ask("2+3?")).map(({ text }) => text)).toEqual(["I look.\nIt is 5.\n"]);
    expect(await ask("And 5 more?")).toEqual([
      { text: "Now 10.", calls: [], finishReason: stop, usage: tokensOf(2, 3) },
    ]);
    await ask("thanks");
    const one = [
      "user: 2+3?",
      `assistant: I look.\n [call_1 ${add} {"a": 2, "b": 3}]`,
      "tool call_1: 5",
      "assistant: It is 5.\n",
    ];
    const two = [
      "user: And 5 more?",
      `assistant:  [call_2 ${add} {"a": 5, "b": 5}]`,
      "tool call_2: 10",
      "assistant: Now 10.",
    ];
    expect(historyOf(upstream, 2)).toEqual([...one, "user: And 5 more?"]);
    expect(historyOf(upstream, 4)).toEqual([...one, ...two, "user: thanks"]);
  });

  it("asks again after a refusal, and the model remembers what it looked up", async () => {
    const { ask, upstream, add } = await converse(driver, (name) => [
      { calls: [call.add(name, "call_1")] },
      { refusal: "I cannot say that." },
      { text: "Sorry." },
    ]);
    await ask("2+3?");
    await ask("Why?");
    const history = historyOf(upstream, 2);
    expect(history.slice(0, 3)).toEqual([
      "user: 2+3?",
      `assistant:  [call_1 ${add} {"a": 2, "b": 3}]`,
      "tool call_1: 5",
    ]);
    expect(history).toHaveLength(5);
  });

  it("asks again after a turn of hidden, mixed and own rounds, and the model finds one consistent history", async () => {
    const { ask, upstream, add } = await converse(driver, (name) => [
      { text: "One.", calls: [call.add(name, "call_1")] },
      { text: "Two.", calls: [call.ask("call_2"), call.add(name, "call_3", [1, 2])] },
      { text: "Three.", calls: [call.add(name, "call_4", [3, 4])] },
      { text: "Four." },
      { text: "Five.", calls: [call.add(name, "call_5", [6, 7])] },
      { text: "Six.", calls: [call.read("call_6")] },
      { text: "Seven." },
    ]);
    expect((await ask("go")).map(({ text }) => text)).toEqual(["One.\n\nTwo.", "Three.\n\nFour."]);
    expect((await ask("on")).map(({ text }) => text)).toEqual(["Five.\n\nSix.", "Seven."]);
    expect(historyOf(upstream, 6)).toEqual([
      "user: go",
      `assistant: One. [call_1 ${add} {"a": 2, "b": 3}]`,
      "tool call_1: 5",
      `assistant: Two. [call_2 ask_user ${ASK.text}] [call_3 ${add} {"a": 1, "b": 2}]`,
      "tool call_2: result of ask_user",
      "tool call_3: 3",
      `assistant: Three. [call_4 ${add} {"a": 3, "b": 4}]`,
      "tool call_4: 7",
      "assistant: Four.",
      "user: on",
      `assistant: Five. [call_5 ${add} {"a": 6, "b": 7}]`,
      "tool call_5: 13",
      `assistant: Six. [call_6 read_file ${READ.text}]`,
      "tool call_6: result of read_file",
    ]);
    // What upstream has cached of a history is its beginning: each request must begin as the one
    // before it.
    for (let index = 1; index < 7; index++) {
      expect(historyOf(upstream, index).slice(0, historyOf(upstream, index - 1).length)).toEqual(
        historyOf(upstream, index - 1),
      );
    }
  });
}

/** The same way to ask, with an upstream that is asked in the Responses API. */
export const overResponses = (driver: ClientDriver): ClientDriver => ({
  ...driver,
  name: `${driver.name}, over Responses`,
  upstreamDialect: "responses",
});

/**
 * The same, with a model that takes tools over Responses alone, and a proxy that finds that out.
 */
export const withoutChatTools = (driver: ClientDriver): ClientDriver => ({
  ...driver,
  name: `${driver.name}, where chat completions take no tools`,
  upstreamDialect: "auto",
});

/** Holds one way of a library to ask against everything that the tool loop promises. */
export function describeToolLoop(driver: ClientDriver): void {
  describe(`the tool loop, used by ${driver.name}`, () => {
    beforeEach(() => {
      vi.spyOn(console, "warn");
      vi.spyOn(console, "info");
    });
    afterEach(() => {
      const warned = [...vi.mocked(console.warn).mock.calls, ...vi.mocked(console.info).mock.calls];
      vi.restoreAllMocks();
      expect(warned, "the library warned").toEqual([]);
    });
    describeOneTurn(driver);
    describeMemory(driver);
  });
}
