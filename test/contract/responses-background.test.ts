/**
 * Responses that are made in the background, with the key's tools: polled, cancelled, gone on from.
 */
import { expect, it } from "vitest";
import { askFor, checked, gated, responseNow, untilStatus } from "../helpers/background.ts";
import { proxy } from "../helpers/proxy.ts";
import {
  askResponse,
  keyWithAdder,
  postResponse,
  sentBody,
  type SeenResponse,
} from "../helpers/response-turn.ts";
import { functionCall, message, says } from "../helpers/responses-upstream.ts";
import { completion, json, startUpstream, toolCall } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const BODY = { input: "2+3?", background: true };

const begun = async (key: { key: string }, body: Json = {}): Promise<SeenResponse> => {
  const answer = await postResponse(key, { ...BODY, ...body });
  const text = await answer.text();
  expect(answer.status, text).toBe(200);
  const response = checked(JSON.parse(text) as SeenResponse);
  expect(response).toMatchObject({ status: "queued", output: [], error: null });
  return response;
};

const errorOf = async (answer: Response): Promise<Json> =>
  ((await answer.json()) as { error: Json }).error;

it("is answered at once, made with the key's tools, and there when it is made", async () => {
  const second = gated(says([message("It is 5.")]));
  const key = await keyWithAdder((add) => [
    says([functionCall("call_1", add, { a: 2, b: 3 })]),
    second.answer,
  ]);
  const { id, created_at: createdAt } = await begun(key, { metadata: { job: "7" } });
  await expect.poll(() => key.upstream.requests.length).toBe(2);
  const half = await responseNow(key, id);
  expect(half).toMatchObject({ status: "in_progress", usage: null, metadata: { job: "7" } });
  expect(half.output).toMatchObject([{ type: "mcp_call", status: "completed", output: "5" }]);
  second.open();
  const made = await untilStatus(key, id, "completed");
  expect(made).toMatchObject({ id, created_at: createdAt, usage: { total_tokens: 30 } });
  expect(made.output.map(({ type }) => type)).toEqual(["mcp_call", "message"]);
  expect(sentBody(key.upstream, 0)).not.toHaveProperty("background");
  expect(JSON.stringify(sentBody(key.upstream, 0)["tools"])).toContain(key.add);
});

it("can be gone on from when it is made, and not before", async () => {
  const gate = gated(says([message("Hello.")]));
  const key = await keyWithAdder(() => [gate.answer, says([message("Again.")])]);
  const { id } = await begun(key);
  const early = await postResponse(key, { input: "And?", previous_response_id: id });
  expect(early.status).toBe(400);
  expect(await errorOf(early)).toMatchObject({
    param: "previous_response_id",
    message: expect.stringContaining("in_progress") as string,
  });
  gate.open();
  await untilStatus(key, id, "completed");
  const next = await askResponse(key, { input: "And?", previous_response_id: id });
  expect(next["previous_response_id"]).toBe(id);
  expect(JSON.stringify(sentBody(key.upstream, 1)["input"])).toContain("Hello.");
});

it("lists its input items while it is made", async () => {
  const gate = gated(says([message("Hello.")]));
  const key = await keyWithAdder(() => [says([message("One.")]), gate.answer]);
  const one = await askResponse(key, { input: "One?" });
  const { id } = await begun(key, { previous_response_id: one.id });
  const page = (await (await askFor(key, `${id}/input_items?order=asc`)).json()) as {
    data: Json[];
  };
  expect(page.data.map(({ role }) => role)).toEqual(["user", "assistant", "user"]);
  gate.open();
  await untilStatus(key, id, "completed");
});

it("ends when it is cancelled, as often as it is", async () => {
  const key = await keyWithAdder((add) => [
    says([functionCall("call_1", add, { a: 2, b: 3 })]),
    () => {},
  ]);
  const { id } = await begun(key);
  await expect.poll(() => key.upstream.requests.length).toBe(2);
  const one = await askFor(key, `${id}/cancel`, "POST");
  const cancelled = checked((await one.json()) as SeenResponse);
  expect(cancelled).toMatchObject({ id, status: "cancelled", error: null });
  expect(cancelled.output).toMatchObject([{ type: "mcp_call", status: "completed" }]);
  const two = await askFor(key, `${id}/cancel`, "POST");
  expect(await two.json()).toEqual(cancelled);
  expect(await responseNow(key, id)).toEqual(cancelled);
  const next = await postResponse(key, { input: "And?", previous_response_id: id });
  expect(next.status).toBe(400);
});

