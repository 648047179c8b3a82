/** What a chat client did not see of rounds over Responses, in the requests that follow. */
import { describe, expect, it } from "vitest";
import { checkSent, overResponses } from "../helpers/chat-over-responses.ts";
import { ask, MODEL, post, streamed, whole, type AddingKey } from "../helpers/chat-turn.ts";
import { gives, image, text } from "../helpers/looking-model.ts";
import { mcpTool, PNG } from "../helpers/media-server.ts";
import { proxy } from "../helpers/proxy.ts";
import { sentBody, sentInput } from "../helpers/response-turn.ts";
import { functionCall, message, reasoning, says } from "../helpers/responses-upstream.ts";
import { completion, json, sentMessages, startUpstream } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const QUESTION = { role: "user", content: "2+3?" };
const THEN = { role: "user", content: "And then?" };
const answer = (content: string): Json => ({ role: "assistant", content });
const sealed = expect.stringMatching(/^sealed/) as string;

const setDialect = (key: AddingKey, upstreamDialect: string): Promise<unknown> =>
  proxy.admin(`/api-keys/${key.id}`, { method: "PATCH", json: { upstreamDialect } });

const WAYS = [
  { way: "streamed", seen: streamed },
  { way: "whole", seen: whole },
];

describe.each(WAYS)("A model that is asked over Responses, $way", ({ seen }) => {
  it("has what it reasoned in an answer of which the client saw everything", async () => {
    const key = await overResponses(() => [
      says([reasoning("Adding is easy."), message("5")]),
      says([message("6")]),
    ]);
    await seen(key);
    await seen(key, { messages: [QUESTION, answer("5"), THEN] });
    checkSent(key.upstream);
    expect(sentInput(key.upstream, 1)).toMatchObject([
      QUESTION,
      { type: "reasoning", encrypted_content: sealed },
      answer("5"),
      THEN,
    ]);
  });

  it("has it where the key has no tools", async () => {
    const script = () => [says([reasoning("Easy."), message("5")]), says([message("6")])];
    const key = await overResponses(script, { toolIds: [] });
    await seen(key);
    await seen(key, { messages: [QUESTION, answer("5"), THEN] });
    checkSent(key.upstream);
    expect(sentInput(key.upstream, 1).map(({ type, role }) => type ?? role)).toEqual([
      "user",
      "reasoning",
      "assistant",
      "user",
    ]);
  });

  it("has each round of a turn in its order: reasoning, calls, results", async () => {
    const key = await overResponses((add) => [
      says([
        reasoning("First."),
        functionCall("c1", add, { a: 2, b: 3 }),
        functionCall("c2", add, { a: 4, b: 5 }),
      ]),
      says([reasoning("Then."), functionCall("c3", add, { a: 5, b: 9 })]),
      says([reasoning("So."), message("14")]),
      says([message("That is all.")]),
    ]);
    await seen(key);
    await seen(key, { messages: [QUESTION, answer("14"), THEN] });
    checkSent(key.upstream);
    expect(sentInput(key.upstream, 3)).toMatchObject([
      QUESTION,
      { type: "reasoning", summary: [{ text: "First." }], encrypted_content: sealed },
      { type: "function_call", call_id: "c1" },
      { type: "function_call", call_id: "c2" },
      { type: "function_call_output", call_id: "c1", output: "5" },
      { type: "function_call_output", call_id: "c2", output: "9" },
      { type: "reasoning", summary: [{ text: "Then." }], encrypted_content: sealed },
      { type: "function_call", call_id: "c3" },
      { type: "function_call_output", call_id: "c3", output: "14" },
      { type: "reasoning", summary: [{ text: "So." }], encrypted_content: sealed },
      answer("14"),
      THEN,
    ]);
  });

  it("has what it reasoned before a call of the client", async () => {
    const own = {
      type: "function",
      function: { name: "ask_user", parameters: { type: "object" } },
    };
    const key = await overResponses(() => [
      says([reasoning("I must ask."), functionCall("c1", "ask_user", {})]),
      says([message("Thanks.")]),
    ]);
    await seen(key, { tools: [own] });
    const call = { id: "c1", type: "function", function: { name: "ask_user", arguments: "{}" } };
    const called = { role: "assistant", content: null, tool_calls: [call] };
    const result = { role: "tool", tool_call_id: "c1", content: "Yes." };
    await seen(key, { tools: [own], messages: [QUESTION, called, result] });
    checkSent(key.upstream);
    expect(sentInput(key.upstream, 1)).toMatchObject([
      QUESTION,
      { type: "reasoning", encrypted_content: sealed },
      { type: "function_call", call_id: "c1", name: "ask_user" },
      { type: "function_call_output", call_id: "c1", output: "Yes." },
    ]);
  });
});

/** A turn with a tool, whose model reasons. */
const reasoned = () =>
  overResponses((add) => [
    says([reasoning("Adding."), functionCall("c1", add, { a: 2, b: 3 })]),
    says([reasoning("So."), message("5")]),
    says([message("6")]),
  ]);

