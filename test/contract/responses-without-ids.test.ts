/**
 * Clients of the Responses API that send their history without ids, as codex does and whoever keeps
 * texts alone.
 */
import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import {
  askResponse,
  keyWithAdder,
  sentInput,
  type AdderKey,
  type SeenResponse,
} from "../helpers/response-turn.ts";
import { functionCall, message, says } from "../helpers/responses-upstream.ts";

type Json = Record<string, unknown>;

const USER = { role: "user", content: "2+3?" };
const AGAIN = { role: "user", content: "Sure?" };

const textsOf = ({ content }: Json): string[] =>
  (content as Json[]).map(({ text }) => String(text));

const messagesOf = ({ output }: SeenResponse): Json[] =>
  output.filter(({ type }) => type === "message");

/** What a client sends back of a response. */
const WAYS: [string, (response: SeenResponse) => Json[]][] = [
  ["messages without ids", (response) => messagesOf(response).map(({ id: _id, ...item }) => item)],
  [
    "roles and texts",
    (response) =>
      messagesOf(response).map((item) => ({ role: "assistant", content: textsOf(item).join("") })),
  ],
  [
    "one text",
    (response) => [{ role: "assistant", content: messagesOf(response).flatMap(textsOf).join("") }],
  ],
  [
    "the last text alone",
    (response) => [
      { role: "assistant", content: textsOf(messagesOf(response).at(-1) ?? {}).join("") },
    ],
  ],
];

const spoken = (items: Json[]) =>
  items.map(({ type, role, call_id: id, output }) =>
    [role ?? type, id, output].filter((part) => typeof part === "string").join(" "),
  );

const adder = (fields: Json = {}): Promise<AdderKey> =>
  keyWithAdder(
    (add) => [
      says([message("Let me see."), functionCall("call_add", add, { a: 2, b: 3 })]),
      says([message("It is 5.")]),
      says([message("Yes.")]),
      says([message("Still.")]),
    ],
    fields,
  );

describe.each([{ store: false }, { store: true }])("A history without ids, $store", ({ store }) => {
  it.each(WAYS)("has its hidden rounds put back into %s", async (_way, sentBack) => {
    const key = await adder();
    const first = await askResponse(key, { input: [USER], store });
    const history = [USER, ...sentBack(first), AGAIN];
    const second = await askResponse(key, { input: history, store });
    // Where nothing that the client saw is kept, it is what the client sends.
    const isThere = store || sentBack(first).length === 2;
    expect(spoken(sentInput(key.upstream, 2))).toEqual([
      "user",
      ...(isThere ? ["assistant"] : []),
      "function_call call_add",
      "function_call_output call_add 5",
      "assistant",
      "user",
    ]);
    await askResponse(key, { input: [...history, ...sentBack(second), USER], store });
    const before = spoken(sentInput(key.upstream, 2));
    expect(spoken(sentInput(key.upstream, 3)).slice(0, before.length)).toEqual(before);
  });
});

const asked = async (key: AdderKey, input: Json[], more: Json = {}): Promise<string> => {
  const response = await fetch(`${proxy.url}/v1/responses`, {
    method: "POST",
    headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "m", store: false, input, ...more }),
  });
  expect(response.status).toBe(200);
  await response.text();
  return response.headers.get("x-proxy-conversation-id") ?? "";
};

const ANSWERED = [
  { role: "assistant", content: "Let me see." },
  { role: "assistant", content: "It is 5." },
];

it("A history without ids goes on with its conversation", async () => {
  const key = await adder();
  const first = await asked(key, [USER]);
  const second = await asked(key, [USER, ...ANSWERED, AGAIN]);
  expect(second).toBe(first);
  const rounds = async () => (await proxy.conversation(second)).rounds.length;
  await expect.poll(rounds).toBe(3);
});

it("A history without ids goes on with a conversation in which no tool was called", async () => {
  const key = await keyWithAdder(() => [
    says([functionCall("call_0", "ask", { of: "a" })]),
    says([message("Hm.")]),
    says([message("Fine.")]),
  ]);
  const tools = [OWN];
  const first = await asked(key, [USER], { tools });
  const second = await asked(key, [USER, CALL, OUTPUT], { tools });
  const third = [USER, CALL, OUTPUT, { role: "assistant", content: "Hm." }, AGAIN];
  expect([second, await asked(key, third, { tools })]).toEqual([first, first]);
  const detail = async () => {
    const { rounds, messages } = await proxy.conversation(first);
    return [rounds.length, messages.map(({ role }) => role).join()];
  };
  const said = "user,assistant,tool,assistant,user,assistant";
  await expect.poll(detail).toEqual([3, said]);
});

