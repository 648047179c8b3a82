/** Streams of responses in the background: left, and taken up again. */
import { expect, it } from "vitest";
import { askFor, checkedEvents, gated, responseNow, untilStatus } from "../helpers/background.ts";
import { eventsOf, keyWithAdder, postResponse } from "../helpers/response-turn.ts";
import { functionCall, message, reasoning, says } from "../helpers/responses-upstream.ts";
import type { Answer } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const BODY = { input: "2+3?", background: true, stream: true };

const addingKey = (...more: Answer[]) =>
  keyWithAdder((add) => [
    says([reasoning("I add."), functionCall("call_1", add, { a: 2, b: 3 })]),
    ...more,
  ]);

const typesOf = (events: Json[]): unknown[] => events.map(({ type }) => type);
const numbersOf = (events: Json[]): number[] =>
  events.map((event) => Number(event["sequence_number"]));
const idIn = ([first]: Json[]): string => String((first?.["response"] as Json | undefined)?.["id"]);

/** Reads events until one is of a type, and leaves. */
async function readUntil(answer: Response, type: string): Promise<Json[]> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const bytes of answer.body ?? []) {
    text += decoder.decode(bytes, { stream: true });
    const whole = text.slice(0, text.lastIndexOf("\n\n") + 2);
    if (whole.includes(`event: ${type}\n`)) return eventsOf(whole);
  }
  throw new Error(`No ${type} in ${text}`);
}

const streamed = async (asking: { key: string }, path: string): Promise<Json[]> =>
  checkedEvents(eventsOf(await (await askFor(asking, path)).text()));

it.each([true, false])(
  "is told from its queue to its end (asked for as a stream: %s)",
  async (stream) => {
    const gate = gated(says([message("It is 5.")]));
    const key = await addingKey(gate.answer);
    const answer = await postResponse(key, { ...BODY, stream });
    const id = stream
      ? idIn(await readUntil(answer, "response.queued"))
      : ((await answer.json()) as { id: string }).id;
    gate.open();
    await untilStatus(key, id, "completed");
    const events = await streamed(key, `${id}?stream=true`);
    expect(typesOf(events).slice(0, 3)).toEqual([
      "response.created",
      "response.queued",
      "response.in_progress",
    ]);
    expect(numbersOf(events).slice(0, 3)).toEqual([0, 1, 2]);
    const last = events.at(-1);
    expect(last?.["type"]).toBe("response.completed");
    expect(last?.["response"]).toEqual(await responseNow(key, id));
  },
);

it("goes on when its client leaves, and is taken up where that left", async () => {
  const gate = gated(says([message("It is 5.")]));
  const key = await addingKey(gate.answer);
  const first = await readUntil(await postResponse(key, BODY), "response.mcp_call.completed");
  const id = idIn(first);
  const after = numbersOf(first).at(-1) ?? 0;
  // What is made before it is asked for again is told in larger pieces, and numbers are left out.
  const more = await askFor(key, `${id}?stream=true&starting_after=${after}`);
  gate.open();
  const rest = eventsOf(await more.text());
  expect(numbersOf([...first, ...rest])).toEqual([...first, ...rest].map((_event, at) => at));
  checkedEvents([...first, ...rest]);
  expect(rest.at(-1)?.["response"]).toEqual(await responseNow(key, id));
  const key2 = key.upstream.requests.length;
  expect(key2, "nothing is asked twice").toBe(2);
});

it("has the same numbers when it is made and its events are told again", async () => {
  const key = await addingKey(says([message("It is 5.")]));
  const live = checkedEvents(eventsOf(await (await postResponse(key, BODY)).text()));
  const again = await streamed(key, `${idIn(live)}?stream=true`);
  const end = (events: Json[]) =>
    events.filter(({ type }) => /output_item|completed$/.test(String(type)));
  expect(end(again)).toEqual(end(live));
  const after = numbersOf(live).at(-3) ?? 0;
  const rest = await streamed(key, `${idIn(live)}?stream=true&starting_after=${after}`);
  expect(rest).toEqual(live.slice(-2));
  const beyond = await askFor(key, `${idIn(live)}?stream=true&starting_after=100000`);
  expect(await beyond.text()).toBe("");
});

it("ends when the response is cancelled", async () => {
  const key = await addingKey(() => {});
  const answer = await postResponse(key, BODY);
  await expect.poll(() => key.upstream.requests.length).toBe(2);
  const id = (await responseIdOf(answer, async (own) => {
    await askFor(key, `${own}/cancel`, "POST");
  })) as string;
  const again = await streamed(key, `${id}?stream=true`);
  expect(again.at(-1)).toMatchObject({
    type: "response.failed",
    response: { id, status: "cancelled" },
  });
});

/** Reads a stream to its end, and does something when it has begun. */
async function responseIdOf(answer: Response, then: (id: string) => Promise<void>) {
  let text = "";
  let id: string | null = null;
  const decoder = new TextDecoder();
  for await (const bytes of answer.body ?? []) {
    text += decoder.decode(bytes, { stream: true });
    if (id !== null || !text.includes("\n\n")) continue;
    id = idIn(eventsOf(text.slice(0, text.indexOf("\n\n") + 2)));
    await then(id);
  }
  const events = checkedEvents(eventsOf(text));
  expect(events.at(-1)).toMatchObject({ type: "response.failed", response: { id } });
  return id;
}

it("says how it failed", async () => {
  const key = await addingKey((_request, response) => {
    response.writeHead(400, { "content-type": "application/json" });
    response.end(
      JSON.stringify({ error: { message: "Too long.", type: "invalid_request_error" } }),
    );
  });
  const live = checkedEvents(eventsOf(await (await postResponse(key, BODY)).text()));
  expect(typesOf(live).slice(-2)).toEqual(["error", "response.failed"]);
  expect(live.at(-2)).toMatchObject({ message: expect.stringContaining("Too long.") as string });
  const again = await streamed(key, `${idIn(live)}?stream=true`);
  expect(again.at(-1)).toEqual(live.at(-1));
});

it("that was made while its client waited is not told again", async () => {
  const key = await addingKey(says([message("It is 5.")]));
  const { id } = (await (await postResponse(key, { input: "?" })).json()) as { id: string };
  expect((await askFor(key, `${id}?stream=true`)).status).toBe(400);
  const wrong = await postResponse(key, { ...BODY, stream: false });
  const { id: own } = (await wrong.json()) as { id: string };
  expect((await askFor(key, `${own}?stream=true&starting_after=x`)).status).toBe(400);
});
