/** Responses of a key with tools, asked for by the ids that their client was given. */
import { expect, it } from "vitest";
import { specFaults } from "../helpers/openai-spec.ts";
import { proxy } from "../helpers/proxy.ts";
import {
  askResponse,
  keyWithAdder,
  postResponse,
  type AdderKey,
} from "../helpers/response-turn.ts";
import { functionCall, message, says } from "../helpers/responses-upstream.ts";
import { json, type Answer } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const ask = (key: AdderKey, path: string, method = "GET"): Promise<Response> =>
  fetch(`${proxy.url}/v1/responses/${path}`, {
    method,
    headers: { authorization: `Bearer ${key.key}` },
  });

const addingKey = (...more: Answer[]) =>
  keyWithAdder((add) => [
    says([functionCall("call_1", add, { a: 2, b: 3 })]),
    says([message("It is 5.")]),
    ...more,
  ]);

it("is there as it was given, and upstream is not asked", async () => {
  const key = await addingKey();
  const given = await askResponse(key, { input: "2+3?", instructions: "Be brief." });
  const answer = await ask(key, given.id);
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual(given);
  expect(key.upstream.requests).toHaveLength(2);
});

it("is another key's 404", async () => {
  const { id } = await askResponse(await addingKey(), { input: "2+3?" });
  const other = await addingKey();
  const answer = await ask(other, id);
  expect(answer.status).toBe(404);
  expect(await answer.json()).toMatchObject({
    error: { type: "invalid_request_error", message: `Response with id '${id}' not found.` },
  });
  expect(other.upstream.requests).toHaveLength(0);
});

it("is gone when it was deleted, and so are upstream's rounds", async () => {
  const key = await addingKey(json({ deleted: true }), json({ error: { message: "gone" } }, 404));
  const { id } = await askResponse(key, { input: "2+3?" });
  const answer = await ask(key, id, "DELETE");
  expect(await answer.json()).toEqual({ id, object: "response", deleted: true });
  const deleted = key.upstream.requests.slice(2);
  expect(deleted.map(({ method }) => method)).toEqual(["DELETE", "DELETE"]);
  expect(deleted[0]?.url).toMatch(/^\/v1\/responses\/resp_\d+$/);
  expect((await ask(key, id)).status).toBe(404);
});

it("stays where upstream does not delete its rounds", async () => {
  const key = await addingKey(json({ error: { message: "later" } }, 500));
  const { id } = await askResponse(key, { input: "2+3?" });
  expect((await ask(key, id, "DELETE")).status).toBe(502);
  expect((await ask(key, id)).status).toBe(200);
});

it("cannot be cancelled, because it was made while its client waited", async () => {
  const key = await addingKey();
  const { id } = await askResponse(key, { input: "2+3?" });
  const answer = await ask(key, `${id}/cancel`, "POST");
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({
    error: { message: "Cannot cancel a synchronous response." },
  });
});

interface ItemPage extends Json {
  data: Json[];
  has_more: boolean;
}

const pageOf = async (key: AdderKey, path: string): Promise<ItemPage> => {
  const page = (await (await ask(key, path)).json()) as ItemPage;
  expect(specFaults("ResponseItemList", page)).toEqual([]);
  return page;
};

it("lists what it was made of, page by page, without what its client did not see", async () => {
  const key = await addingKey();
  const one = await askResponse(key, { input: "2+3?" });
  const two = await askResponse(key, { input: "Sure?", previous_response_id: one.id });
  const all = await pageOf(key, `${two.id}/input_items?order=asc`);
  expect(all.data.map(({ type, role }) => role ?? type)).toEqual([
    "user",
    "mcp_call",
    "assistant",
    "user",
  ]);
  const newest = await pageOf(key, `${two.id}/input_items?limit=3`);
  expect(newest.data).toEqual(all.data.toReversed().slice(0, 3));
  expect(newest.has_more).toBe(true);
  const last = String(newest["last_id"]);
  const rest = await pageOf(key, `${two.id}/input_items?limit=3&after=${last}`);
  expect(rest.data).toEqual(all.data.slice(0, 1));
  expect(rest.has_more).toBe(false);
  expect((await ask(key, `${two.id}/input_items?limit=0`)).status).toBe(400);
});

it("of upstream's own making is asked for there", async () => {
  const key = await keyWithAdder(() => [json({ id: "resp_of_upstream", object: "response" })]);
  const answer = await ask(key, "resp_of_upstream?include[]=x");
  expect(await answer.json()).toMatchObject({ id: "resp_of_upstream" });
  expect(key.upstream.requests[0]?.url).toBe("/v1/responses/resp_of_upstream?include[]=x");
});

it("of a key that logs metadata is not kept, and who asks for it is told why", async () => {
  const key = await keyWithAdder(() => [says([message("Hello.")])], { logContent: "metadata" });
  const { id } = await askResponse(key, { input: "Hi" });
  expect((await ask(key, id)).status).toBe(404);
  const answer = await postResponse(key, { input: "Go on", previous_response_id: id });
  expect(answer.status).toBe(404);
  const { error } = (await answer.json()) as { error: Json };
  expect(error).toMatchObject({
    code: "previous_response_not_found",
    param: "previous_response_id",
  });
  expect(error["message"]).toContain("logs metadata only");
  expect(key.upstream.requests).toHaveLength(1);
});

it("that was not to be stored is a 404, though a round of it was hidden", async () => {
  const key = await addingKey();
  const { id } = await askResponse(key, { input: "2+3?", store: false });
  expect((await ask(key, id)).status).toBe(404);
  expect((await ask(key, `${id}/input_items`)).status).toBe(404);
});
