/** Clients of the Responses API that come back: with ids of responses, of items and of calls. */
import { describe, expect, it } from "vitest";
import {
  askResponse,
  keyWithAdder,
  postResponse,
  sentBody,
  sentInput,
  type AdderKey,
  type SeenResponse,
} from "../helpers/response-turn.ts";
import { functionCall, message, reasoning, says } from "../helpers/responses-upstream.ts";

type Json = Record<string, unknown>;

const BOTH = [{ stream: true }, { stream: false }];
const ASK_USER = {
  type: "function",
  name: "ask_user",
  strict: false,
  parameters: { type: "object", properties: {} },
};
const USER = { role: "user", content: "2+3?" };
const ANSWER = { type: "function_call_output", call_id: "call_ask", output: "yes" };

const spelled = (items: Json[]) =>
  items.map(({ type, role, call_id: id, output }) => {
    const parts = [type ?? role, id, output].filter((part) => part !== undefined);
    return parts.map((part) => (typeof part === "string" ? part : JSON.stringify(part))).join(" ");
  });

/** A key whose model calls both sides, then answers. */
const mixedKey = (): Promise<AdderKey> =>
  keyWithAdder((add) => [
    says([
      reasoning("Both."),
      functionCall("call_add", add, { a: 2, b: 3 }),
      functionCall("call_ask", "ask_user", {}),
    ]),
    says([message("It is 5.")]),
    says([message("Again.")]),
  ]);

const MODEL_SEES = [
  "user",
  "reasoning",
  "function_call call_add",
  "function_call call_ask",
  "function_call_output call_add 5",
  "function_call_output call_ask yes",
];

describe.each(BOTH)("A client that is given its call beside a server's, $stream", ({ stream }) => {
  const first = { input: [USER], tools: [ASK_USER], stream };

  /** What the client sends next, of what it was given. */
  const ways: [string, (response: SeenResponse) => Json][] = [
    ["all items", ({ output }) => ({ input: [USER, ...output, ANSWER] })],
    [
      "its own call alone",
      ({ output }) => ({
        input: [USER, ...output.filter(({ type }) => type === "function_call"), ANSWER],
      }),
    ],
    [
      "its own call without an id",
      () => ({
        input: [
          USER,
          { type: "function_call", call_id: "call_ask", name: "ask_user", arguments: "{}" },
          ANSWER,
        ],
      }),
    ],
    [
      "references to items",
      ({ output }) => ({
        input: [USER, ...output.map(({ id }) => ({ type: "item_reference", id })), ANSWER],
      }),
    ],
    ["the response's id", ({ id }) => ({ previous_response_id: id, input: [ANSWER] })],
  ];

  it.each(ways)("comes back with %s, and the model sees one history", async (_way, next) => {
    const key = await mixedKey();
    const response = await askResponse(key, first);
    expect(response.output.map(({ type }) => type)).toEqual([
      "reasoning",
      "mcp_call",
      "function_call",
    ]);
    const body = next(response);
    const end = await askResponse(key, { ...first, ...body });
    expect(spelled(sentInput(key.upstream, 1))).toEqual(MODEL_SEES);
    expect(sentBody(key.upstream, 1)).not.toHaveProperty("previous_response_id");
    expect(end).toMatchObject({
      status: "completed",
      output: [{ type: "message" }],
      previous_response_id: body["previous_response_id"] ?? null,
    });
  });

  it("comes back where upstream has the conversation, and every call has its output", async () => {
    const key = await mixedKey();
    await askResponse(key, { ...first, conversation: "conv_1" });
    await askResponse(key, { ...first, conversation: "conv_1", input: [ANSWER] });
    expect(spelled(sentInput(key.upstream, 1))).toEqual([
      "function_call_output call_add 5",
      "function_call_output call_ask yes",
    ]);
  });

  it("goes on and on by ids of responses", async () => {
    const key = await mixedKey();
    const one = await askResponse(key, first);
    const two = await askResponse(key, { ...first, previous_response_id: one.id, input: [ANSWER] });
    const more = { ...first, previous_response_id: two.id, input: "Once more" };
    const three = await askResponse(key, more);
    expect(spelled(sentInput(key.upstream, 2))).toEqual([...MODEL_SEES, "message", "user"]);
    expect(three["previous_response_id"]).toBe(two.id);
  });
});

