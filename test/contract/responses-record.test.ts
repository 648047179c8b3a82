/** Turns of the Responses API on record, and streams of it that fail. */
import { expect, it } from "vitest";
import { eventFaults } from "../helpers/openai-spec.ts";
import { proxy } from "../helpers/proxy.ts";
import { eventsOf, keyWithAdder, postResponse } from "../helpers/response-turn.ts";
import {
  eventText,
  functionCall,
  message,
  reasoning,
  responseEvents,
  responseOf,
  says,
} from "../helpers/responses-upstream.ts";
import { json, type Answer } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const idOf = (answer: Response): string => answer.headers.get("x-proxy-conversation-id") ?? "";

it("has its rounds, hidden items and executions on record, and what follows in its conversation", async () => {
  const key = await keyWithAdder((add) => [
    says([reasoning("I add."), functionCall("call_1", add, { a: 2, b: 3 })]),
    says([message("It is 5.")]),
    says([message("Sure.")]),
  ]);
  const first = await postResponse(key, { input: "2+3?" });
  const { id } = (await first.json()) as { id: string };
  const next = await postResponse(key, { input: "Sure?", previous_response_id: id });
  expect(idOf(next)).toBe(idOf(first));
  await next.text();
  await expect
    .poll(async () => (await proxy.conversation(idOf(first))).messages.length, { timeout: 8000 })
    .toBe(7);
  const { messages, toolExecutions, rounds, totalTokens } = await proxy.conversation(idOf(first));
  const said = messages.map(({ role, content, hidden, toolCallId, toolCalls }) => {
    const calls = (toolCalls as { id: string }[] | null)?.map((call) => call.id);
    return [role, content, ...(calls ?? []), toolCallId, hidden].filter((part) => part !== null);
  });
  expect(said).toEqual([
    ["user", "2+3?", false],
    ["assistant", true],
    ["assistant", "call_1", true],
    ["tool", "5", "call_1", true],
    ["assistant", "It is 5.", false],
    ["user", "Sure?", false],
    ["assistant", "Sure.", false],
  ]);
  expect(toolExecutions).toMatchObject([{ toolName: key.add, result: "5", round: 1 }]);
  expect(rounds.map(({ status, totalTokens: tokens }) => [status, tokens])).toEqual([
    ["completed", 15],
    ["completed", 15],
    ["completed", 15],
  ]);
  expect(totalTokens).toBe(45);
});

it("joins the conversation of a client that sends its history as items", async () => {
  const key = await keyWithAdder(() => [says([message("Hello.")])]);
  const user = { role: "user", content: "Hi" };
  const first = await postResponse(key, { input: [user] });
  const { output } = (await first.json()) as { output: Json[] };
  const more = { role: "user", content: "More" };
  const next = await postResponse(key, { input: [user, ...output, more] });
  expect(idOf(next)).toBe(idOf(first));
  await next.text();
  await expect
    .poll(async () => (await proxy.conversation(idOf(first))).messages.length, { timeout: 8000 })
    .toBe(4);
});

/** A stream that breaks off in the midst of a later round, with these events. */
const breaksWith =
  (...last: string[]): Answer =>
  (request, response) => {
    const events = responseEvents(responseOf(request.json(), [message("Half of it")]));
    const begun = events.slice(0, 5).map(eventText);
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end([...begun, ...last].join(""));
  };

const ERROR = { type: "error", code: "server_error", message: "Overloaded.", param: null };

it.each([
  ["upstream's error event", breaksWith(eventText(ERROR)), "Overloaded."],
  [
    "an error with a member of its own",
    breaksWith('data: {"error":{"message":"Overloaded.","code":"server_error"}}\n\n'),
    "Overloaded.",
  ],
  ["a stream that just ends", breaksWith(), "before its answer was complete"],
  ["an answer that is none", json({ hello: "there" }), "no answer of a model"],
] as [string, Answer, string][])(
  "tells of a failure in a later round as the API does, after %s",
  async (_what, answer, words) => {
    const key = await keyWithAdder((add) => [
      says([functionCall("call_1", add, { a: 2, b: 3 })]),
      answer,
    ]);
    const response = await postResponse(key, { input: "2+3?", stream: true });
    expect(response.status).toBe(200);
    const events = eventsOf(await response.text());
    for (const event of events) expect(eventFaults(event), JSON.stringify(event)).toEqual([]);
    expect(events.map((event) => event["sequence_number"])).toEqual(events.map((_one, at) => at));
    const [error, failed] = events.slice(-2);
    expect(error).toMatchObject({
      type: "error",
      message: expect.stringContaining(words) as string,
    });
    const told = failed?.["response"] as Json;
    expect(failed?.["type"]).toBe("response.failed");
    expect(told).toMatchObject({ status: "failed", error: { code: "server_error" } });
    expect((told["output"] as Json[])[0]).toMatchObject({ type: "mcp_call", status: "completed" });
    const { status } = await proxy.conversation(idOf(response));
    expect(status).toBe("failed");
  },
);

it("passes everything on untouched for a key without tools", async () => {
  const whole = { id: "resp_upstream", object: "response", output: [], spelled: 1.5 };
  const key = await keyWithAdder(() => [json(whole)], { toolIds: [] });
  const answer = await postResponse(key, { input: "Hi", previous_response_id: "resp_other" });
  expect(await answer.json()).toEqual(whole);
  expect(key.upstream.requests[0]?.json()["previous_response_id"]).toBe("resp_other");
});
