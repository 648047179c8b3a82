/** Responses that upstream did not finish: whoever gets one can tell it from one that is whole. */
import { describe, expect, it } from "vitest";
import { streamCuts, type Cut } from "../helpers/cuts.ts";
import { proxy } from "../helpers/proxy.ts";
import { askResponse, keyWithAdder, postResponse } from "../helpers/response-turn.ts";
import {
  eventText,
  functionCall,
  message,
  responseEvents,
  responseOf,
  says,
} from "../helpers/responses-upstream.ts";

type Json = Record<string, unknown>;

/** The text of a response's events, without those from the first that is of one of these types. */
function eventsBefore(output: Json[], ...types: string[]): string {
  const events = responseEvents(responseOf({}, output));
  const end = events.findIndex(({ type }) => types.includes(String(type)));
  return events.slice(0, end).map(eventText).join("");
}

const IN_A_TEXT = eventsBefore([message("half of it")], "response.output_text.done");
const WITHOUT_AN_END = eventsBefore([message("half of it")], "response.completed");
const inACall = (name: string) =>
  eventsBefore(
    [functionCall("call_1", name, { a: 2, b: 3 })],
    "response.function_call_arguments.done",
  );
const callWithoutAnEnd = (name: string) =>
  eventsBefore([functionCall("call_1", name, { a: 2, b: 3 })], "response.completed");

const ASK_USER = {
  type: "function",
  name: "ask_user",
  strict: false,
  parameters: { type: "object", properties: {} },
};
const FIRST = { input: "2+3?", tools: [ASK_USER] };
const streamed = (cut: Cut, text: string) => cut({ text, contentType: "text/event-stream" });

async function statusOnRecord(response: Response): Promise<string> {
  const id = response.headers.get("x-proxy-conversation-id") ?? "";
  return (await proxy.conversation(id)).status;
}

describe.each(Object.entries(streamCuts))("a response of which %s", (_title, cut) => {
  const texts: [string, string][] = [
    ["in a text", IN_A_TEXT],
    ["before the last event", WITHOUT_AN_END],
  ];

  it.each(texts)("%s is failed in its stream, in each round", async (_place, text) => {
    for (const before of [0, 1]) {
      const key = await keyWithAdder((add) => [
        ...[says([functionCall("call_1", add, { a: 2, b: 3 })])].slice(0, before),
        streamed(cut, text),
      ]);
      const response = await askResponse(key, { ...FIRST, stream: true });
      expect(response).toMatchObject({ status: "failed", error: { code: "server_error" } });
      expect(response.output).toHaveLength(before + 1);
    }
  });

  it.each(texts)("%s is a 502 where its client takes it whole", async (_place, text) => {
    const key = await keyWithAdder(() => [streamed(cut, text)]);
    const response = await postResponse(key, FIRST);
    expect(response.status, await response.text()).toBe(502);
    expect(await statusOnRecord(response)).toBe("failed");
  });

  const calls: [string, (name: string) => string][] = [
    ["in its arguments", inACall],
    ["before the last event", callWithoutAnEnd],
  ];

  it.each(calls)("%s runs no call", async (_place, cutCall) => {
    for (const own of [true, false]) {
      const key = await keyWithAdder((add) => [
        streamed(cut, cutCall(own ? add : "ask_user")),
        says([message("the call was run")]),
      ]);
      const response = await askResponse(key, { ...FIRST, stream: true });
      expect(response).toMatchObject({ status: "failed" });
      expect(key.upstream.requests).toHaveLength(1);
    }
  });
});