describe("A client that comes back to a turn with hidden rounds", () => {
  const key = (fields: Json = {}) =>
    keyWithAdder(
      (add) => [
        says([reasoning(""), functionCall("call_add", add, { a: 2, b: 3 })]),
        says([message("It is 5.")]),
        says([message("Again.")]),
      ],
      fields,
    );
  const SEEN = [
    "user",
    "reasoning",
    "function_call call_add",
    "function_call_output call_add 5",
    "message",
    "user",
  ];
  const NEXT = { role: "user", content: "Sure?" };

  it("finds the model's evidence in its place, whatever of it the client kept", async () => {
    const { key: secret, upstream } = await key();
    const { output } = await askResponse({ key: secret }, { input: [USER] });
    const kept = output.filter(({ type }) => type === "message");
    await askResponse({ key: secret }, { input: [USER, ...kept, NEXT] });
    expect(spelled(sentInput(upstream, 2))).toEqual(SEEN);
    await askResponse({ key: secret }, { input: [USER, ...output, NEXT] });
    expect(spelled(sentInput(upstream, 3))).toEqual(SEEN);
  });

  it("is sent what it sends where it changed the message", async () => {
    const { key: secret, upstream } = await key();
    const { output } = await askResponse({ key: secret }, { input: [USER] });
    const changed = output
      .filter(({ type }) => type === "message")
      .map((item) => ({ ...item, content: [{ type: "output_text", text: "It is 6." }] }));
    await askResponse({ key: secret }, { input: [USER, ...changed, NEXT] });
    expect(sentInput(upstream, 2)).toEqual([USER, ...changed, NEXT]);
  });

  it("has its own items turned into what any upstream takes, without memory too", async () => {
    const { key: secret, upstream } = await key({ toolMemory: false });
    const { output } = await askResponse({ key: secret }, { input: [USER] });
    await askResponse({ key: secret }, { input: [USER, ...output, NEXT] });
    const sent = sentInput(upstream, 2);
    expect(sent.map(({ type, role }) => type ?? role)).toEqual([
      "user",
      "function_call",
      "function_call_output",
      "message",
      "user",
    ]);
    expect(sent[1]?.["call_id"]).toBe(sent[2]?.["call_id"]);
    expect(sent[2]?.["output"]).toBe("5");
  });

  it("keeps calls of a server of its own that has the same label", async () => {
    const { key: secret, upstream } = await key();
    const own = {
      id: "mcp_682d437d90a88191bf88cd03aae0c3e5",
      type: "mcp_call",
      server_label: "proxy",
      name: "roll",
      arguments: "{}",
      output: "4",
    };
    await askResponse({ key: secret }, { input: [USER, own, NEXT] });
    expect(sentInput(upstream, 0)).toEqual([USER, own, NEXT]);
  });

  it("may use another key's items, which say nothing of that key's turn", async () => {
    const one = await key();
    const two = await key();
    const { output } = await askResponse(one, { input: [USER] });
    await askResponse(two, { input: [USER, ...output, NEXT] });
    const sent = sentInput(two.upstream, 0);
    expect(sent.map(({ output: result }) => result)).toContain("5");
    expect(JSON.stringify(sent)).not.toContain("call_add");
  });
});

describe("An id of a response", () => {
  const key = () => keyWithAdder(() => [says([message("Hello.")])]);
  const gone = { code: "previous_response_not_found", param: "previous_response_id" };

  /** What is said of an id, and how often upstream was asked for it. */
  const askWith = async (whose: AdderKey, id: string) => {
    const asked = whose.upstream.requests.length;
    const answer = await postResponse(whose, { previous_response_id: id, input: "?" });
    const { error } = (await answer.json()) as { error: Json };
    return { status: answer.status, error, asked: whose.upstream.requests.length - asked };
  };
  const refusal = (id: string) => ({
    status: 404,
    error: {
      ...gone,
      type: "invalid_request_error",
      message: `Previous response with id '${id}' not found.`,
    },
    asked: 0,
  });

  it("that nobody made is a 404, and upstream is not asked", async () => {
    expect(await askWith(await key(), "resp_0123456789")).toEqual(refusal("resp_0123456789"));
  });

  it("of another key is a 404, and upstream is not asked", async () => {
    const { id } = await askResponse(await key(), { input: "Hi" });
    expect(await askWith(await key(), id)).toEqual(refusal(id));
  });

  it("that was not to be stored is a 404, and upstream is not asked", async () => {
    const own = await key();
    const { id } = await askResponse(own, { input: "Hi", store: false });
    expect(await askWith(own, id)).toEqual(refusal(id));
  });

  it("is given to a turn without tools too, and can be gone on from", async () => {
    const own = await key();
    const { id } = await askResponse(own, { input: "Hi" }, { "x-proxy-tools": "none" });
    await askResponse(own, { previous_response_id: id, input: "Go on" });
    expect(spelled(sentInput(own.upstream, 1))).toEqual(["user", "message", "user"]);
  });
});