it("that is made is not cancelled any more", async () => {
  const key = await keyWithAdder(() => [says([message("Hello.")])]);
  const { id } = await begun(key);
  const made = await untilStatus(key, id, "completed");
  const answer = await askFor(key, `${id}/cancel`, "POST");
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual(made);
});

it("says how it failed", async () => {
  const refusal = { error: { message: "No such model.", type: "invalid_request_error" } };
  const key = await keyWithAdder(() => [json(refusal, 400)]);
  const { id } = await begun(key);
  const failed = await untilStatus(key, id, "failed");
  expect(failed).toMatchObject({
    error: { code: "server_error", message: expect.stringContaining("No such model.") as string },
  });
});

it("is gone when it was deleted, though it was being made", async () => {
  const key = await keyWithAdder(() => [() => {}]);
  const { id } = await begun(key);
  await expect.poll(() => key.upstream.requests.length).toBe(1);
  const answer = await askFor(key, id, "DELETE");
  expect(await answer.json()).toEqual({ id, object: "response", deleted: true });
  expect((await askFor(key, id)).status).toBe(404);
  expect((await askFor(key, `${id}/cancel`, "POST")).status).toBe(404);
});

it("is another key's 404", async () => {
  const key = await keyWithAdder(() => [() => {}]);
  const other = await keyWithAdder(() => []);
  const { id } = await begun(key);
  for (const [path, method] of [
    [id, "GET"],
    [`${id}?stream=true`, "GET"],
    [`${id}/cancel`, "POST"],
    [id, "DELETE"],
  ] as const)
    expect((await askFor(other, path, method)).status, `${method} ${path}`).toBe(404);
  expect((await responseNow(key, id))["status"]).not.toBe("cancelled");
  await askFor(key, `${id}/cancel`, "POST");
});

it("is refused where it is not to be stored", async () => {
  const key = await keyWithAdder(() => []);
  const answer = await postResponse(key, { ...BODY, store: false });
  expect(answer.status).toBe(400);
  expect(await errorOf(answer)).toMatchObject({ param: "store" });
});

it("is one turn on record, which ends when it is made", async () => {
  const key = await keyWithAdder((add) => [
    says([functionCall("call_1", add, { a: 2, b: 3 })]),
    says([message("It is 5.")]),
  ]);
  const answer = await postResponse(key, BODY);
  const { id } = (await answer.json()) as SeenResponse;
  await untilStatus(key, id, "completed");
  const conversation = answer.headers.get("x-proxy-conversation-id") ?? "";
  await expect
    .poll(async () => (await proxy.conversation(conversation)).messages.length, { timeout: 8000 })
    .toBe(4);
  const { rounds, toolExecutions, status } = await proxy.conversation(conversation);
  expect(rounds).toHaveLength(2);
  expect(toolExecutions).toMatchObject([{ toolName: key.add, result: "5" }]);
  expect(status).toBe("completed");
});

it("of a key that logs metadata only is made by upstream, without the key's tools", async () => {
  const queued = { id: "resp_background", object: "response", status: "queued", output: [] };
  const key = await keyWithAdder(() => [json(queued)], { logContent: "metadata" });
  const answer = await postResponse(key, BODY);
  expect(await answer.json()).toEqual(queued);
  expect(sentBody(key.upstream, 0)).toMatchObject({ background: true });
  expect(sentBody(key.upstream, 0)).not.toHaveProperty("tools");
});

it("is made over chat completions too, for a key without tools as well", async () => {
  const key = await keyWithAdder(
    (add) => [
      completion({ content: null, tool_calls: [toolCall("call_1", add, { a: 2, b: 3 })] }),
      completion({ content: "It is 5." }),
    ],
    { upstreamDialect: "chat" },
  );
  const { id } = await begun(key);
  const made = await untilStatus(key, id, "completed");
  expect(made.output.map(({ type }) => type)).toEqual(["mcp_call", "message"]);
  const upstream = await startUpstream(completion({ content: "Hello." }));
  const plain = await proxy.createKey({ openaiBaseUrl: upstream.url, upstreamDialect: "chat" });
  const { id: other } = await begun(plain);
  expect(await untilStatus(plain, other, "completed")).toMatchObject({
    output: [{ type: "message", content: [{ text: "Hello." }] }],
  });
});