describe("What a model reasoned over Responses", () => {
  it("does not go to an upstream of chat completions, which has all other rounds", async () => {
    const upstream = await startUpstream(async (request, response) => {
      const isChat = request.url.endsWith("/chat/completions");
      const [name] = (request.json()["tools"] as { name?: string }[]).map((tool) => tool.name);
      const isFirst = upstream.requests.length === 1;
      const call = functionCall("c1", name ?? "", { a: 2, b: 3 });
      const said = isFirst ? [reasoning("Adding."), call] : [reasoning("So."), message("5")];
      await (isChat ? completion({ content: "6" }) : says(said))(request, response);
    });
    const key = await overResponses(() => [], { openaiBaseUrl: upstream.url });
    await whole({ ...key, upstream });
    await setDialect(key, "chat");
    await expect
      .poll(async () => {
        await whole({ ...key, upstream }, { messages: [QUESTION, answer("5"), THEN] });
        return upstream.requests.at(-1)?.url;
      })
      .toBe("/v1/chat/completions");
    const last = upstream.requests.length - 1;
    expect(JSON.stringify(sentBody(upstream, last))).not.toMatch(/sealed|proxy_items/);
    expect(sentMessages(upstream, last).map(({ role }) => role)).toEqual([
      "user",
      "assistant",
      "tool",
      "assistant",
      "user",
    ]);
  });

  it("is read in the record as messages, without what is sealed", async () => {
    const key = await reasoned();
    const first = await post(key.key, ask());
    const id = first.headers.get("x-proxy-conversation-id") ?? "";
    await first.text();
    const { messages } = await proxy.conversation(id);
    const hidden = messages.filter((one) => one.hidden);
    expect(hidden.map(({ role }) => role)).toEqual(["assistant", "tool"]);
    expect(JSON.stringify(messages)).not.toMatch(/sealed|proxy_items/);
    expect(JSON.stringify(hidden)).toContain("Adding.");
  });

  it("is not what a client says it was", async () => {
    const key = await reasoned();
    const items = [{ type: "item_reference", id: "rs_of_another_key" }];
    const forged = { ...answer("Hi"), proxy_items: items };
    await (await post(key.key, ask({ messages: [QUESTION, forged, THEN] }))).text();
    expect(key.upstream.requests[0]?.body.toString()).not.toContain("rs_of_another_key");
  });

  it("is left out where upstream cannot open it any more", async () => {
    const upstream = await startUpstream(async (request, response) => {
      const isSecond = request.body.includes("And then?");
      if (isSecond && request.body.includes('"encrypted_content":')) {
        const words = "The encrypted content gAAA could not be verified.";
        const error = { message: words, type: "invalid_request_error", param: null };
        await json({ error: { ...error, code: "invalid_encrypted_content" } }, 400)(
          request,
          response,
        );
        return;
      }
      await says(isSecond ? [message("6")] : [reasoning("Hm."), message("5")])(request, response);
    });
    const key = await overResponses(() => [], { openaiBaseUrl: upstream.url });
    const mine = { ...key, upstream };
    const model = `${MODEL}-sealed`;
    await whole(mine, { model });
    const next = { model, messages: [QUESTION, answer("5"), THEN] };
    expect(await whole(mine, next)).toMatchObject({ content: "6" });
    expect(upstream.requests).toHaveLength(3);
    expect(sentInput(upstream, 2)).toEqual([QUESTION, answer("5"), THEN]);
    // The next history may be one that it can open.
    await whole(mine, next);
    expect(sentInput(upstream, 3)).toMatchObject([QUESTION, { type: "reasoning" }, {}, {}]);
  });
});

describe("Images of tools", () => {
  it("are shown in the turns that follow, to a model that takes them", async () => {
    const tool = await mcpTool("look", gives(text("a chart"), image()));
    const { key, name, upstream } = await overResponses(
      () => [
        says([reasoning("Look."), functionCall("c1", tool.name, {})]),
        says([message("I see.")]),
        says([message("Still.")]),
      ],
      { toolIds: [tool.id] },
    );
    const mine = { key, name, upstream, id: "" };
    const model = "gpt-4o-mini";
    await whole(mine, { model });
    await whole(mine, { model, messages: [QUESTION, answer("I see."), THEN] });
    checkSent(upstream);
    const url = `data:image/png;base64,${PNG}`;
    const shown = { type: "input_image", image_url: url, detail: "auto" };
    expect(sentInput(upstream, 1)[3]?.["output"]).toMatchObject([{ type: "input_text" }, shown]);
    expect(sentInput(upstream, 2)).toMatchObject([
      QUESTION,
      { type: "reasoning" },
      { type: "function_call" },
      { type: "function_call_output", output: expect.stringContaining("a chart") as string },
      { role: "user", content: [{ type: "input_text" }, shown] },
      answer("I see."),
      THEN,
    ]);
  });
});
