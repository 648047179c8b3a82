/** Tools that a client brings in its input, as codex does, and results that it does not bring. */
import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { historyOf, offeredIn, startRounds } from "../helpers/mixed-upstream.ts";
import { askResponse, keyWithAdder, sentBody, sentInput } from "../helpers/response-turn.ts";
import { functionCall, says } from "../helpers/responses-upstream.ts";
import type { ScriptedUpstream } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const chatKey = (upstream: ScriptedUpstream) =>
  proxy.createKey({ openaiBaseUrl: upstream.url, upstreamDialect: "chat" });

const tool = (name: string): Json => ({
  type: "function",
  name,
  strict: false,
  parameters: { type: "object", properties: {} },
});
const brings = (...tools: Json[]): Json => ({ type: "additional_tools", role: "developer", tools });
const space = (...tools: Json[]): Json => ({ type: "namespace", name: "functions", tools });
const user = (content: string): Json => ({ role: "user", content });

const called = (id: string, name: string) => ({ id, name, arguments: '{"input":"x"}' });

describe.each([true, false])("With stream: %s, tools in the input", (stream) => {
  it("are offered over chat completions, and called by the client's own names", async () => {
    const calls = [called("call_p", "functions__patch"), called("call_s", "functions__run")];
    const upstream = await startRounds({ calls }, { calls: [called("call_t", "functions__run")] });
    const key = await chatKey(upstream);
    const own = brings(space({ type: "custom", name: "patch" }, tool("run")));
    const first = await askResponse(key, { input: [own, user("Go")], stream });
    const namespace = "functions";
    expect(first.output).toMatchObject([
      { type: "custom_tool_call", name: "patch", namespace, input: "x" },
      { type: "function_call", name: "run", namespace },
    ]);
    expect(offeredIn(upstream, 0)).toEqual(["functions__patch", "functions__run"]);
    const outputs = [
      { type: "custom_tool_call_output", call_id: "call_p", output: "patched" },
      { type: "function_call_output", call_id: "call_s", output: "ran" },
    ];
    const again = { input: outputs, previous_response_id: first.id, stream };
    const second = await askResponse(key, again);
    expect(offeredIn(upstream, 1)).toEqual(["functions__patch", "functions__run"]);
    expect(second.output).toMatchObject([{ type: "function_call", name: "run", namespace }]);
    expect(historyOf(upstream, 1).slice(2)).toEqual(["tool call_p: patched", "tool call_s: ran"]);
  });

  it.each(["functions of their own", "functions of a namespace"])(
    "hide a server's tool of the same name: %s",
    async (where) => {
      const key = await keyWithAdder((add) => [
        says([functionCall("call_1", add, { a: 2, b: 3 })]),
        says([functionCall("call_2", add, { a: 2, b: 3 })]),
      ]);
      const own = tool(key.add);
      const item = brings(where === "functions of their own" ? own : space(own));
      const first = await askResponse(key, { input: [item, user("2+3?")], stream });
      expect(first.output).toMatchObject([{ type: "function_call", name: key.add }]);
      expect(sentBody(key.upstream, 0)).not.toHaveProperty("tools");
      const output = { type: "function_call_output", call_id: "call_1", output: "5" };
      const again = await askResponse(key, { input: [item, output], stream });
      expect(again.output).toMatchObject([{ type: "function_call", call_id: "call_2" }]);
      expect(sentInput(key.upstream, 1)[0]).toEqual(item);
    },
  );

  it("that a search found hide a server's tool of the same name", async () => {
    const key = await keyWithAdder((add) => [says([functionCall("call_1", add, { a: 2, b: 3 })])]);
    const found = { type: "tool_search_output", call_id: "call_0", tools: [tool(key.add)] };
    const { output } = await askResponse(key, { input: [user("2+3?"), found], stream });
    expect(output).toMatchObject([{ type: "function_call", name: key.add }]);
    expect(sentBody(key.upstream, 0)).not.toHaveProperty("tools");
  });
});

const MISSING = "Error: the application returned no result for this call.";
const outputOf = (id: string) => ({
  type: "function_call_output",
  call_id: id,
  output: MISSING,
});

describe.each(["by id", "by items"])(
  "A client's call without an output, gone on from %s",
  (how) => {
    const goOn = (first: { id: string; output: Json[] }, ...before: Json[]): Json =>
      how === "by id"
        ? { input: [user("Well?")], previous_response_id: first.id }
        : { input: [...before, ...first.output, user("Well?")] };

    it("has one that says so over chat completions", async () => {
      const calls = [called("call_1", "run"), called("call_2", "patch")];
      const upstream = await startRounds({ calls }, { text: "Well." });
      const key = await chatKey(upstream);
      const tools = [tool("run"), { type: "custom", name: "patch" }];
      const first = await askResponse(key, { input: [user("Go")], tools });
      await askResponse(key, { ...goOn(first, user("Go")), tools });
      expect(historyOf(upstream, 1).slice(2)).toEqual([
        `tool call_1: ${MISSING}`,
        `tool call_2: ${MISSING}`,
        "user: Well?",
      ]);
    });

    it("has one that says so over Responses, beside a server's call", async () => {
      const key = await keyWithAdder((add) => [
        says([functionCall("call_1", add, { a: 2, b: 3 }), functionCall("call_2", "run", {})]),
        says([]),
      ]);
      const tools = [tool("run")];
      const first = await askResponse(key, { input: [user("Go")], tools });
      await askResponse(key, { ...goOn(first, user("Go")), tools });
      const sent = sentInput(key.upstream, 1);
      expect(sent.filter(({ call_id: id }) => id === "call_2").slice(1)).toEqual([
        outputOf("call_2"),
      ]);
      expect(sent.at(-1)).toMatchObject(user("Well?"));
    });

    it("has one that says so over Responses", async () => {
      const key = await keyWithAdder(() => [says([functionCall("call_2", "run", {})]), says([])]);
      const tools = [tool("run")];
      const first = await askResponse(key, { input: [user("Go")], tools });
      await askResponse(key, { ...goOn(first, user("Go")), tools });
      const sent = sentInput(key.upstream, 1);
      expect(sent.slice(-2)).toMatchObject([outputOf("call_2"), user("Well?")]);
    });
  },
);