it.each([
  ["another question", [{ role: "user", content: "3+2?" }, ...ANSWERED, AGAIN], {}],
  ["another answer", [USER, { role: "assistant", content: "It is 6." }, AGAIN], {}],
  ["another end user", [USER, ...ANSWERED, AGAIN], { safety_identifier: "b" }],
  ["other instructions", [USER, ...ANSWERED, AGAIN], { instructions: "Be brief." }],
])("A history with %s is not the one that is known", async (_what, input, more) => {
  const key = await adder();
  await asked(key, [USER], { safety_identifier: "a" });
  const beside = { safety_identifier: "a", ...more };
  await asked(key, input, beside);
  expect(spoken(sentInput(key.upstream, 2))).not.toContain("function_call call_add");
});

it("A key without memory keeps its hidden rounds to itself", async () => {
  const key = await adder({ toolMemory: false });
  await asked(key, [USER]);
  await asked(key, [USER, ...ANSWERED, AGAIN]);
  expect(spoken(sentInput(key.upstream, 2))).toEqual(["user", "assistant", "assistant", "user"]);
});

const OWN = { type: "function", name: "ask", strict: false, parameters: { type: "object" } };
const CALL = { type: "function_call", call_id: "call_0", name: "ask", arguments: '{"of":"a"}' };
const OUTPUT = { type: "function_call_output", call_id: "call_0", output: "yes" };

/** A key whose upstream gives the same ids of calls in every answer, as some do. */
const repeating = (fields: Json = {}): Promise<AdderKey> =>
  keyWithAdder(
    (add) => [
      says([
        functionCall("call_1", add, { a: 2, b: 3 }),
        functionCall("call_0", "ask", { of: "a" }),
      ]),
      says([message("Well.")]),
    ],
    fields,
  );

const OTHERS: [string, Json[], Json][] = [
  ["another question", [{ role: "user", content: "other" }, CALL, OUTPUT], {}],
  ["other arguments", [USER, { ...CALL, arguments: '{"of":"b"}' }, OUTPUT], {}],
  ["another name", [USER, { ...CALL, name: "other" }, OUTPUT], {}],
  ["another end user", [USER, CALL, OUTPUT], { safety_identifier: "b" }],
];

describe.each([{ store: false }, { store: true }])("A call's id, $store", ({ store }) => {
  it.each(OTHERS)("brings nothing of another answer in: %s", async (_what, input, more) => {
    const key = await repeating();
    const beside = { tools: [OWN], store, safety_identifier: "a" };
    await askResponse(key, { ...beside, input: [USER] });
    await askResponse(key, { ...beside, ...more, input });
    expect(sentInput(key.upstream, 1)).toEqual(input);
  });

  it("finds its answer where all else is the same, one result between two calls too", async () => {
    const key = await keyWithAdder((add) => [
      says([
        functionCall("call_1", add, { a: 2, b: 3 }),
        functionCall("call_0", "ask", { of: "a" }),
        functionCall("call_2", "ask", { of: "b" }),
      ]),
      says([message("Well.")]),
    ]);
    const beside = { tools: [OWN], store };
    await askResponse(key, { ...beside, input: [USER] });
    const second = { ...CALL, call_id: "call_2", arguments: '{ "of": "b" }' };
    const input = [USER, CALL, OUTPUT, second, { ...OUTPUT, call_id: "call_2" }];
    await askResponse(key, { ...beside, input });
    expect(spoken(sentInput(key.upstream, 1))).toEqual([
      "user",
      "function_call call_1",
      "function_call call_0",
      "function_call call_2",
      "function_call_output call_1 5",
      "function_call_output call_0 yes",
      "function_call_output call_2 yes",
    ]);
  });

  it("twice in one input is two calls", async () => {
    const key = await repeating();
    await askResponse(key, { tools: [OWN], store, input: [USER] });
    const input = [USER, CALL, OUTPUT, { ...CALL, arguments: '{"of":"c"}' }, OUTPUT];
    await askResponse(key, { tools: [OWN], store, input });
    const sent = spoken(sentInput(key.upstream, 1));
    expect(sent.filter((item) => item === "function_call call_0")).toHaveLength(2);
  });
});
